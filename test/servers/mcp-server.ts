/** A scriptable MCP server over Streamable HTTP on loopback: honest by default, and each test makes it lie in its own way. */
import { randomUUID } from "node:crypto"
import http from "node:http"
import https from "node:https"
import type { AddressInfo, Socket } from "node:net"
import type { TLSSocket } from "node:tls"

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  /** The parsed body, or undefined. */
  readonly message: Message | undefined
}

export interface Message {
  id?: unknown
  method?: string
  params?: {
    name?: string
    arguments?: Record<string, unknown>
    requestId?: unknown
    protocolVersion?: string
    _meta?: { progressToken?: unknown }
  }
  result?: unknown
  error?: unknown
}

type Handler = (request: SeenRequest, response: http.ServerResponse) => boolean | void | Promise<boolean | void>

export interface McpServer extends AsyncDisposable {
  readonly url: string
  readonly origin: string
  readonly seen: SeenRequest[]
  /** Requests whose message has this method. */
  seenOf(method: string): SeenRequest[]
  /** Ids of the sessions that are open. */
  readonly sessions: Set<string>
  /** GET streams that are open. */
  readonly streams: Set<http.ServerResponse>
  /** The key that is asked for; undefined lets everybody in. */
  key: string | undefined
  /** What the server does before its honest answer; returns true when it has answered. */
  handler: Handler
  /** True for a request whose body is never read. */
  deaf: (incoming: http.IncomingMessage) => boolean
  close(): Promise<void>
}

export const json = (response: http.ServerResponse, value: unknown, status = 200, headers: http.OutgoingHttpHeaders = {}): true => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(JSON.stringify(value))
  return true
}

export const sse = (response: http.ServerResponse): ((value: unknown, id?: string) => void) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  return (value, id) =>
    void response.write(`${id === undefined ? "" : `id: ${id}\n`}data: ${value === "" ? "" : JSON.stringify(value)}\n\n`)
}

export interface McpServerOptions {
  /** `Authorization: Bearer KEY` is asked of every request. */
  readonly key?: string
  readonly port?: number
  /** Speaks TLS; with `requestCert` it asks for the client's certificate. */
  readonly tls?: https.ServerOptions
  /** Hears of each TLS connection. */
  readonly onSecure?: (socket: TLSSocket) => void
}

export async function startMcpServer({ key, port = 0, tls, onSecure }: McpServerOptions = {}): Promise<McpServer> {
  const seen: SeenRequest[] = []
  const sessions = new Set<string>()
  const streams = new Set<http.ServerResponse>()
  const server: McpServer = {
    url: "",
    origin: "",
    seen,
    sessions,
    streams,
    key,
    seenOf: (method) => seen.filter((request) => request.message?.method === method),
    handler: () => false,
    deaf: () => false,
    close: () => close(),
    [Symbol.asyncDispose]: () => close(),
  }

  const listener = (tls ? https.createServer(tls) : http.createServer()).on("request", (incoming, response) => {
    if (server.deaf(incoming)) return
    const chunks: Buffer[] = []
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
    incoming.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8")
      const request = { method: incoming.method ?? "", path: incoming.url ?? "", headers: incoming.headers, body, message: parse(body) }
      seen.push(request)
      void (async () => {
        if (!(await server.handler(request, response))) honest(request, response)
      })()
    })
  })

  const honest = (request: SeenRequest, response: http.ServerResponse): void => {
    if (server.key !== undefined && request.headers.authorization !== `Bearer ${server.key}`) {
      json(response, { error: "invalid_token" }, 401, { "www-authenticate": 'Bearer error="invalid_token"' })
      return
    }
    const id = request.headers["mcp-session-id"]
    if (request.message?.method === "initialize") {
      const opened = randomUUID()
      sessions.add(opened)
      const result = {
        protocolVersion: request.message.params?.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "test", version: "1" },
      }
      json(response, { jsonrpc: "2.0", id: request.message.id, result }, 200, { "mcp-session-id": opened })
      return
    }
    if (typeof id !== "string" || !sessions.has(id)) {
      json(response, { jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } }, id === undefined ? 400 : 404)
      return
    }
    if (request.method === "DELETE") {
      sessions.delete(id)
      response.end()
      return
    }
    if (request.method === "GET") {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.flushHeaders()
      streams.add(response)
      response.on("close", () => streams.delete(response))
      return
    }
    answer(request, response)
  }

  const sockets = new Set<Socket>()
  if (onSecure) listener.on("secureConnection", onSecure)
  listener.on("connection", (socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => listener.listen(port, "127.0.0.1", resolve))
  const origin = `${tls ? "https" : "http"}://127.0.0.1:${(listener.address() as AddressInfo).port}`
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => listener.close(() => resolve()))
  }
  return Object.assign(server, { origin, url: `${origin}/mcp` })
}

function answer({ message }: SeenRequest, response: http.ServerResponse): void {
  if (message?.id === undefined || message.method === undefined) {
    response.writeHead(202).end()
    return
  }
  const { id, params } = message
  if (message.method === "tools/list")
    json(response, { jsonrpc: "2.0", id, result: { tools: [{ name: "echo", inputSchema: { type: "object" } }] } })
  else if (message.method === "tools/call") {
    json(response, { jsonrpc: "2.0", id, result: { content: [{ type: "text", text: String(params?.arguments?.["text"] ?? "") }] } })
  } else json(response, { jsonrpc: "2.0", id, result: { method: message.method } })
}

function parse(body: string): Message | undefined {
  try {
    return JSON.parse(body) as Message
  } catch {
    return undefined
  }
}
