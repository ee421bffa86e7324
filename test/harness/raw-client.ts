/** A client for messages of any size: it parses nothing, keeps the ends of each line, and can stop to read. Linux: memory comes from /proc. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { drained } from "../servers/flood.ts"
import type { Home } from "./client.ts"

const BINARY = fileURLToPath(new URL("../../dist/bin/postern.js", import.meta.url))
const KEPT = 400

/** One line that the bridge wrote. */
export interface RawLine {
  /** Without its line feed. */
  readonly bytes: number
  readonly beginning: string
}

export interface RawClient extends AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams
  readonly lines: readonly RawLine[]
  /** The end of what was written to standard error. */
  stderr(): string
  /** Writes, and waits until the bridge has read most of it. */
  write(text: string | Buffer): Promise<void>
  /** initialize and initialized. */
  open(): Promise<void>
  /** Waits for the line that answers this id. */
  answerTo(id: number | string): Promise<RawLine>
  /** The most memory that the bridge's process has ever had, in bytes. */
  peakBytes(): Promise<number>
}

/** Starts `postern run` in a home. */
export function startRawClient(home: Home, args: readonly string[]): RawClient {
  const child = spawn(process.execPath, [BINARY, ...args], { env: home.env, cwd: home.path, stdio: ["pipe", "pipe", "pipe"] })
  const exited = once(child, "exit")
  const lines: RawLine[] = []
  const watchers = new Set<() => void>()
  let bytes = 0
  let beginning = ""
  child.stdin.on("error", () => undefined)
  let stderr = ""
  child.stderr.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-10_000)))
  child.stdout.on("data", (chunk: Buffer) => {
    let from = 0
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, from)) {
      lines.push({ bytes: bytes + at - from, beginning: beginning + chunk.toString("utf8", from, Math.min(at, from + KEPT)) })
      ;[bytes, beginning, from] = [0, "", at + 1]
    }
    bytes += chunk.length - from
    if (beginning.length < KEPT) beginning += chunk.toString("utf8", from, from + KEPT)
    for (const watcher of watchers) watcher()
  })

  const client: RawClient = {
    child,
    lines,
    stderr: () => stderr,
    async write(text) {
      if (!child.stdin.write(text)) await drained(child.stdin)
    },
    async open() {
      const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } }
      await client.write(`${JSON.stringify({ jsonrpc: "2.0", id: "open", method: "initialize", params })}\n`)
      await client.answerTo("open")
      await client.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    },
    answerTo: (id) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = lines.find((line) => line.beginning.includes(`"id":${JSON.stringify(id)}`))
          if (!found) return
          watchers.delete(look)
          resolve(found)
        }
        watchers.add(look)
        look()
      }),
    async peakBytes() {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8")
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL")
      await exited
    },
  }
  return client
}
