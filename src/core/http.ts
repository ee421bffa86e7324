/**
 * The one HTTP layer: limits, time-outs, decoding and the names of failures hold on every path that leaves this process.
 *
 * It stands on `node:http`, not on `fetch`: half the latency, a third of the CPU, and room for proxies and address rules
 * (docs/architecture.md, decision 1). It never follows a redirect: whether one may be followed is the caller's decision, since
 * headers and bodies are credentials.
 */
import type http from "node:http"
import type { LookupFunction } from "node:net"
import type { AddressPolicy } from "./address-gate.ts"
import { toAnswer } from "./http-body.ts"
import { type Fate, nameFailure } from "./http-failures.ts"
import { type Route, createRoutes } from "./http-route.ts"
import { watchRequests } from "./http-watch.ts"
import type { Environment } from "./places.ts"

/** What goes out. A plain read-only value: each step takes one and returns a new one. */
export interface OutgoingRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly url: URL
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer | undefined
  /**
   * Whether it may be sent again where nobody knows if the server has run it: a connection that was kept open may have died before
   * the request was on it. A GET may, unless said otherwise.
   */
  readonly repeatable?: boolean | undefined
  /** What it is sent for; see `Http.abandon`. */
  readonly cause?: object | undefined
  /** Whose proof it carries: equal (`===`) for as long as it is the same one's. A cookie that was set for one is not sent for another. */
  readonly identity?: string | object | undefined
  /** Overrides the limit on silence, in milliseconds; 0 means none: a stream that waits for events is silent by nature. */
  readonly silenceMs?: number | undefined
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
   * @param hold - hears how much more is held now, in bytes, once it is more than a few; a promise makes the server wait
   * @throws {PosternError} `answer-too-large`, or `connection-lost` when the server closed in the middle
   */
  read(maxBytes: number, hold?: (bytes: number) => Promise<void> | undefined): Promise<Buffer>
  /**
   * Reads the body of a refusal: its status is the fact, and what was said with it comes within two seconds or not at all.
   *
   * @returns what could be read; empty when that failed. Asked again, the same: an authenticator reads it, and the door quotes it
   */
  readBriefly(maxBytes: number): Promise<Buffer>
  /**
   * The body as it arrives, decoded; reading slowly slows the server down. Fails like `read`.
   *
   * @param hold - is asked before more is read; a promise makes the server wait
   */
  stream(hold?: () => Promise<void> | undefined): AsyncGenerator<Buffer, void, undefined>
  /** Drops the body, and keeps the connection when that is cheap. */
  discard(): void
}

/** The HTTP layer of one server. Whoever makes one closes it. */
export interface Http {
  /**
   * Sends one request, and once more where a connection that was kept open has died and it may be repeated.
   *
   * @param signal - aborts the request, and the body of its answer
   * @throws {PosternError} `address-refused`, `server-unreachable` (nothing was sent), `connection-lost` (it may have been),
   *   `server-silent`, `answer-headers-too-large`; of TLS `tls-refused`, `tls-failed`, `client-certificate-refused`,
   *   `certificate-unusable`; of a proxy `proxy-invalid`, `proxy-unreachable`, `proxy-refused`
   */
  send(request: OutgoingRequest, signal: AbortSignal): Promise<Answer>
  /**
   * Ends whatever is on its way for a cause, and sends nothing more for it. Costs a request nothing, other than a signal of its own.
   *
   * @param reason - what those hear who wait
   */
  abandon(cause: object, reason: Error): void
  /** Closes all connections. */
  close(): void
}

/** Limits on each connection; none of them is on the whole of an answer. */
export interface HttpLimits {
  /** Longest silence on a connection that owes an answer, in milliseconds; 0 means none. */
  readonly silenceMs: number
  /** Longest time to open a connection, TLS included, in milliseconds. */
  readonly connectMs: number
}

/** Files in PEM form. */
export interface TlsFiles {
  /** Authorities that are known beside those of the system. */
  readonly caFile?: string
  /** The variable that names them, where it is not the entry's `tls.ca`. */
  readonly caVariable?: string
  /** Our own certificate, for servers that ask for one; its key lies in the same file unless `keyFile` is there. */
  readonly certFile?: string
  readonly keyFile?: string
}

/** All that holds on each way to one server: its own requests, documents, tokens, AWS. */
export interface HttpSettings extends HttpLimits {
  /** Names the proxies; without it there are none. */
  readonly env?: Environment
  readonly tls?: TlsFiles
  /** Which addresses may be connected to; checked on the resolved address, at connection time. Without it all may. */
  readonly addresses?: AddressPolicy
  /** Resolves names: the system unless a test says otherwise. */
  readonly resolve?: LookupFunction
}

