/** A client that starts the built binary, as a real one does: a child process, lines on its pipes. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseJson } from "../../src/core/json.ts"
import { type Conversation, type Spoken, conversationBy } from "./conversation.ts"

const DIST = process.env["POSTERN_DIST"] ?? fileURLToPath(new URL("../../dist", import.meta.url))
const BINARY = join(DIST, "bin/postern.js")

export interface Home extends AsyncDisposable {
  readonly path: string
  readonly env: NodeJS.ProcessEnv
  /** Runs a command to its end. */
  postern(args: readonly string[], input?: string): Promise<{ code: number | null; stdout: string; stderr: string }>
  /** Writes a file of the mcpServers shape, and returns its path. */
  config(mcpServers: Record<string, unknown>): Promise<string>
}

/** A home of its own for one test. */
export async function makeHome(env: NodeJS.ProcessEnv = {}): Promise<Home> {
  const path = await mkdtemp(join(tmpdir(), "postern-test-"))
  const own = { PATH: process.env["PATH"], HOME: path, POSTERN_HOME: join(path, "postern"), ...env }
  return {
    path,
    env: own,
    async postern(args, input = "") {
      const child = spawn(process.execPath, [BINARY, ...args], { env: own, cwd: path })
      let stdout = ""
      let stderr = ""
      child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
      child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
      child.stdin.on("error", () => undefined)
      child.stdin.end(input)
      const [code] = (await once(child, "close")) as [number | null]
      return { code, stdout, stderr }
    },
    async config(mcpServers) {
      const file = join(path, "servers.json")
      await writeFile(file, JSON.stringify({ mcpServers }))
      return file
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  }
}

export interface Client extends Conversation, AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams
  /** Lines on stdout that were no JSON-RPC message. */
  readonly garbage: string[]
  stderr(): string
  write(text: string): void
  /** Resolves with the exit code, or the signal. */
  readonly exited: Promise<number | NodeJS.Signals | null>
}

/** Starts `postern run` (or another command line of ours) in a home. */
export function startClient(home: Pick<Home, "env" | "path">, args: readonly string[]): Client {
  return clientOf(spawn(process.execPath, [BINARY, ...args], { env: home.env, cwd: home.path }))
}

/** Starts another program of ours, which needs no words. */
export function startProgram(path: string, env: NodeJS.ProcessEnv): Client {
  return clientOf(spawn(process.execPath, [path], { env }))
}

function clientOf(child: ChildProcessWithoutNullStreams): Client {
  const { hear, ...conversation } = conversationBy((line) => void child.stdin.write(`${line}\n`))
  const garbage: string[] = []
  let held = ""
  let stderr = ""
  child.stdin.on("error", () => undefined)
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (held + text).split("\n")
    held = lines.pop() ?? ""
    for (const line of lines) {
      const message = parseJson(line)
      if (message === undefined) garbage.push(line)
      else hear(message as Spoken)
    }
  })

  const exited = once(child, "close").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null)
  return {
    ...conversation,
    child,
    garbage,
    stderr: () => stderr,
    write: (text) => void child.stdin.write(text),
    exited,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL")
      await exited
    },
  }
}
