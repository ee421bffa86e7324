/**
 * One call of the OS keychain, in a process of its own.
 *
 * The library blocks the thread that calls it. Where the keychain asks a person, hangs, or dies in the middle, it does so without an
 * end, and a blocked thread keeps all of Node.js from ending. A process can be abandoned: that is what the time limit does.
 */
import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import { PosternError } from "../../core/diagnosis.ts"
import type { Environment } from "../../core/places.ts"
import { fileStamp } from "../../core/read-file.ts"

/** One question to the keychain. */
export interface KeychainRequest {
  readonly op: "get" | "set" | "remove"
  readonly account: string
  /** For `set`. Passed through a pipe: arguments and variables of a process can be seen from outside. */
  readonly secret?: string
}

/** How long it may take, and who hears of the wait. */
export interface KeychainTerms {
  readonly env: Environment
  /** How long one call may take, in milliseconds. */
  readonly limitMs: number
  /** Hears that the keychain has been silent for a while: it may be asking a person. */
  readonly onWait?: (() => void) | undefined
  /** Ends the wait: the process has been told to end. */
  readonly signal?: AbortSignal | undefined
}

/** Why there is no answer: the library's text, or what was seen of the process. */
export class KeychainFault extends Error {
  override readonly name = "KeychainFault"
  readonly kind: "said" | "slow" | "died"

  constructor(kind: "said" | "slow" | "died", message: string) {
    super(message)
    this.kind = kind
  }
}

const SERVICE = "postern"
const WAIT_TOLD_AFTER_MS = 2_000
const MOST_STDERR_CHARS = 500

/**
 * Runs under a plain `node -e`, wherever this module was bundled to, hence a text. The store is pinned: left to itself the library
 * falls back to the kernel's keyring, which forgets the key at the next boot. When our end of the pipe closes, the process ends at
 * once: `process.exit` would wait for the blocked thread.
 */
const SCRIPT = `
const answer = async ({ op, service, account, secret }) => {
  const { AsyncEntry } = require(process.argv[1])
  const entry = new AsyncEntry(service, account, { linux: { store: "secret-service" } })
  if (op === "set") return entry.setPassword(secret)
  return op === "get" ? entry.getPassword() : entry.deleteCredential()
}
let text = ""
process.stdin.setEncoding("utf8").on("end", () => process.kill(process.pid, "SIGKILL")).on("data", async (chunk) => {
  if (!(text += chunk).endsWith("\\n")) return
  const said = await answer(JSON.parse(text)).then((value) => ({ value }), (error) => ({ fault: String(error.message) }))
  process.stdout.write(JSON.stringify(said) + "\\n")
})
`

/** What leads to the keychain, and nothing else of ours: a child gets no secret that it did not ask for. */
const KEPT_VARIABLES =
  "PATH HOME USER LOGNAME LANG DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR DISPLAY WAYLAND_DISPLAY XAUTHORITY SystemRoot USERPROFILE USERNAME USERDOMAIN APPDATA LOCALAPPDATA TEMP TMP".split(
    " ",
  )

/**
 * Asks the keychain once.
 *
 * @returns for `get` the text, or undefined if the keychain answers and has none
 * @throws {KeychainFault}
 */
export async function callKeychain(request: KeychainRequest, terms: KeychainTerms): Promise<string | undefined> {
  const env = keychainEnvironment(terms.env)
  if (process.platform === "linux" && !leadsToBus(env)) {
    throw new KeychainFault("said", `no D-Bus session: DBUS_SESSION_BUS_ADDRESS is not set, and ${busSocket(env)} is not there`)
  }
  const said: unknown = JSON.parse(
    await runChild(findLibrary(), `${JSON.stringify({ ...request, service: SERVICE })}\n`, { ...terms, env }),
  )
  const { value, fault } = said as { readonly value?: string | boolean | null; readonly fault?: string } // the script above says no more
  if (fault !== undefined) throw new KeychainFault("said", fault)
  return typeof value === "string" ? value : undefined
}

function findLibrary(): string {
  try {
    return createRequire(import.meta.url).resolve("@napi-rs/keyring")
  } catch {
    throw new KeychainFault("said", "the optional package @napi-rs/keyring is not installed")
  }
}

/** @returns the one line that the child answers */
function runChild(library: string, request: string, { env, limitMs, onWait, signal }: KeychainTerms): Promise<string> {
  signal?.throwIfAborted()
  const limit = AbortSignal.timeout(limitMs)
  const stdio = ["pipe", "pipe", "pipe"] as const satisfies readonly string[]
  const child = spawn(process.execPath, ["-e", SCRIPT, library], { env: { ...env }, stdio: [...stdio], windowsHide: true })
  const waiting = setTimeout(() => onWait?.(), WAIT_TOLD_AFTER_MS)
  const kill = (): void => void child.kill("SIGKILL")
  process.once("exit", kill)

  return new Promise<string>((done, fail) => {
    let [answer, stderr] = ["", ""]
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      answer += chunk
      if (answer.endsWith("\n")) done(answer)
    })
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr = `${stderr}${chunk}`.slice(0, MOST_STDERR_CHARS)))
    child.on("error", (error) => fail(new KeychainFault("died", `its helper process did not start: ${error.message}`)))
    child.on("close", (code, by) => fail(new KeychainFault("died", `its helper process ended (${by ?? `exit ${code}`}) ${stderr}`)))
    child.stdin.on("error", () => undefined) // it ended before it read: `close` tells why
    child.stdin.write(request)
    limit.addEventListener("abort", () => fail(new KeychainFault("slow", `no answer within ${limitMs} ms; the call was given up`)))
    signal?.addEventListener("abort", () => fail(signal.reason), { signal: limit })
  }).finally(() => {
    clearTimeout(waiting)
    process.removeListener("exit", kill)
    kill()
  })
}

/** MCP clients start the bridge with few variables; on Linux the session's bus is found where systemd puts it all the same. */
function keychainEnvironment(env: Environment): Environment {
  const kept = Object.fromEntries(KEPT_VARIABLES.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
  const isFound = kept["DBUS_SESSION_BUS_ADDRESS"] !== undefined || kept["XDG_RUNTIME_DIR"] !== undefined
  const standard = isFound || process.platform !== "linux" ? {} : { XDG_RUNTIME_DIR: `/run/user/${process.getuid?.()}` }
  return { ...kept, ...standard, ELECTRON_RUN_AS_NODE: "1" }
}

/** Known without starting anything: most machines without a desktop have no bus at all. */
function leadsToBus(env: Environment): boolean {
  if (env["DBUS_SESSION_BUS_ADDRESS"]) return true
  try {
    return fileStamp(busSocket(env)) !== undefined
  } catch (error) {
    if (error instanceof PosternError) return false // the folder is not ours to enter
    throw error
  }
}

function busSocket(env: Environment): string {
  return `${env["XDG_RUNTIME_DIR"]}/bus`
}
