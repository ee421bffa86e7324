// A small MCP server on standard input and output. Tools: env (its variables), die (exits), slow.
import { createInterface } from "node:readline"

const say = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
process.stdout.write("a greeting that is no message\n")
process.stderr.write(`server ${process.pid} starts\n`)
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line)
  if (method === "initialize")
    say({ id, result: { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo: { name: "local", version: "1" } } })
  else if (method === "tools/call" && params.name === "env")
    say({ id, result: { env: process.env, pid: process.pid, args: process.argv.slice(2) } })
  else if (method === "tools/call" && params.name === "die") {
    process.stderr.write("last words\n")
    process.exit(7)
  } else if (method === "tools/call" && params.name === "ask") {
    say({ method: "notifications/progress", params: { progressToken: 1, progress: 1 } })
    say({ id: "s1", method: "roots/list" })
  } else if (method === undefined) say({ method: "notifications/message", params: { level: "info", data: "answered" } })
  else if (id !== undefined) say({ id, result: { method } })
}
