/** How one question is put on a terminal: drawn, or as a plain line where the terminal cannot draw (`TERM=dumb`). */
import { type Interface, createInterface } from "node:readline"
import { type Readable, Writable } from "node:stream"
import { PosternError } from "../core/diagnosis.ts"
import { parseJson } from "../core/json.ts"
import type { Environment } from "../core/places.ts"
import { interrupted } from "./diagnoses.ts"

/** Where the question goes, and where its answer comes from. */
export interface PromptTerminal {
  readonly stdin: Readable
  readonly stderr: Writable
  readonly env: Environment
}

const cannotDraw = ({ env }: PromptTerminal): boolean => env["TERM"] === "dumb"

/**
 * Asks for a text.
 *
 * @param kind - a `password` is not shown
 * @returns what was typed; empty for a bare Return
 * @throws {PosternError} `interrupted` for Ctrl-C, Ctrl-D and Escape
 */
export async function prompt(kind: "password" | "text", message: string, terminal: PromptTerminal, signal: AbortSignal): Promise<string> {
  if (cannotDraw(terminal)) return readLine(kind, `${message}: `, terminal, signal)
  const prompts = await import("@clack/prompts")
  const given = await prompts[kind]({ message, output: terminal.stderr, signal })
  return prompts.isCancel(given) ? leave(signal) : (given ?? "")
}

/**
 * Asks yes or no; no is the answer to a bare Return.
 *
 * @throws as `prompt`
 */
export async function promptYes(message: string, terminal: PromptTerminal, signal: AbortSignal): Promise<boolean> {
  if (cannotDraw(terminal)) return /^y(es)?$/i.test((await readLine("text", `${message} [y/N] `, terminal, signal)).trim())
  const { isCancel, confirm } = await import("@clack/prompts")
  const given = await confirm({ message, initialValue: false, output: terminal.stderr, signal })
  return isCancel(given) ? leave(signal) : given
}

/**
 * Asks for a JSON text, which is not shown. It may have line breaks, as a documentation prints it, so it ends where it is whole: what a
 * shell would find of it after the first line could be a secret in its history.
 *
 * @throws as `prompt`
 */
export async function promptJson(message: string, { stdin, stderr }: PromptTerminal, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted()
  const reader = createInterface({ input: stdin, output: nowhere(), terminal: true })
  stderr.write(`${message} (not shown; it ends where the JSON is whole): `)
  const close = (): void => reader.close()
  signal.addEventListener("abort", close, { once: true })
  let text = ""
  for await (const line of reader) {
    text += `${line}\n`
    if (parseJson(text) !== undefined) break
  }
  signal.removeEventListener("abort", close)
  stderr.write("\n") // nobody has shown a line break yet
  return parseJson(text) === undefined ? leave(signal) : text
}

/** For a reader that shows nothing. */
const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() })

function leave(signal: AbortSignal): never {
  signal.throwIfAborted()
  throw new PosternError(interrupted({}))
}

/** A line without any drawing. With a terminal that is not echoed by the system, readline reads key by key, and shows none. */
async function readLine(
  kind: "password" | "text",
  message: string,
  { stdin, stderr }: PromptTerminal,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted()
  const hidden = kind === "password"
  const reader = createInterface({ input: stdin, output: hidden ? nowhere() : stderr, terminal: hidden })
  stderr.write(message) // only now: whoever answers at once must not be echoed
  const close = (): void => reader.close()
  signal.addEventListener("abort", close, { once: true })
  const line = await nextLine(reader)
  signal.removeEventListener("abort", close)
  close()
  if (hidden || line === undefined) stderr.write("\n") // nobody has shown a line break yet
  return line ?? leave(signal)
}

/** @returns undefined if it was closed before: by Ctrl-C, Ctrl-D or the signal */
const nextLine = (reader: Interface): Promise<string | undefined> =>
  new Promise((done) => {
    reader.once("line", done)
    reader.once("close", () => done(undefined))
  })
