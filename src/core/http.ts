/**
 * The one HTTP layer: limits, time-outs, decoding and the names of failures hold on every path that leaves this process.
 *
 * It stands on `node:http`, not on `fetch`: half the latency, a third of the CPU, and room for proxies and address rules
 * (docs/architecture.md, decision 1). It never follows a redirect: whether one may be followed is the caller's decision, since
 * headers and bodies are credentials.
 */
import http from "node:http"
import https from "node:https"
import type net from "node:net"
import type { LookupFunction } from "node:net"
import { type AddressPolicy, type AddressRule, addressRule, hostOf } from "./address-gate.ts"
import { toAnswer } from "./http-body.ts"
import { CONNECT_TIMEOUT, nameFailure } from "./http-failures.ts"
import { watchRequests } from "./http-watch.ts"
import type { Environment } from "./places.ts"

/** What goes out. A plain read-only value: each step takes one and returns a new one. */
export interface OutgoingRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
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
  /**
   * Reads the body of a refusal: its status is the fact, and what was said with it comes within two seconds or not at all.
   *
   * @returns what could be read; empty when that failed. Asked again, the same: an authenticator reads it, and the door quotes it
   */
  readBriefly(maxBytes: number): Promise<Buffer>
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
   * @throws {PosternError} `address-refused`, `server-unreachable` (nothing was sent), `connection-lost` (it may have been),
   *   `server-silent`, `tls-refused`
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

/** All that holds on each way to one server: its own requests, documents, tokens, AWS. */
export interface HttpSettings extends HttpLimits {
  /** Names the proxies; without it there are none. */
  readonly env?: Environment
  /** Files in PEM form. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
  /** Which addresses may be connected to; checked on the resolved address, at connection time. Without it all may. */
  readonly addresses?: AddressPolicy
  /** Resolves names: the system unless a test says otherwise. */
  readonly resolve?: LookupFunction
}

/** Makes the HTTP layer for one server. Connections are kept open between requests. */
export function createHttp(settings: HttpSettings): Http {
  const { silenceMs, connectMs, addresses, resolve: resolver } = settings
  const rule = addresses && addressRule(addresses, resolver)
  const lookup = rule?.lookup ?? resolver
  const options = { keepAlive: true, scheduling: "lifo" as const, ...(lookup && { lookup }) }
  const agents = { http: new http.Agent(options), https: new https.Agent(options) }
  limitConnect(agents.http, { standing: "connect", connectMs })
  limitConnect(agents.https, { standing: "secureConnect", connectMs, rule })
  let last: { readonly url: URL; readonly target: Target } | undefined
  const watch = watchRequests(settings)

  const targetOf = (url: URL): Target => {
    if (last?.url !== url) {
      rule?.passHost(hostOf(url))
      last = { url, target: readTarget(url) }
    }
    return last.target
  }

  return {
    send: (request, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted()
        const target = targetOf(request.url)
        const outgoing = open(request, target, agents)
        const fate = watch.add(outgoing, { origin: target.origin, silenceMs: request.silenceMs ?? silenceMs, signal })
        let settled = false
        outgoing.on("error", (error) => {
          settled = true
          reject(nameFailure(error, target.origin, fate))
        })
        // Some answers, such as a switch of protocols, end a request without a word. An error is dear: none is made for the others.
        outgoing.on("close", () => {
          if (!settled) reject(nameFailure(new Error("closed without an answer"), target.origin, fate))
        })
        outgoing.on("response", (incoming) => {
          settled = true
          resolve(toAnswer(incoming, target.origin, fate))
        })
        write(outgoing, request.body)
      }),
    close() {
      watch.close()
      agents.http.destroy()
      agents.https.destroy()
    },
  }
}

interface ConnectLimit {
  readonly standing: "connect" | "secureConnect"
  readonly connectMs: number
  readonly rule?: AddressRule | undefined
}

/** Ends connections that do not come to stand in time. Asked of the agent, so that it costs nothing where one is used again. */
function limitConnect(agent: http.Agent, { standing, connectMs, rule }: ConnectLimit): void {
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback) as net.Socket | undefined
    const tooLate = (): void =>
      void socket?.destroy(Object.assign(new Error(`no connection within ${connectMs / 1000} s`), { code: CONNECT_TIMEOUT }))
    const timer = setTimeout(tooLate, connectMs)
    for (const event of [standing, "close"]) socket?.once(event, () => clearTimeout(timer))
    if (rule) socket?.once(standing, () => rule.learnHome(options.host ?? "", socket.remoteAddress))
    return socket
  }
}

/** What node:http wants to know of an address; reading a URL's parts takes longer than the rest of the preparation. */
interface Target {
  readonly secure: boolean
  readonly origin: string
  readonly host: string
  readonly hostname: string
  readonly port: string
  readonly path: string
}

function readTarget({ protocol, origin, host, hostname, port, pathname, search }: URL): Target {
  // WHATWG URLs keep the brackets of an IPv6 address; the resolver does not want them.
  const bare = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname
  return { secure: protocol === "https:", origin, host, hostname: bare, port, path: `${pathname}${search}` }
}

function open(
  { method, headers, body }: OutgoingRequest,
  target: Target,
  agents: Record<"http" | "https", http.Agent>,
): http.ClientRequest {
  // As a list, headers go to the wire as they are, without one look-up each; the host is then ours to add.
  const list = ["host", target.host]
  for (const name in headers) list.push(name, headers[name] ?? "")
  if (body) list.push("content-length", String(body.length))
  const { hostname, port, path, secure } = target
  const options = { hostname, port, path, method, headers: list, agent: agents[secure ? "https" : "http"] }
  return (secure ? https : http).request(options)
}

const ONE_WRITE_BYTES = 16 * 1024

function write(outgoing: http.ClientRequest, body: Buffer | undefined): void {
  // As text, head and a small body leave in one system call; Latin-1 is the encoding in which each byte stays itself.
  if (body && body.length <= ONE_WRITE_BYTES) outgoing.end(body.toString("latin1"), "latin1")
  else outgoing.end(body)
}
