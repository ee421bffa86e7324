/** A server of the HTTP+SSE transport (2024-11-05) on loopback: GET /sse is the stream, POST /messages takes messages. */
import http from "node:http"
import type { AddressInfo } from "node:net"
import type { Message, SeenRequest } from "./mcp-server.ts"

export interface SseServer extends AsyncDisposable {
  readonly url: string
  readonly origin: string
  readonly seen: SeenRequest[]
  readonly streams: Set<http.ServerResponse>
  /** What the first event names; `/messages` unless a test lies. */
  endpoint: string
  /** Says something on every stream. */
  say(message: unknown): void
  /** What is said for a message; a test may replace it. */
  answer: (message: Message) => readonly unknown[]
  /** The status of the next POSTs. */
  postStatus: number
  /** Deals with a POST itself where it returns true. */
  onPost: (message: Message | undefined, incoming: http.IncomingMessage) => boolean
}

export async function startSseServer(): Promise<SseServer> {
  const seen: SeenRequest[] = []
  const streams = new Set<http.ServerResponse>()
  const listener = http.createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
    incoming.on("end", () => {
      const body = Buffer.concat(chunks).toString()
      const message = body === "" ? undefined : (JSON.parse(body) as Message)
      seen.push({ method: incoming.method ?? "", path: incoming.url ?? "", headers: incoming.headers, body, message })
      if (incoming.method === "GET") {
        response.writeHead(200, { "content-type": "text/event-stream" }).write(`event: endpoint\ndata: ${server.endpoint}\n\n`)
        streams.add(response)
        response.on("close", () => streams.delete(response))
        return
      }
      if (incoming.url === "/sse") return void response.writeHead(405).end() // the stream's address takes no messages
      if (server.onPost(message, incoming)) return
      response.statusCode = server.postStatus // with its length, so that the connection is kept
      response.end(server.postStatus === 202 ? "Accepted" : "no")
      if (server.postStatus === 202 && message) for (const said of server.answer(message)) server.say(said)
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  const origin = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  const server: SseServer = {
    origin,
    url: `${origin}/sse`,
    seen,
    streams,
    endpoint: "/messages?session=1",
    postStatus: 202,
    onPost: () => false,
    say: (message) => streams.forEach((stream) => stream.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`)),
    answer: ({ id, method, params }) => {
      if (id === undefined || method === undefined) return []
      if (method !== "initialize") return [{ jsonrpc: "2.0", id, result: { method } }]
      return [
        {
          jsonrpc: "2.0",
          id,
          result: { protocolVersion: params?.protocolVersion, capabilities: {}, serverInfo: { name: "sse", version: "1" } },
        },
      ]
    },
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
  return server
}
