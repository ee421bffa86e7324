/**
 * A scriptable MCP server of revision 2026-07-28 on loopback: honest and strict by default (it refuses headers that do not say what the
 * body says), and each test makes it lie in its own way.
 */
import http from "node:http"
import type { AddressInfo } from "node:net"
import { type SeenRequest, json, sse } from "./mcp-server.ts"

export const REVISION = "2026-07-28"

export interface ModernServer extends AsyncDisposable {
  readonly url: string
  readonly origin: string
  /** Every HTTP request, in order. */
  readonly seen: SeenRequest[]
  seenOf(method: string): SeenRequest[]
  /** Ids, as JSON text, of the requests whose connection was closed before they were answered. */
  readonly closedEarly: string[]
  /** Streams of subscriptions that are open. */
  readonly streams: Set<http.ServerResponse>
  /** What `tools/list` tells. */
  tools: readonly unknown[]
  /** What the server does before its honest answer; returns true when it has answered. */
  handler: (request: SeenRequest, response: http.ServerResponse) => boolean | void | Promise<boolean | void>
  /** Says something on every open stream of a subscription. */
  say(notification: (subscriptionId: unknown) => unknown): void
}

/** The `_meta` of a modern request. */
export const modernMeta = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  "io.modelcontextprotocol/protocolVersion": REVISION,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  ...more,
})

/** Parameters of a modern request. */
export const modern = (params: Record<string, unknown> = {}): Record<string, unknown> => ({ ...params, _meta: modernMeta() })

export const failure = (response: http.ServerResponse, status: number, id: unknown, error: unknown): true =>
  json(response, { jsonrpc: "2.0", id, error }, status)

export async function startModernServer(): Promise<ModernServer> {
  const seen: SeenRequest[] = []
  const closedEarly: string[] = []
  const streams = new Set<http.ServerResponse>()
  const subscriptionIds = new WeakMap<http.ServerResponse, unknown>()

  const listener = http.createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
    incoming.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8")
      const message = body === "" ? undefined : (JSON.parse(body) as SeenRequest["message"])
      const request: SeenRequest = { method: incoming.method ?? "", path: incoming.url ?? "", headers: incoming.headers, body, message }
      seen.push(request)
      response.on("close", () => {
        if (!response.writableFinished) closedEarly.push(JSON.stringify(message?.id))
      })
      void (async () => {
        if (!(await server.handler(request, response))) honest(request, response)
      })()
    })
  })

  const honest = (request: SeenRequest, response: http.ServerResponse): void => {
    const { message } = request
    if (request.method !== "POST" || message?.method === undefined) return void response.writeHead(405).end()
    if (message.id === undefined) return void response.writeHead(202).end()
    const wrong = mismatch(request, server.tools)
    if (wrong) return void failure(response, 400, message.id, { code: -32020, message: `Header mismatch: ${wrong}` })
    const result = resultOf(message, server.tools)
    if (message.method === "subscriptions/listen") return openStream(message, response)
    if (!result) return void failure(response, 404, message.id, { code: -32601, message: "Method not found" })
    json(response, { jsonrpc: "2.0", id: message.id, result: { resultType: "complete", ...result } })
  }

  const openStream = (message: NonNullable<SeenRequest["message"]>, response: http.ServerResponse): void => {
    const say = sse(response)
    streams.add(response)
    subscriptionIds.set(response, message.id)
    response.on("close", () => streams.delete(response))
    const params = { _meta: { "io.modelcontextprotocol/subscriptionId": message.id }, notifications: { toolsListChanged: true } }
    say({ jsonrpc: "2.0", method: "notifications/subscriptions/acknowledged", params })
  }

  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  const origin = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  const server: ModernServer = {
    url: `${origin}/mcp`,
    origin,
    seen,
    closedEarly,
    streams,
    tools: [{ name: "echo", inputSchema: { type: "object", properties: { text: { type: "string" } } } }],
    handler: () => false,
    seenOf: (method) => seen.filter((request) => request.message?.method === method),
    say: (notification) =>
      streams.forEach((stream) => stream.write(`data: ${JSON.stringify(notification(subscriptionIds.get(stream)))}\n\n`)),
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
  return server
}

function resultOf(message: NonNullable<SeenRequest["message"]>, tools: readonly unknown[]): object | undefined {
  const fresh = { ttlMs: 60_000, cacheScope: "public" }
  const results: Record<string, object> = {
    "server/discover": {
      supportedVersions: [REVISION],
      capabilities: { tools: {} },
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "modern", version: "1" } },
      ...fresh,
    },
    "tools/list": { tools, ...fresh },
    "tools/call": { content: [{ type: "text", text: String(message.params?.arguments?.["text"] ?? "") }] },
    "resources/read": { contents: [], ...fresh },
    "prompts/get": { messages: [] },
  }
  return results[message.method ?? ""]
}

const decoded = (value: unknown): string | undefined => {
  if (typeof value !== "string") return undefined
  const base64 = /^=\?base64\?(.*)\?=$/.exec(value)?.[1]
  return base64 === undefined ? value : Buffer.from(base64, "base64").toString("utf8")
}

/** What the headers say otherwise than the body (revision 2026-07-28, Server Validation). */
function mismatch({ headers, message }: SeenRequest, tools: readonly unknown[]): string | undefined {
  const params = (message?.params ?? {}) as Record<string, unknown>
  const meta = (params["_meta"] ?? {}) as Record<string, unknown>
  const name = message?.method === "resources/read" ? params["uri"] : params["name"]
  const named = ["tools/call", "prompts/get", "resources/read"].includes(message?.method ?? "")
  if (headers["mcp-protocol-version"] !== meta["io.modelcontextprotocol/protocolVersion"]) return "MCP-Protocol-Version"
  if (headers["mcp-method"] !== message?.method) return "Mcp-Method"
  if (named && decoded(headers["mcp-name"]) !== name) return "Mcp-Name"
  if (message?.method !== "tools/call") return undefined
  const tool = (tools as readonly { name?: string; inputSchema?: { properties?: Record<string, Record<string, unknown>> } }[]).find(
    (candidate) => candidate?.name === name,
  )
  const given = (params["arguments"] ?? {}) as Record<string, unknown>
  return Object.entries(tool?.inputSchema?.properties ?? {})
    .filter(([, { "x-mcp-header": header }]) => typeof header === "string")
    .find(([property, { "x-mcp-header": header }]) => {
      const sent = decoded(headers[`mcp-param-${String(header).toLowerCase()}`])
      return (given[property] ?? undefined) === undefined ? sent !== undefined : sent !== String(given[property])
    })?.[0]
}