/** Makes the HTTP layer for one server. Connections are kept open between requests. */
export function createHttp(settings: HttpSettings): Http {
  const routes = createRoutes(settings)
  const watch = watchRequests(settings)
  let last: { readonly url: URL; readonly target: Target } | undefined
  let listed: { readonly headers: OutgoingRequest["headers"]; readonly target: Target; readonly list: readonly string[] } | undefined

  /** A connection is about to be free: what is sent in this moment waits for it, and opens none of its own. */
  let isFreeing = false

  /** The messages of a session come with the same headers: their list is made once. */
  const listHeaders = (headers: OutgoingRequest["headers"], target: Target): readonly string[] => {
    if (listed?.headers !== headers || listed.target !== target) listed = { headers, target, list: toList(headers, target) }
    return listed.list
  }

  const onFreeing = (): void => {
    isFreeing = true
  }

  const attempt = (request: OutgoingRequest, target: Target, signal: AbortSignal, isRepeat: boolean): Promise<Answer> =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const outgoing = open(request, target, listHeaders(request.headers, target))
      const fate = watch.add(outgoing, target.route, request, signal)
      let settled = false
      outgoing.on("error", (error) => {
        if (settled) return
        settled = true
        if (isRepeat || !mayRepeat(request, error, fate)) return reject(nameFailure(error, fate))
        dropIdle(target.route.agent)
        resolve(attempt(request, target, signal, true))
      })
      outgoing.on("close", () => {
        watch.remove(fate)
        isFreeing = false
        // Some answers, such as a switch of protocols, end a request without a word. An error is dear: none is made for the others.
        if (!settled) reject(nameFailure(new Error("closed without an answer"), fate))
      })
      outgoing.on("response", (incoming) => {
        settled = true
        const refusal = target.route.forward?.refusal(incoming)
        if (!refusal) return resolve(toAnswer({ incoming, fate, onFreeing }))
        incoming.destroy()
        reject(refusal)
      })
      write(outgoing, request.body)
    })

  const findAndSend = async (request: OutgoingRequest, signal: AbortSignal): Promise<Answer> => {
    const { url } = request
    const target = readTarget(url, await routes.find(url))
    last = { url, target }
    return attempt(request, target, signal, false)
  }

  return {
    async send(request, signal) {
      if (isFreeing) await new Promise<void>((resolve) => process.nextTick(resolve)) // what is due is done before we go on
      return last?.url === request.url ? attempt(request, last.target, signal, false) : findAndSend(request, signal)
    },
    abandon: watch.abandon,
    close() {
      watch.close()
      routes.close()
    },
  }
}

/** What node:http wants to know of an address; reading a URL's parts takes longer than the rest of the preparation. */
interface Target {
  readonly route: Route
  readonly host: string
  readonly path: string
}

function readTarget({ host, pathname, search }: URL, route: Route): Target {
  return { route, host, path: `${route.forward ? route.origin : ""}${pathname}${search}` }
}

/** As a list, headers go to the wire as they are, without one look-up each; the host is then ours to add. */
function toList(headers: OutgoingRequest["headers"], { host, route }: Target): readonly string[] {
  return ["host", host, ...Object.entries(headers).flat(), ...(route.forward?.headers ?? [])]
}

function open({ method, body }: OutgoingRequest, { route, path }: Target, list: readonly string[]): http.ClientRequest {
  const { hostname, port, agent, via } = route
  const headers = body ? [...list, "content-length", String(body.length)] : list
  return via.request({ hostname, port, path, method, headers, agent })
}

const ONE_WRITE_BYTES = 16 * 1024

function write(outgoing: http.ClientRequest, body: Buffer | undefined): void {
  // As text, head and a small body leave in one system call; Latin-1 is the encoding in which each byte stays itself.
  if (body && body.length <= ONE_WRITE_BYTES) outgoing.end(body.toString("latin1"), "latin1")
  else outgoing.end(body)
}

/** What died with one connection has most likely died with the others that were kept open beside it. */
function dropIdle({ freeSockets }: http.Agent): void {
  for (const socket of Object.values(freeSockets).flat()) socket?.destroy()
}

/**
 * Whether a request that failed may be sent once more: its connection was kept open from before, and died without an answer
 * (RFC 9112 section 9.3.1). Then it has to be repeatable, or not to have left at all: its one write failed.
 */
function mayRepeat(
  { method, body, repeatable = method === "GET" }: OutgoingRequest,
  error: NodeJS.ErrnoException,
  { request, reason }: Fate,
): boolean {
  if (!request.reusedSocket || reason !== undefined || (error.code !== "ECONNRESET" && error.code !== "EPIPE")) return false
  return repeatable || (error.syscall === "write" && (body?.length ?? 0) <= ONE_WRITE_BYTES)
}
