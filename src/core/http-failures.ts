/** What can go wrong on a connection, and how the errors of node:http get these names. */
import type { ClientRequest } from "node:http"
import type { Purpose } from "./address-gate.ts"
import { type DiagnosisDefinition, PosternError, defineDiagnosis } from "./diagnosis.ts"
import type { Route } from "./http-route.ts"
import { quote, quoteAddress } from "./redact.ts"

interface Failure {
  readonly origin: string
  /** The proxy on the way. */
  readonly proxy?: string | undefined
  readonly code: string
  readonly detail: string
}

/** `purpose` is what the address was for, `why` the rule of `address-gate.ts` that it breaks; it is never shown as a link. */
export const addressRefused = defineDiagnosis({
  code: "address-refused",
  kind: "guard",
  about:
    "A server, or something that it sent, named an address that Postern does not open: another scheme than https (http is possible on this machine only), a user name in it, control characters, or a network that the configured server is not in itself. Link-local addresses are never opened: clouds hand out credentials there. A company's sign-in server on a private address beside a public MCP server is a real set-up: `\"allowPrivate\": true` in the server's entry lets it pass.",
  tell: ({ address, purpose, why, next }: { address: string; purpose: Purpose; why: string; next?: string | undefined }) => ({
    cause: `An address was refused: ${why}.`,
    evidence: [quoteAddress(address), `wanted to: ${purpose}`, "nothing was sent there"],
    ...(next === undefined ? {} : { next }),
  }),
})

const through = (proxy: string | undefined): readonly string[] => (proxy === undefined ? [] : [`through the proxy ${proxy}`])

/** The system's error, or our limit, came before a connection stood; `code` is that of Node.js. */
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

/** Any error of node:http that has no diagnosis of its own: it may have come after the server had the request. */
export const connectionLost = defineDiagnosis({
  code: "connection-lost",
  about:
    "The connection broke before the answer was complete. The request may have been carried out; Postern does not repeat it by itself.",
  tell: ({ origin, proxy, code, detail }: Failure) => ({
    cause: `The connection to ${origin} broke before the answer was complete (${code}); the outcome is unknown.`,
    evidence: [quote(detail), ...through(proxy)],
  }),
})

/** `code` is that of Node.js or OpenSSL for a certificate that does not verify. */
export const tlsRefused = defineDiagnosis({
  code: "tls-refused",
  about:
    "The server's certificate was not accepted: it is made for another name, has ended, or comes from an authority that this machine does not know. Company proxies that look into TLS sign with an authority of their own: its file goes into `tls.ca` of the server's entry, or for all of Node.js into NODE_EXTRA_CA_CERTS. There is no switch to accept any certificate.",
  tell: ({ origin, proxy, code, detail }: Failure) => ({
    cause: `The certificate of ${origin} is not accepted (${code}).`,
    evidence: [quote(detail), ...through(proxy), "nothing was sent"],
    next: 'if a company authority signed it, name its file: "tls": {"ca": FILE} in the server\'s entry, or NODE_EXTRA_CA_CERTS',
  }),
})

/** An error within the handshake that is about neither side's certificate. */
export const tlsFailed = defineDiagnosis({
  code: "tls-failed",
  about:
    "The encrypted connection did not come about: the other side does not speak TLS (an `http` server behind an `https` address), knows no common version, or closed in the middle of the handshake. Nothing was sent.",
  tell: ({ origin, proxy, code, detail }: Failure) => ({
    cause: `No encrypted connection to ${origin} came about (${code}).`,
    evidence: [quote(detail), ...through(proxy), "nothing was sent"],
    next: "check scheme and port of the address",
  }),
})

/** An alert about our certificate (RFC 8446 section 6.2); with TLS 1.3 it may come after the request was sent. */
export const clientCertificateRefused = defineDiagnosis({
  code: "client-certificate-refused",
  about:
    "The server asks for a certificate of the client, and was given none, or one that it does not accept: from an authority that it does not know, revoked, or past its end. The request was not run. `tls.cert` and `tls.key` in the server's entry name the files.",
  tell: ({ origin, proxy, code, detail }: Failure) => ({
    cause: `${origin} wants another certificate of the client than it was given, if any (${code}).`,
    evidence: [quote(detail), ...through(proxy)],
    next: 'name the files in the server\'s entry: "tls": {"cert": FILE, "key": FILE}',
  }),
})

/** `variable` is the one of the environment that names the proxy; `proxy` is its address without a password. */
export const proxyUnreachable = defineDiagnosis({
  code: "proxy-unreachable",
  about:
    "No connection to the proxy could be opened, or it did not answer in time: it is down, its name does not resolve outside of the company's network, or the variable names another one. Nothing was sent to the server.",
  tell: ({ proxy, variable, code, detail }: { proxy: string; variable: string; code: string; detail: string }) => ({
    cause: `No connection to the proxy ${proxy} could be opened (${code}).`,
    evidence: [quote(detail), `the proxy is named by ${variable}`, "nothing was sent"],
    next: `check ${variable}, or unset it where there is no proxy`,
  }),
})

/**
 * Not a byte went either way for `silenceMs` (milliseconds) while an answer was owed or under way. `resumed`: the limit is that of a stream
 * that was taken up again.
 */
