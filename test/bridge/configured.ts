/** What a user of the library has: servers that are configured in a folder of the test's own. */
import { writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { makeFolder } from "../core/folder.ts"
import { type McpServer, startMcpServer } from "../servers/mcp-server.ts"

export interface Configured extends AsyncDisposable {
  readonly server: McpServer
  /** For `openBridge` and its kin. */
  readonly options: { readonly configFile: string; readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string }
}

/**
 * A server that asks for a key, and the surroundings of somebody who has configured it as "weather"; as "off" where it is switched off,
 * as "open" without the key, and as "chatty" with a headers command that fails and repeats it. "local" is a server of standard input and output.
 */
export async function configured(): Promise<Configured> {
  const server = await startMcpServer({ key: "key-of-the-library" })
  const folder = await makeFolder()
  const weather = {
    type: "http",
    url: server.url,
    headers: { Authorization: "Bearer ${WEATHER_KEY}", "X-Trace": "${WEATHER_TRACE:-none}" },
  }
  const local = { command: process.execPath, args: [fileURLToPath(new URL("../servers/stdio-server.mjs", import.meta.url))] }
  const chatty = { ...weather, headersHelper: 'echo "no $WEATHER_KEY here" >&2; exit 1' }
  const mcpServers = { weather, off: { ...weather, enabled: false }, open: { type: "http", url: server.url }, local, chatty }
  const configFile = folder.at("servers.json")
  await writeFile(configFile, JSON.stringify({ mcpServers }))
  const env = { POSTERN_HOME: folder.at("home"), WEATHER_KEY: "key-of-the-library" }
  return {
    server,
    options: { configFile, env, cwd: folder.path },
    async [Symbol.asyncDispose]() {
      await server.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}
