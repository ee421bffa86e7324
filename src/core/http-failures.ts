/** What can go wrong on a connection, and how the errors of node:http get these names. */
import type { Purpose } from "./address-gate.ts"
import { type DiagnosisDefinition, PosternError, defineDiagnosis } from "./diagnosis.ts"
import { quote } from "./redact.ts"

interface Failure {
  readonly origin: string
  readonly code: string
  readonly detail: string
}

export const addressRefused = defineDiagnosis({
  code: "address-refused",
  kind: "guard",
  about:
    "A server, or something that it sent, named an address that Postern does not open: another scheme than https (http is possible on this machine only), a user name in it, control characters, or a network that the configured server is not in itself. Link-local addresses are never opened: clouds hand out credentials there. A company's sign-in server on a private address beside a public MCP server is a real set-up: `\"allowPrivate\": true` in the server's entry lets it pass.",
  tell: ({ address, purpose, why, next }: { address: string; purpose: Purpose; why: string; next?: string | undefined }) => ({
    cause: `An address was refused: ${why}.`,
    // Never as a link: a terminal or a client would offer what was just refused.
    evidence: [`address (not a link): "${quote(address).replace(":", ": ")}"`, `wanted to: ${purpose}`, "nothing was sent there"],
    ...(next === undefined ? {} : { next }),
  }),
})

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

export const answerTooSlow = defineDiagnosis({
  code: "answer-too-slow",
  about:
    "A document of a server or of its authorization server, or an answer of a token endpoint, did not arrive whole within the limit. Each byte may have come in time: the limit is on the whole.",
  tell: ({ origin, limitMs }: { origin: string; limitMs: number }) => ({
    cause: `${origin} did not send its document within ${limitMs / 1000} s.`,
    evidence: ["the rest was not read"],
    next: "try again; if it stays so, ask the server's owner",
  }),
})

export const answerTooDeep = defineDiagnosis({
  code: "answer-too-deep",
  about: "A document of a server or of its authorization server is nested deeper than the limit, so it was not used.",
  tell: ({ origin, maxLevels }: { origin: string; maxLevels: number }) => ({
    cause: `A document of ${origin} is nested deeper than the limit of ${maxLevels} levels.`,
    evidence: ["it was not used"],
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
