/**
 * The one HTTP layer: limits, time-outs, decoding and the names of failures hold on every path that leaves this process.
 *
 * It stands on `node:http`, not on `fetch`: half the latency, a third of the CPU, and room for proxies and address rules
 * (docs/architecture.md, decision 1). It never follows a redirect: whether one may be followed is the caller's decision, since
 * headers and bodies are credentials.
 */
import http from "node:http"
import https from "node:https"
import type { Socket } from "node:net"
import { pipeline, type Readable, type Transform } from "node:stream"
import { type DiagnosisDefinition, PosternError, defineDiagnosis } from "./diagnosis.ts"
import { quote } from "./redact.ts"

/** What goes out. A plain read-only value: each step takes one and returns a new one. */
export interface OutgoingRequest {
  readonly method: "GET" | "POST" | "DELETE"
  readonly url: URL
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Overrides the limit on silence, in milliseconds; 0 means none: a stream that waits for events is silent by nature. */
  readonly silenceMs?: number
}

/** What came back. Its body is read, streamed or discarded, exactly once. */
export interface Answer {
  readonly status: number
  /** Names in lower case, as `node:http` joins them. */
  readonly headers: http.IncomingHttpHeaders
  /**
   * Reads the whole body, decoded (gzip, deflate, br).
   *
   * @param maxBytes - counted after decoding, so that a compressed bomb does not pass
   * @throws {PosternError} `answer-too-large`, or `connection-lost` when the server closed in the middle
   */
  read(maxBytes: number): Promise<Buffer>
  /** The body as it arrives, decoded; reading slowly slows the server down. Fails like `read`. */
  stream(): AsyncGenerator<Buffer, void, undefined>
  /** Drops the body, and keeps the connection when that is cheap. */
  discard(): void
}

export interface Http {
  /**
   * Sends one request.
   *
   * @param signal - aborts the request, and the body of its answer
   * @throws {PosternError} `server-unreachable` (nothing was sent), `connection-lost` (it may have been), `server-silent`, `tls-refused`
   */
  send(request: OutgoingRequest, signal: AbortSignal): Promise<Answer>
  /** Closes all connections. */
  close(): void
}

export interface HttpLimits {
  /** Longest silence on a connection that owes an answer, in milliseconds; 0 means none. */
  readonly silenceMs: number
  /** Longest time to open a connection, TLS included, in milliseconds. */
  readonly connectMs: number
}

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

/** Errors that node:http gives before a connection stands: nothing can have reached the server. */
const BEFORE_CONNECTION = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "ECONNECTTIMEOUT",
])

/** Codes of `tls` and OpenSSL for a certificate that is not accepted. */
const CERTIFICATE = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH)/

/** Makes the HTTP layer for one server. Connections are kept open between requests. */
export function createHttp(limits: HttpLimits): Http {
  const options = { keepAlive: true, maxSockets: 256, scheduling: "lifo" as const }
  const agents = { "http:": new http.Agent(options), "https:": new https.Agent(options) }

  return {
    send: (request, signal) => sendOnce(request, limits, agents, signal),
    close() {
      agents["http:"].destroy()
      agents["https:"].destroy()
    },
  }
}

function sendOnce(
  request: OutgoingRequest,
  limits: HttpLimits,
  agents: { "http:": http.Agent; "https:": https.Agent },
  signal: AbortSignal,
): Promise<Answer> {
  const { url, method, body, silenceMs = limits.silenceMs } = request
  const secure = url.protocol === "https:"
  return new Promise((resolve, reject) => {
    const headers: Record<string, string | number> = { ...request.headers }
    if (body) headers["content-length"] = body.length
    const outgoing = (secure ? https : http).request({
      protocol: url.protocol,
      // WHATWG URLs keep the brackets of an IPv6 address; the resolver does not want them.
      hostname: url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname,
      port: url.port,
      path: `${url.pathname}${url.search}`,
      method,
      headers,
      agent: secure ? agents["https:"] : agents["http:"],
      signal,
      timeout: silenceMs,
    })
    outgoing.on("socket", (socket) => limitConnect(outgoing, socket, limits.connectMs))
    outgoing.on("timeout", () => outgoing.destroy(new PosternError(serverSilent({ origin: url.origin, silenceMs }))))
    outgoing.on("error", (error) => reject(nameFailure(error, url.origin, signal)))
    outgoing.on("response", (incoming) => {
      toAnswer(incoming, url.origin, signal).then(resolve, reject)
    })
    outgoing.end(body)
  })
}

function limitConnect(outgoing: http.ClientRequest, socket: Socket, connectMs: number): void {
  if (!socket.connecting) return
  const timer = setTimeout(() => {
    outgoing.destroy(Object.assign(new Error(`no connection within ${connectMs / 1000} s`), { code: "ECONNECTTIMEOUT" }))
  }, connectMs)
  const clear = (): void => clearTimeout(timer)
  socket.once("connect", clear)
  socket.once("close", clear)
}

/** Turns what node:http throws into a diagnosis; an abort stays the reason of its signal. */
function nameFailure(error: unknown, origin: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof PosternError) return error
  const { code = "unknown", message } = error as NodeJS.ErrnoException
  let diagnosis: DiagnosisDefinition<Failure> = connectionLost
  if (BEFORE_CONNECTION.has(code)) diagnosis = serverUnreachable
  else if (CERTIFICATE.test(code)) diagnosis = tlsRefused
  return new PosternError(diagnosis({ origin, code, detail: message }), { cause: error })
}

async function toAnswer(incoming: http.IncomingMessage, origin: string, signal: AbortSignal): Promise<Answer> {
  const body = await decoded(incoming, origin)
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    read: (maxBytes) => readAll(body, maxBytes, origin, signal),
    async *stream() {
      try {
        for await (const chunk of body) yield chunk as Buffer // no encoding is set, so chunks are buffers
      } catch (error) {
        throw nameFailure(error, origin, signal)
      }
    },
    discard: () => discard(incoming),
  }
}

async function decoded(incoming: http.IncomingMessage, origin: string): Promise<Readable> {
  const encoding = incoming.headers["content-encoding"]?.trim().toLowerCase()
  if (!encoding || encoding === "identity") return incoming
  const zlib = await import("node:zlib")
  const decoders: Record<string, () => Transform> = {
    gzip: zlib.createGunzip,
    "x-gzip": zlib.createGunzip,
    deflate: zlib.createInflate,
    br: zlib.createBrotliDecompress,
  }
  const decoder = decoders[encoding]
  if (!decoder) {
    incoming.destroy()
    throw new PosternError(answerUnreadable({ origin, detail: `content-encoding: ${encoding}` }))
  }
  // Whoever reads the result hears of a failure there; nothing is left to do in this callback.
  return pipeline(incoming, decoder(), () => undefined)
}

function readAll(body: Readable, maxBytes: number, origin: string, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    body.on("data", (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxBytes) body.destroy(new PosternError(answerTooLarge({ origin, maxBytes })))
      else chunks.push(chunk)
    })
    body.on("end", () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes)))
    body.on("error", (error) => reject(nameFailure(error, origin, signal)))
  })
}

/** Small rests are read so that the connection can be used again; what is longer costs the connection. */
function discard(incoming: http.IncomingMessage): void {
  const length = Number(incoming.headers["content-length"] ?? Number.NaN)
  incoming.on("error", () => undefined) // nobody reads this body: how it ends does not matter
  if (length <= 64 * 1024) incoming.resume()
  else incoming.destroy()
}
