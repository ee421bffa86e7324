/**
 * `node sdk-server.mjs http [reject|stateless]` or `stdio`: a server of revision 2026-07-28 that is not ours, made with the official
 * SDK. Over HTTP it prints one JSON line with its address, then one for each request that it sees, and ends when its input ends;
 * `reject` (unless said) lets only that revision in, `stateless` also earlier ones.
 */
import http from "node:http"
import { createRequire } from "node:module"
import { join } from "node:path"

const judges = createRequire(join(import.meta.dirname, "../../.ci/judges/package.json"))
const { McpServer, createMcpHandler, fromJsonSchema, inputRequired, inputResponse } = judges("@modelcontextprotocol/server")
const { serveStdio } = judges("@modelcontextprotocol/server/stdio")
const { toNodeHandler } = judges("@modelcontextprotocol/node")

const schema = (properties = {}) => fromJsonSchema({ type: "object", properties })
const tokenOf = ({ ["_meta"]: meta }) => meta?.progressToken
const text = (said) => ({ content: [{ type: "text", text: said }] })

/** What the server asks of its client, in its results: the client answers by calling again. */
const questions = {
  sample: () => inputRequired.createMessage({ messages: [{ role: "user", content: { type: "text", text: "what?" } }], maxTokens: 10 }),
  elicit: () => inputRequired.elicit({ message: "Who?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } }),
  roots: () => inputRequired.listRoots(),
}

/** @param tellChange - tells all subscriptions that the list of tools has changed; over stdio the server does it itself */
function makeServer(tellChange = (server) => server.sendToolListChanged()) {
  const server = new McpServer({ name: "sdk-server", version: "1.0.0" }, { capabilities: { tools: { listChanged: true } } })
  server.registerTool("echo", { inputSchema: schema({ message: { type: "string" } }) }, ({ message }) => text(`Echo: ${message}`))

  const region = { type: "string", "x-mcp-header": "Region" }
  server.registerTool("query", { inputSchema: schema({ region }) }, (args) => text(`asked in ${args.region}`))

  server.registerTool("count", { inputSchema: schema() }, async (_, { mcpReq }) => {
    const progressToken = tokenOf(mcpReq)
    for (const progress of [1, 2, 3]) {
      if (progressToken === undefined) continue
      await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 3 } })
      await new Promise((resolve) => setTimeout(resolve, 50)) // the work
    }
    return text("counted")
  })

  server.registerTool("wait", { inputSchema: schema() }, async (_, { mcpReq }) => {
    const progressToken = tokenOf(mcpReq)
    await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: 1 } })
    await new Promise((resolve) => mcpReq.signal.addEventListener("abort", resolve, { once: true }))
    process.stderr.write("a call was cancelled\n")
    return text("never heard")
  })

  server.registerTool("change", { inputSchema: schema() }, () => {
    tellChange(server)
    return text("changed")
  })

  for (const [name, question] of Object.entries(questions)) {
    server.registerTool(name, { inputSchema: schema() }, (_, { mcpReq }) => {
      const answer = inputResponse(mcpReq.inputResponses, name)
      if (answer.kind === "missing") return inputRequired({ inputRequests: { [name]: question() } })
      return text(JSON.stringify(answer))
    })
  }
  server.registerResource("note", "note://one", {}, () => ({ contents: [{ uri: "note://one", text: "a note" }] }))
  server.registerPrompt("greet", {}, () => ({ messages: [{ role: "user", content: { type: "text", text: "hello" } }] }))
  return server
}

function serveHttp(legacy) {
  const handler = createMcpHandler(() => makeServer(() => handler.notify.toolsChanged()), { legacy, keepAliveMs: 200 })
  const serve = toNodeHandler(handler)
  const listener = http.createServer((request, response) => {
    const { "mcp-method": rpc, "mcp-protocol-version": revision } = request.headers
    response.on("close", () => console.log(JSON.stringify({ http: request.method, rpc, revision, status: response.statusCode })))
    void serve(request, response)
  })
  listener.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${listener.address().port}/mcp` })))
  process.stdin.resume().on("end", () => process.exit(0))
}

const [transport, legacy = "reject"] = process.argv.slice(2)
if (transport === "http") serveHttp(legacy)
else serveStdio(() => makeServer())
