/** How a person is asked on a terminal. Questions go to stderr, so that stdout stays the result. */
import { type Readable, type Writable, addAbortSignal } from "node:stream"
import type { Interaction } from "../auth/interaction.ts"
import { PosternError } from "../core/diagnosis.ts"
import { interrupted, nobodyToAsk, secretEmpty, secretTooLong } from "./diagnoses.ts"

const MOST_SECRET_BYTES = 64 * 1024

/** The terminal's version of the contract in `auth/interaction.ts`. */
export function terminalInteraction(stderr: Writable, interactive: boolean): Interaction {
  return {
    async askSecret(question, signal) {
      if (!interactive) throw new PosternError(nobodyToAsk({ question, instead: "give it on standard input, with - in its place" }))
      const { isCancel, password } = await import("@clack/prompts")
      const given = await password({ message: question, output: stderr, signal })
      if (isCancel(given)) throw new PosternError(interrupted({}))
      if (given === "" || given === undefined) throw new PosternError(secretEmpty({ source: "the prompt" }))
      return given
    },
  }
}

/** Asks yes or no; no is the answer to a bare Return. */
export async function askYes(question: string, stderr: Writable, signal: AbortSignal): Promise<boolean> {
  const { isCancel, confirm } = await import("@clack/prompts")
  const given = await confirm({ message: question, initialValue: false, output: stderr, signal })
  if (isCancel(given)) throw new PosternError(interrupted({}))
  return given
}

/**
 * All of standard input, without one final line break.
 *
 * @param signal - ends the wait for a pipe that stays open
 */
export async function readPipedSecret(stdin: Readable, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of addAbortSignal(signal, stdin) as AsyncIterable<Buffer>) {
    // no encoding is set, so chunks are buffers
    bytes += chunk.length
    if (bytes > MOST_SECRET_BYTES) throw new PosternError(secretTooLong({ maxBytes: MOST_SECRET_BYTES }))
    chunks.push(chunk)
  }
  const secret = Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "")
  if (secret === "") throw new PosternError(secretEmpty({ source: "standard input" }))
  return secret
}
