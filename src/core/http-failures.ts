/** What can go wrong on a connection, and how the errors of node:http get these names. */
import { type DiagnosisDefinition, PosternError, defineDiagnosis } from "./diagnosis.ts"
import { quote } from "./redact.ts"

interface Failure {
  readonly origin: string
  readonly code: string
  readonly detail: string
}

export const serverUnreachable = defineDiagnosis({
  code: "server-unreachable",
  about:
    "No connection to the server's address could be opened: it is down, the name does not resolve, or a network stands between. Nothing was sent.",
  tell: ({ origin, code, detail }: Failure) => ({
    cause: `No connection to ${origin} could be opened (${code}).`,
    evidence: [quote(detail), "nothing was sent"],
    next: "check the address and the network, then try again",
  }),
})

export const connectionLost = defineDiagnosis({
  code: "connection-lost",
  about:
    "The connection broke before the answer was complete. The request may have been carried out; Postern does not repeat it by itself.",
  tell: ({ origin, code, detail }: Failure) => ({
    cause: `The connection to ${origin} broke before the answer was complete (${code}); the outcome is unknown.`,
    evidence: [quote(detail)],
  }),
})

export const tlsRefused = defineDiagnosis({
  code: "tls-refused",
  about:
    "The server's certificate was not accepted: it is made for another name, has ended, or comes from an authority that this machine does not know.",
  tell: ({ origin, code, detail }: Failure) => ({
    cause: `The certificate of ${origin} is not accepted (${code}).`,
    evidence: [quote(detail), "nothing was sent"],
    next: "if a company authority signed it, name its file in NODE_EXTRA_CA_CERTS",
  }),
})

export const serverSilent = defineDiagnosis({
  code: "server-silent",
  about: "The server took the request and sent nothing for longer than the limit.",
  tell: ({ origin, silenceMs }: { origin: string; silenceMs: number }) => ({
    cause: `${origin} sent nothing for ${silenceMs / 1000} s; the outcome is unknown.`,
    evidence: [`limit: ${silenceMs} ms without a byte`],
    next: 'raise "timeout" (milliseconds) in the server\'s entry if it needs longer',
  }),
})

export const answerTooLarge = defineDiagnosis({
  code: "answer-too-large",
  about: "A body was longer than the stated limit, so the rest was not read.",
  tell: ({ origin, maxBytes }: { origin: string; maxBytes: number }) => ({
    cause: `An answer of ${origin} is longer than the limit of ${maxBytes} bytes.`,
    evidence: ["the rest was not read"],
  }),
})

export const answerUnreadable = defineDiagnosis({
  code: "answer-unreadable",
  about:
    "The server's answer is not what an MCP server may send: an unknown encoding, HTML instead of JSON, or broken JSON. A sign-in page of a network often looks like this.",
  tell: ({ origin, detail }: { origin: string; detail: string }) => ({
    cause: `The answer of ${origin} is not an MCP message.`,
    evidence: [quote(detail)],
    next: "check the address; a network's sign-in page answers in the server's place",
  }),
})

/** Our own code beside those of the system: no connection within the limit. */
export const CONNECT_TIMEOUT = "ECONNECTTIMEOUT"

/** Errors that node:http gives before a connection stands: nothing can have reached the server. */
const BEFORE_CONNECTION = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  CONNECT_TIMEOUT,
])

/** Codes of `tls` and OpenSSL for a certificate that is not accepted. */
const CERTIFICATE = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH)/

/**
 * Why a request was ended from our side; undefined while it was not. It is kept here, and not given to `destroy`: between two
 * requests a connection has no listener, and an error there would end the process.
 */
export interface Fate {
  reason: unknown
}

/** Turns what node:http throws into a diagnosis; what was ended from our side has its own reason. */
export function nameFailure(error: unknown, origin: string, { reason }: Readonly<Fate>): unknown {
  if (reason !== undefined) return reason
  if (error instanceof PosternError) return error
  const { code = "unknown", message } = error as NodeJS.ErrnoException
  let diagnosis: DiagnosisDefinition<Failure> = connectionLost
  if (BEFORE_CONNECTION.has(code)) diagnosis = serverUnreachable
  else if (CERTIFICATE.test(code)) diagnosis = tlsRefused
  return new PosternError(diagnosis({ origin, code, detail: message }), { cause: error })
}
