/**
 * `node driver.mjs URL`: the client that the official conformance suite judges. It is a foreign one, the official SDK's,
 * and knows only a local program: `postern run`, with the suite's server in its file. So what the suite sees on the wire
 * is Postern's work, and what it sees in the messages is the SDK's, passed on.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "../../..")
const judges = createRequire(join(root, ".ci/judges/package.json"))
const { Client } = judges("@modelcontextprotocol/client")
const { StdioClientTransport } = judges("@modelcontextprotocol/client/stdio")

/** What a client has to do in each scenario, once it is connected and has listed the tools. */
const scenarios = {
  initialize: async () => {},
  tools_call: (client) => client.callTool({ name: "add_numbers", arguments: { a: 5, b: 3 } }),
  "elicitation-sep1034-client-defaults": async (client) => {
    client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: {} })) // the SDK fills in the defaults
    await client.callTool({ name: "test_client_elicitation_defaults", arguments: {} })
  },
  "sse-retry": (client) => client.callTool({ name: "test_reconnection", arguments: {} }),
}

const url = process.argv[2]
const scenario = process.env.MCP_CONFORMANCE_SCENARIO // set by the suite
const home = await mkdtemp(join(tmpdir(), "postern-conformance-"))
const file = join(home, "servers.json")
await writeFile(file, JSON.stringify({ mcpServers: { suite: { type: "http", url } } }))

const client = new Client(
  { name: "postern-conformance", version: "1.0.0" },
  { capabilities: { elicitation: { form: { applyDefaults: true } } } },
)
try {
  const args = [join(root, "dist/bin/postern.js"), "run", "suite", "--config", file]
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env: { POSTERN_HOME: home } }))
  await client.listTools()
  await scenarios[scenario](client)
} finally {
  await client.close()
  await rm(home, { recursive: true, force: true })
}
