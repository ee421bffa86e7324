/** A real MCP server that lets nobody in without its token: server-everything behind the door of the demo. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** One HTTP request, as the door saw it. */
interface SeenRequest {
  readonly http: string
  /** The JSON-RPC method in its body, if it had one. */
  readonly rpc?: string
  readonly token: "right" | "wrong" | "none"
  readonly status: number
}

export interface EverythingServer extends AsyncDisposable {
  /** Where it answers, on loopback. */
  readonly url: string
  /** What was asked of it; grows while it runs. */
  readonly seen: readonly SeenRequest[]
}

const program = fileURLToPath(new URL("../../examples/demo/guarded-server.mjs", import.meta.url))

/** Starts the server in processes of its own; it answers 401 to whoever comes without `Authorization: Bearer TOKEN`. */
export async function startEverything(token: string): Promise<EverythingServer> {
  const child = spawn(process.execPath, [program], { env: { ...process.env, TOKEN: token }, stdio: ["pipe", "pipe", "inherit"] })
  const ended = once(child, "exit")
  const lines = createInterface({ input: child.stdout })
  const [first] = await Promise.race([once(lines, "line"), ended.then(() => Promise.reject(new Error("the guarded server did not start")))])
  const seen: SeenRequest[] = []
  lines.on("line", (line) => seen.push(JSON.parse(line))) // the program's own format: see its head
  return {
    url: JSON.parse(first).url,
    seen,
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended
    },
  }
}

const judges = (path: string): string => fileURLToPath(new URL(`../../.ci/judges/node_modules/${path}`, import.meta.url))
/** The program itself; its argument is the transport: `stdio`, `sse` or `streamableHttp`. */
export const everythingProgram: string = judges("@modelcontextprotocol/server-everything/dist/index.js")

/** Starts server-everything over one of its HTTP transports on loopback, with no door before it. */
export async function startOpenEverything(transport: "sse" | "streamableHttp"): Promise<AsyncDisposable & { readonly url: string }> {
  const preload = new URL("../../examples/demo/loopback-only.mjs", import.meta.url).href
  const child = spawn(process.execPath, ["--import", preload, everythingProgram, transport], {
    env: { PORT: "0" },
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  })
  const ended = once(child, "exit")
  const [{ port }] = (await Promise.race([
    once(child, "message"),
    ended.then(() => Promise.reject(new Error("server-everything did not start"))),
  ])) as [{ port: number }] // what the preload tells
  return {
    url: `http://127.0.0.1:${port}/${transport === "sse" ? "sse" : "mcp"}`,
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}
