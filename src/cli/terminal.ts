/** How a person is asked on a terminal. Questions go to stderr, so that stdout stays the result. */
import { type Readable, addAbortSignal } from "node:stream"
import { nobodyToAsk, secretEmpty } from "../auth/diagnoses.ts"
import type { Interaction, SignInLink } from "../auth/interaction.ts"
import { PosternError } from "../core/diagnosis.ts"
import { escapeControls } from "../core/redact.ts"
import { inputTooLong } from "./diagnoses.ts"
import type { PromptTerminal } from "./prompt.ts"

/** No header holds more. */
export const MOST_SECRET_BYTES = 64 * 1024
/** The arguments of a tool may be whole documents. */
export const MOST_JSON_BYTES = 64 * 1024 * 1024

/** The terminal, if there is one, and who sits there. */
export interface TerminalSettings extends PromptTerminal {
  /** Whether a person sits at this terminal and can be asked. */
  readonly interactive: boolean
  /** Tells something on stderr, by the redactor. */
  note(text: string): void
}

/**
 * The terminal's version of the contract in `auth/interaction.ts`.
 *
 * @param options - `browser: false` leaves every link to the person (`--no-browser`)
 */
export function terminalInteraction(terminal: TerminalSettings, options: { readonly browser: boolean }): Interaction {
  const { stderr, env, interactive, note } = terminal
  const ask = async (question: string, signal: AbortSignal, kind: "password" | "text"): Promise<string> => {
    if (!interactive) throw new PosternError(nobodyToAsk({ question, instead: "give it on standard input, with - in its place" }))
    const { prompt } = await import("./prompt.ts")
    const given = await prompt(kind, question, terminal, signal)
    if (given === "") throw new PosternError(secretEmpty({ source: "the prompt" }))
    return given
  }

  return {
    askSecret: (question, signal) => ask(question, signal, "password"),
    askText: (question, signal) => ask(question, signal, "text"),

    async openLink(link, signal) {
      const { assertLink, findBrowser } = await import("../core/browser.ts")
      assertLink(link.url)
      // Told before the browser starts, and always: nobody else says so where no window appears.
      stderr.write(tellLink(link))
      const browser = findBrowser(env)
      if (!options.browser || !browser.present) return "shown"
      if (await browser.open(link.url, signal)) return "opened"
      note("No browser could be started. Open the link by hand.")
      return "shown"
    },

    tell: note,
  }
}

/** The link as it is: the redactor may have learned a part of it, and a link with a gap leads nowhere. */
function tellLink({ url, message, code }: SignInLink): string {
  const lines = [`${message}:`, "", `  ${url.href}`, ...(code === undefined ? [] : ["", `The page asks for this code: ${code}`]), "", ""]
  return lines.map(escapeControls).join("\n")
}

/** Asks yes or no; no is the answer to a bare Return. */
export async function askYes(question: string, terminal: PromptTerminal, signal: AbortSignal): Promise<boolean> {
  const { promptYes } = await import("./prompt.ts")
  return promptYes(question, terminal, signal)
}

/**
 * All of standard input, without one final line break.
 *
 * @param signal - ends the wait for a pipe that stays open
 * @throws {PosternError} `input-too-long`; `secret-empty`
 */
export async function readPipe(stdin: Readable, mostBytes: number, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of addAbortSignal(signal, stdin) as AsyncIterable<Buffer>) {
    // no encoding is set, so chunks are buffers
    bytes += chunk.length
    if (bytes > mostBytes) throw new PosternError(inputTooLong({ mostBytes }))
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "")
  if (text === "") throw new PosternError(secretEmpty({ source: "standard input" }))
  return text
}
