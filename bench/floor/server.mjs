/**
 * The server under every measurement: MCP over Streamable HTTP on plain node:http, so that it is never what limits. Two
 * tools: `echo` and `big` (a text of so many bytes). stdout: `{"url": ...}`. Ends when stdin ends.
 * `GET /seen` answers how many requests came with which Authorization header.
 */
import { randomUUID } from "node:crypto"
import { createServer } from "node:http"

const versions = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
const tools = ["echo", "big"].map((name) => ({ name, description: `the tool ${name}`, inputSchema: { type: "object" } }))
const texts = new Map()
const seen = {}

function bigText(bytes) {
  if (!texts.has(bytes)) texts.set(bytes, "x".repeat(bytes))
  return texts.get(bytes)
}

function answerJson(response, value, headers) {
  const body = Buffer.from(JSON.stringify(value))
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length, ...headers })
  response.end(body)
}

function callTool({ name, arguments: input }) {
  const text = name === "big" ? bigText(input.bytes) : String(input.text)
  return { content: [{ type: "text", text }] }
}

function answerMessage({ id, method, params }, response) {
  const answer = (result, headers) => answerJson(response, { jsonrpc: "2.0", id, result }, headers)
  if (id === undefined || method === undefined) return response.writeHead(202).end()
  if (method === "initialize") {
    const protocolVersion = versions.includes(params.protocolVersion) ? params.protocolVersion : versions[0]
    const serverInfo = { name: "bench", version: "1.0.0" }
    return answer({ protocolVersion, capabilities: { tools: {} }, serverInfo }, { "mcp-session-id": randomUUID() })
  }
  if (method === "tools/call") return answer(callTool(params))
  return answer(method === "tools/list" ? { tools } : {})
}

function answerPost(request, response) {
  const chunks = []
  request.on("data", (chunk) => chunks.push(chunk))
  request.on("end", () => answerMessage(JSON.parse(Buffer.concat(chunks)), response))
}

const server = createServer((request, response) => {
  if (request.url === "/seen") return answerJson(response, seen)
  if (request.url !== "/mcp") return response.writeHead(404).end() // a peer looks for metadata before it starts
  const { authorization = "none" } = request.headers
  seen[authorization] = (seen[authorization] ?? 0) + 1
  if (request.method === "POST") return answerPost(request, response)
  if (request.method === "DELETE") return response.writeHead(200).end()
  if (request.method !== "GET" || !request.headers["mcp-session-id"]) return response.writeHead(405).end()
  response.writeHead(200, { "content-type": "text/event-stream" }).write(": open\n\n")
})

server.keepAliveTimeout = 60_000
server.on("connection", (socket) => socket.setNoDelay(true))
server.listen(0, "127.0.0.1", () => process.stdout.write(`{"url":"http://127.0.0.1:${server.address().port}/mcp"}\n`))

process.stdin.resume().on("end", () => process.exit())
