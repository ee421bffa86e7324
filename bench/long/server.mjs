/**
 * The server of the long run: MCP over Streamable HTTP on plain node:http, with every kind of answer that a call can get. It is
 * killed and started again on the same port, so it keeps nothing; a session that it does not know is answered with 404.
 * usage: server.mjs PORT TOKEN      stdout: `ready`
 */
import { randomUUID } from "node:crypto"
import { createServer } from "node:http"
import { bigText } from "./big-text.mjs"

const [port, token] = process.argv.slice(2)
const sessions = new Set()
/** Slow calls that may still be cancelled, by session and id. */
const slow = new Map()

const answerJson = (response, status, text, headers) => {
  const body = Buffer.from(text)
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length, ...headers }).end(body)
}
const frame = (id, member, value) => `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"${member}":${value}}`
const textResult = (text) => JSON.stringify({ content: [{ type: "text", text }] })

function answerWithProgress(id, { steps, tag }, progressToken, response) {
  response.writeHead(200, { "content-type": "text/event-stream" })
  let step = 0
  const timer = setInterval(() => {
    step++
    const params = { progressToken, progress: step, total: steps }
    response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params })}\n\n`)
    if (step < steps) return
    clearInterval(timer)
    response.end(`data: ${frame(id, "result", textResult(tag))}\n\n`)
  }, 15)
  response.on("close", () => clearInterval(timer))
}

function answerSlowly(id, { holdMs, tag }, session, response) {
  const key = `${session} ${id}`
  const timer = setTimeout(() => {
    slow.delete(key)
    answerJson(response, 200, frame(id, "result", textResult(tag)))
  }, holdMs)
  slow.set(key, () => {
    clearTimeout(timer)
    slow.delete(key)
    response.writeHead(200, { "content-type": "text/event-stream" }).end()
  })
}

function callTool({ id, params }, session, response) {
  const { name, arguments: input, _meta } = params
  if (name === "echo") return answerJson(response, 200, frame(id, "result", textResult(input.tag)))
  if (name === "big") return answerJson(response, 200, frame(id, "result", textResult(bigText(input.seed, input.bytes))))
  if (name === "exact") return answerJson(response, 200, frame(id, "result", `{"tag":"${input.tag}","n":12345678901234567890,"f":1.50}`))
  if (name === "progress") return answerWithProgress(id, input, _meta.progressToken, response)
  if (name === "slow") return answerSlowly(id, input, session, response)
  if (name === "tool-error") return answerJson(response, 200, frame(id, "result", `{"isError":true,"content":[],"tag":"${input.tag}"}`))
  return answerJson(response, 200, frame(id, "error", `{"code":-32050,"message":"as asked","data":"${input.tag}"}`))
}

function answerMessage(message, session, response) {
  const { id, method, params } = message
  if (method === "notifications/cancelled") slow.get(`${session} ${params.requestId}`)?.()
  if (id === undefined || method === undefined) return response.writeHead(202).end()
  if (method !== "initialize") return callTool(message, session, response)
  const opened = randomUUID()
  sessions.add(opened)
  const result = { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "long", version: "1.0.0" } }
  return answerJson(response, 200, frame(id, "result", JSON.stringify(result)), { "mcp-session-id": opened })
}

const server = createServer((request, response) => {
  if (request.headers.authorization !== `Bearer ${token}`) return response.writeHead(401).end()
  const session = request.headers["mcp-session-id"]
  if (session !== undefined && !sessions.has(session)) return response.writeHead(404).end()
  if (request.method === "GET") return response.writeHead(200, { "content-type": "text/event-stream" }).write(": open\n\n")
  if (request.method === "DELETE") return response.writeHead(200).end()
  const chunks = []
  request.on("data", (chunk) => chunks.push(chunk))
  request.on("end", () => answerMessage(JSON.parse(Buffer.concat(chunks)), session, response))
})

server.keepAliveTimeout = 60_000
server.listen(Number(port), "127.0.0.1", () => process.stdout.write(`ready ${server.address().port}\n`))
