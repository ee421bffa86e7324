/** A bridge by the built program to a server of either kind that can flood it. */
import { fileURLToPath } from "node:url"
import { type Home, makeHome } from "../../harness/client.ts"
import { type RawClient, startRawClient } from "../../harness/raw-client.ts"
import { type McpServer, startMcpServer } from "../../servers/mcp-server.ts"

const FLOODING_SERVER = fileURLToPath(new URL("../../servers/flooding-server.mjs", import.meta.url))

export type Transport = "http" | "stdio"

export interface FloodSet extends AsyncDisposable {
  readonly home: Home
  /** The one with an address. */
  readonly server: McpServer
  /** Opens a session. */
  connect(transport?: Transport): Promise<RawClient>
}

export async function makeFloodSet(): Promise<FloodSet> {
  const server = await startMcpServer()
  const home = await makeHome()
  const file = await home.config({
    http: { type: "http", url: server.url },
    stdio: { command: process.execPath, args: [FLOODING_SERVER] },
  })
  return {
    home,
    server,
    async connect(transport = "http") {
      const client = startRawClient(home, ["run", transport, "--config", file])
      await client.open()
      return client
    },
    async [Symbol.asyncDispose]() {
      await server.close()
      await home[Symbol.asyncDispose]()
    },
  }
}
