/**
 * Headers that a command prints: the way in for short-lived tokens that another tool mints.
 *
 * The same contract as Claude Code's `headersHelper`: a command line for the shell, one JSON object of texts on standard output,
 * at most 10 s. Unlike there, what it printed is used again for a short while, and it runs once more after a 401 or 403.
 */
import { type ExpandedHeader, startFolder } from "../config/expand.ts"
import { headerNameProblem, headerValueProblem, isEmptyCredential } from "../config/header-rules.ts"
import type { HttpServer } from "../config/server.ts"
import { orAborted } from "../core/abort.ts"
import { PosternError } from "../core/diagnosis.ts"
import { isObject, parseJson } from "../core/json.ts"
import { OWN_GROUP, signalGroup } from "../core/process-group.ts"
import { quote } from "../core/redact.ts"
import type { Environment } from "../core/places.ts"
import { headersCommandFailed } from "./diagnoses.ts"
import type { AuthTools } from "./tools.ts"

const LIMIT_MS = 10_000
const REUSED_MS = 60_000
const MOST_BYTES = 64 * 1024

/** The headers that a command mints, kept for a short while. */
export interface HeadersCommand {
  /**
   * The headers, at most 60 s old. Many callers share one run; it ends with the last that waits for it.
   *
   * @throws {PosternError} `headers-command-failed`; a failure is not remembered
   */
  read(signal: AbortSignal): Promise<readonly ExpandedHeader[]>
  /** Drops what was printed, if it is what these refused headers were made of: the next read runs the command again. */
  forget(refused: Readonly<Record<string, string>>): void
}

/** One run of the command. */
interface Run {
  readonly headers: Promise<readonly ExpandedHeader[]>
  readonly stop: AbortController
  /** How many callers wait for it. */
  waiting: number
}

/** @param line - the command line, as configured */
export function headersCommand(server: HttpServer, line: string, { env, redactor, clock }: AuthTools): HeadersCommand {
  let printed: { readonly headers: readonly ExpandedHeader[]; readonly atMs: number } | undefined
  let running: Run | undefined

  const mint = async (signal: AbortSignal): Promise<readonly ExpandedHeader[]> => {
    const headers = parseHeaders(server.name, await run(server, line, environmentFor(server, env), signal))
    for (const { value } of headers) redactor.learnPassing(value)
    printed = { headers, atMs: clock.now() }
    return headers
  }

  const begin = (): Run => {
    const stop = new AbortController()
    return { headers: mint(stop.signal), stop, waiting: 0 }
  }

  return {
    async read(signal) {
      signal.throwIfAborted()
      const ageMs = printed ? clock.now() - printed.atMs : -1
      if (printed && ageMs >= 0 && ageMs < REUSED_MS) return printed.headers // a clock that was set back makes nothing younger
      const shared = (running ??= begin())
      shared.waiting++
      try {
        return await orAborted(shared.headers, signal)
      } finally {
        shared.waiting--
        if (shared.waiting === 0) {
          running = undefined
          shared.stop.abort()
        }
      }
    },
    forget(refused) {
      if (printed?.headers.every(({ name, value }) => refused[name.toLowerCase()] === value)) printed = undefined
    },
  }
}

/** Names that a command of a project file does not get, as in Claude Code: the file came with a clone. */
const SECRET_NAME = /TOKEN|SECRET|KEY|AUTH|PASSWORD|PASSWD|CREDENTIAL/i

function environmentFor(server: HttpServer, env: Environment): NodeJS.ProcessEnv {
  const entries = Object.entries(env).filter(([name]) => server.scope !== "project" || !SECRET_NAME.test(name))
  return { ...Object.fromEntries(entries), CLAUDE_CODE_MCP_SERVER_NAME: server.name, CLAUDE_CODE_MCP_SERVER_URL: server.url }
}

async function run(server: HttpServer, line: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string> {
  const { spawn } = await import("node:child_process") // a start that runs no command does not pay for it
  signal.throwIfAborted() // while that was loaded
  const fail = (problem: string, stderr = ""): PosternError =>
    new PosternError(headersCommandFailed({ server: server.name, problem, stderr }))
  return new Promise((resolve, reject) => {
    // The person wrote a command line, so a shell reads it. Its input is closed: it must not eat the client's messages.
    const child = spawn(line, {
      shell: true,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      ...OWN_GROUP,
      cwd: startFolder(server),
    })
    const kill = (): void => signalGroup(child, "SIGKILL") // what the shell has started, too
    let out = ""
    let err = ""
    const timer = setTimeout(() => {
      kill()
      reject(fail(`did not end within ${LIMIT_MS / 1000} s`, err))
    }, LIMIT_MS)
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text
      if (out.length > MOST_BYTES) kill()
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err = `${err}${text}`.slice(0, 2_000)))
    const onAbort = (): void => {
      kill()
      reject(signal.reason as Error) // our own reasons are errors
    }
    signal.addEventListener("abort", onAbort, { once: true })
    child.on("error", (error) => reject(fail(`could not be started (${error.message})`)))
    child.on("close", (code, endedBy) => {
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
      if (code === 0) resolve(out)
      else reject(fail(out.length > MOST_BYTES ? `printed more than ${MOST_BYTES} bytes` : `ended with ${endedBy ?? `code ${code}`}`, err))
    })
  })
}

/** What was printed is never shown: it holds a token even when it is broken. */
function parseHeaders(server: string, printed: string): readonly ExpandedHeader[] {
  const fail = (problem: string): PosternError => new PosternError(headersCommandFailed({ server, problem, stderr: "" }))
  const parsed = parseJson(printed)
  if (parsed === undefined) throw fail(printed.trim() === "" ? "printed nothing" : `printed no JSON (${printed.length} characters)`)
  if (!isObject(parsed)) throw fail("printed JSON that is not an object")
  return Object.entries(parsed).map(([name, value]) => {
    if (typeof value !== "string") throw fail(`printed a value for ${quote(name, 60)} that is not a text`)
    const problem = headerNameProblem(name) ?? headerValueProblem(value)
    if (problem !== undefined) throw fail(`printed a header ${quote(name, 60)} that cannot be sent: ${problem}`)
    if (isEmptyCredential(name, value)) throw fail(`printed a header ${quote(name, 60)} without a credential in it`)
    return { name, value, source: "the headers command" }
  })
}
