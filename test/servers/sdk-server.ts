/** The official SDK's server of revision 2026-07-28, in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** One HTTP request, as the server saw it. */
interface SeenRequest {
  readonly http: string
  /** The header `Mcp-Method`. */
  readonly rpc?: string
  /** The header `MCP-Protocol-Version`. */
  readonly revision?: string
  readonly status: number
}

export interface SdkServer extends AsyncDisposable {
  readonly url: string
  /** Requests that are over, in the order of their ends; grows while it runs. */
  readonly seen: readonly SeenRequest[]
  /** What it wrote to stderr. */
  said(): string
}

/** The program, for whoever starts it as a local server (argument `stdio`). */
export const sdkServerProgram: string = fileURLToPath(new URL("sdk-server.mjs", import.meta.url))

/** @param legacy - `reject`: revision 2026-07-28 only; `stateless`: earlier ones too */
export async function startSdkServer(legacy: "reject" | "stateless" = "reject"): Promise<SdkServer> {
  const child: ChildProcess = spawn(process.execPath, [sdkServerProgram, "http", legacy], { stdio: ["pipe", "pipe", "pipe"] })
  const ended = once(child, "exit")
  let said = ""
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()))
  if (!child.stdout) throw new Error("no standard output")
  const lines = createInterface({ input: child.stdout })
  const [first] = await Promise.race([
    once(lines, "line"),
    ended.then(() => Promise.reject(new Error(`the server did not start: ${said}`))),
  ])
  const seen: SeenRequest[] = []
  lines.on("line", (line) => seen.push(JSON.parse(line) as SeenRequest)) // the program's own format: see its head
  return {
    url: (JSON.parse(first as string) as { url: string }).url,
    seen,
    said: () => said,
    async [Symbol.asyncDispose]() {
      child.stdin?.end()
      await ended
    },
  }
}