export const serverSilent = defineDiagnosis({
  code: "server-silent",
  about: "The server took the request and sent nothing for longer than the limit.",
  tell: ({ origin, silenceMs, resumed = false }: { origin: string; silenceMs: number; resumed?: boolean }) => ({
    cause: `${origin} sent nothing for ${silenceMs / 1000} s; the outcome is unknown.`,
    evidence: [`limit: ${silenceMs} ms without a byte${resumed ? " of an answer that was cut and taken up again" : ""}`],
    next: `raise ${resumed ? '"resumeTimeout" (seconds)' : '"timeout" (milliseconds)'} in the server's entry if it needs longer`,
  }),
})

/** The limit is counted after decoding; it is also told of one event of a stream, and of one line of a local server. */
export const answerTooLarge = defineDiagnosis({
  code: "answer-too-large",
  about: "A body was longer than the stated limit, so the rest was not read.",
  tell: ({ origin, maxBytes }: { origin: string; maxBytes: number }) => ({
    cause: `An answer of ${origin} is longer than the limit of ${maxBytes} bytes.`,
    evidence: ["the rest was not read"],
  }),
})

/** `HPE_HEADER_OVERFLOW` of node:http. */
export const answerHeadersTooLarge = defineDiagnosis({
  code: "answer-headers-too-large",
  about:
    "The headers of an answer were longer than the limit of Node.js (16 KiB in all), so the answer was not read. The request may have been carried out.",
  tell: ({ origin, proxy, code, detail }: Failure) => ({
    cause: `The headers of an answer of ${origin} are longer than the limit of 16 KiB (${code}).`,
    evidence: [quote(detail), ...through(proxy), "the answer was not read; the outcome is unknown"],
  }),
})

/** Told by `fetchDocument`; `limitMs` is for the whole of request and answer, in milliseconds. */
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

/** Told by `fetchDocument`, before the text is parsed. */
export const answerTooDeep = defineDiagnosis({
  code: "answer-too-deep",
  about: "A document of a server or of its authorization server is nested deeper than the limit, so it was not used.",
  tell: ({ origin, maxLevels }: { origin: string; maxLevels: number }) => ({
    cause: `A document of ${origin} is nested deeper than the limit of ${maxLevels} levels.`,
    evidence: ["it was not used"],
  }),
})

/** `detail` is the encoding that is not known, or the type and the beginning of what is no message; `isPage`: which looks like HTML. */
export const answerUnreadable = defineDiagnosis({
  code: "answer-unreadable",
  about:
    "The server's answer is not what an MCP server may send: an unknown encoding, HTML instead of JSON, or broken JSON. A sign-in page of a network often looks like this.",
  tell: ({ origin, detail, isPage }: { origin: string; detail: string; isPage: boolean }) => ({
    cause: `The answer of ${origin} is not an MCP message.`,
    evidence: [quote(detail)],
    next: isPage
      ? "check the address; a network's sign-in page answers in the server's place"
      : "check that the address is that of an MCP server; if it is, the fault is the server's",
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

const OF_THE_NETWORK: ReadonlySet<string> = new Set(
  [serverUnreachable, proxyUnreachable, connectionLost, tlsFailed, serverSilent].map(({ code }) => code),
)

/** @returns whether a failure may pass by itself: the network's, and no refusal */
export function isNetworkFailure(error: unknown): boolean {
  return error instanceof PosternError && OF_THE_NETWORK.has(error.diagnosis.code)
}

/** Codes of `tls` and OpenSSL for a certificate that is not accepted. */
const CERTIFICATE = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH)/

/** The alerts of RFC 8446 section 6.2 by which a server refuses ours; since TLS 1.3 they come when the handshake seems to be over. */
const OUR_CERTIFICATE = /_ALERT_(CERTIFICATE_\w+|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)$/

/** What becomes of a request. */
export interface Fate {
  readonly route: Pick<Route, "origin" | "proxy" | "forward">
  readonly request: ClientRequest
  /**
   * Why it was ended from our side; undefined while it was not. It is kept here, and not given to `destroy`: between two requests a
   * connection has no listener, and an error there would end the process.
   */
  reason: unknown
  /**
   * When something was last heard, in milliseconds of the monotonic clock: a clock that is set does not make a server silent. Infinity
   * while nobody listens: whoever reads has to catch up first.
   */
  heardMs: number
}

/** Turns what node:http throws into a diagnosis; what was ended from our side has its own reason. */
export function nameFailure(error: unknown, { route, request, reason }: Readonly<Fate>): unknown {
  if (reason !== undefined) return reason
  if (error instanceof PosternError) return error
  const failure = error as NodeJS.ErrnoException // node:http throws nothing else
  const { code = "unknown", message } = failure
  if (BEFORE_CONNECTION.has(code) && route.forward) return route.forward.unreachable(failure)
  const diagnosis = definitionOf(code, request)
  return new PosternError(diagnosis({ origin: route.origin, proxy: route.proxy, code, detail: message }), { cause: error })
}

function definitionOf(code: string, { socket }: ClientRequest): DiagnosisDefinition<Failure> {
  if (BEFORE_CONNECTION.has(code)) return serverUnreachable
  if (CERTIFICATE.test(code)) return tlsRefused
  if (OUR_CERTIFICATE.test(code)) return clientCertificateRefused
  if (socket && "secureConnecting" in socket && socket.secureConnecting === true) return tlsFailed // it never came to stand
  return code === "HPE_HEADER_OVERFLOW" ? answerHeadersTooLarge : connectionLost
}
