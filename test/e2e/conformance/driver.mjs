/**
 * `node driver.mjs URL`: the client that the official conformance suite judges. It is a foreign one, the official SDK's,
 * and knows only a local program: `postern run`, with the suite's server in its file. So what the suite sees on the wire
 * is Postern's work, and what it sees in the messages is the SDK's, passed on.
 *
 * Where the server wants a sign-in, the first call waits for it: `BROWSER` names a program that follows the authorization server's
 * redirect at once.
 */
import { chmod, copyFile, mkdtemp, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "../../..")
const judges = createRequire(join(root, ".ci/judges/package.json"))
const { Client } = judges("@modelcontextprotocol/client")
const { StdioClientTransport } = judges("@modelcontextprotocol/client/stdio")

const url = process.argv[2]
const scenario = process.env.MCP_CONFORMANCE_SCENARIO // set by the suite
/** What the suite hands over: of the scenario with a client that is registered already, its id and secret. */
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}")

/** The tool behind the sign-in. */
const call = (client) => client.callTool({ name: "test-tool", arguments: {} })
const twice = async (client) => {
  await call(client)
  await call(client)
}

const callAll = async (client, calls) => {
  for (const { name, arguments: given = {} } of calls) await client.callTool({ name, arguments: given })
}

/** The suite names the revision that it judges; of the modern era, the client asks with `server/discover` first. */
const speaksModern = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION === "2026-07-28"

/** Scenarios of revision 2026-07-28, in which the client calls what it was offered. */
const modern = {
  "request-metadata": async () => {},
  "json-schema-ref-no-deref": async () => {},
  "http-standard-headers": async (client, { tools }) => {
    await callAll(client, tools.slice(0, 1))
    const { resources } = await client.listResources()
    await client.readResource({ uri: resources[0].uri })
    const { prompts } = await client.listPrompts()
    await client.getPrompt({ name: prompts[0].name })
  },
  "http-custom-headers": (client) => callAll(client, context.toolCalls),
  "http-invalid-tool-headers": (client, { tools }) => callAll(client, tools),
  "sep-2322-client-request-state": async (client, { tools }) => {
    client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: { confirmed: true } }))
    await callAll(client, tools).catch((error) => {
      if (error.code !== "INVALID_RESULT") throw error // the SDK is stricter than the suite about a result without resultType
    })
  },
}

/** What a client has to do in each scenario, once it is connected and has listed the tools. */
const transport = {
  initialize: async () => {},
  tools_call: (client) => client.callTool({ name: "add_numbers", arguments: { a: 5, b: 3 } }),
  "elicitation-sep1034-client-defaults": async (client) => {
    client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: {} })) // the SDK fills in the defaults
    await client.callTool({ name: "test_client_elicitation_defaults", arguments: {} })
  },
  "sse-retry": (client) => client.callTool({ name: "test_reconnection", arguments: {} }),
  "json-schema-2020-12-preservation": async (client) => {
    const { tools } = await client.listTools()
    const { inputSchema: schema } = tools.find(({ name }) => name === "json_schema_2020_12_tool")
    await client.callTool({ name: "json_schema_echo", arguments: { schema } })
  },
  // The first call signs in, and is told that it needs more; the second asks the person for it.
  "auth/scope-step-up": twice,
  // The server names another authorization server once it has been used.
  "auth/authorization-server-migration": twice,
}

/** What a person would have written into the entry. */
const entries = {
  "auth/basic-cimd": { clientMetadataUrl: "https://conformance-test.local/client-metadata.json" },
  "auth/pre-registration": { clientId: context.client_id, clientSecret: "${CLIENT_SECRET}" },
}

const home = await mkdtemp(join(tmpdir(), "postern-conformance-"))
const file = join(home, "servers.json")
const browser = join(home, "browser.mjs")
const oauth = entries[scenario]
await writeFile(file, JSON.stringify({ mcpServers: { suite: { type: "http", url, ...(oauth ? { oauth } : {}) } } }))
await writeFile(join(home, "person.json"), JSON.stringify({ decision: "allow", login: "alice", log: join(home, "walks.jsonl") }))
await copyFile(join(root, "test/harness/browser-person.mjs"), browser)
await chmod(browser, 0o700)

const asked = scenario.startsWith("elicitation") || scenario in modern
const client = new Client(
  { name: "postern-conformance", version: "1.0.0" },
  {
    capabilities: asked ? { elicitation: { form: { applyDefaults: true } } } : {},
    ...(speaksModern ? { versionNegotiation: { mode: "auto" } } : {}),
  },
)
try {
  const args = [join(process.env.POSTERN_DIST ?? join(root, "dist"), "bin/postern.js"), "run", "suite", "--config", file]
  const env = { POSTERN_HOME: join(home, "postern"), BROWSER: browser, CLIENT_SECRET: context.client_secret ?? "" }
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env }))
  // Where `initialize` is open to everybody and lists are not, a list may be refused until a call has led somebody in.
  const listed = await client.listTools().catch((error) => {
    if (!scenario.startsWith("auth/")) throw error
  })
  await (modern[scenario] ?? transport[scenario] ?? call)(client, listed)
} finally {
  await client.close()
  await rm(home, { recursive: true, force: true, maxRetries: 5 }) // the browser may still be writing what it met
}
