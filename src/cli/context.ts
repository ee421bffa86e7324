/**
 * What a command is given: streams, terminal, environment, prompts. A command never touches `process`.
 *
 * Output rules: stdout is the result, and in `run` the protocol; stderr is everything else (notes, questions, progress), and of that
 * only what a person needs. `--json` prints the object that the text is made from, errors too, on stdout. Colours are not used.
 */
import type { Readable, Writable } from "node:stream"
import type { Interaction } from "../auth/interaction.ts"
import type { AuthTools } from "../auth/tools.ts"
import type { Configuration } from "../config/files.ts"
import type { Clock } from "../core/clock.ts"
import type { Environment, Places } from "../core/places.ts"
import type { Redactor } from "../core/redact.ts"

/** What a process gives to `main`; a test gives its own. */
export interface Process {
  readonly argv: readonly string[]
  readonly env: Environment
  readonly cwd: string
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  /** Aborts when the process is told to end. */
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly version: string
}

/** All that a command is given. */
export interface Context extends Process {
  readonly places: Places
  readonly redactor: Redactor
  readonly interaction: Interaction
  /** The same, with every link left to the person (`--no-browser`). */
  readonly interactionWithoutBrowser: Interaction
  /** Whether a person sits at this terminal and can be asked. */
  readonly interactive: boolean
  /** Makes what methods work with; the vault is loaded by the command that needs it. */
  tools(): Promise<AuthTools>
  /**
   * Reads the configuration, and tells its warnings on stderr.
   *
   * @param about - the one server that was asked for: what is worth knowing only of another one is left out
   */
  configuration(options?: { readonly config?: string | undefined }, about?: string): Promise<Configuration>
  /**
   * A secret from a hidden prompt, or, where standard input is no terminal, all of standard input but one final line break.
   *
   * @throws {PosternError} `secret-empty`; `input-too-long` past 64 KiB
   */
  readSecret(question: string): Promise<string>
  /** The same for a JSON text, which may be longer, and hold secrets too: `input-too-long` past 64 MiB. */
  readJson(question: string): Promise<string>
  /**
   * Prints the result: as JSON, or as the text that is made from the same object.
   *
   * @param json - the result as JSON, where it came as such: what was read is not written again, which would round its numbers
   */
  print<Result>(result: Result, asJson: boolean | undefined, text: (result: Result) => string, json?: string): void
  /** Tells something on stderr. */
  note(text: string): void
  /** The exit code, when a command has done its work and still has to say something with it. */
  exitWith(code: number): void
}
