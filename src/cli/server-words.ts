/** What a local server writes of itself, on its way to our stderr: without the secrets that it was given. */
import type { Context } from "./context.ts"
import { pour } from "./pour.ts"

/** A line is held until it is whole, so that no secret passes in two pieces; one that grows longer is not, in bytes. */
const MOST_HELD_BYTES = 64 * 1024
const LINE_FEED = 0x0a

/** The words of one bridge's server. `await using` passes on a last line without a line feed. */
export interface ServerWords extends AsyncDisposable {
  /** Takes what has been written; as `pour` returns. */
  hear(chunk: Buffer): Promise<void> | void
}

/** @param isShown - a person sees it: then it is also kept from steering the terminal. A program gets each byte that is part of no secret */
export function serverWords({ stderr, redactor }: Pick<Context, "stderr" | "redactor">, isShown: boolean): ServerWords {
  let held: Buffer = Buffer.alloc(0)

  const pass = (words: Buffer): Promise<void> | void => {
    if (words.length === 0) return
    const text = words.toString("utf8")
    const cleaned = isShown ? redactor.clean(text) : redactor.redact(text)
    return pour(stderr, cleaned === text && !isShown ? words : Buffer.from(cleaned))
  }

  return {
    hear(chunk) {
      const words = Buffer.concat([held, chunk])
      const whole = words.lastIndexOf(LINE_FEED) + 1
      const end = words.length - whole > MOST_HELD_BYTES ? words.length : whole
      held = words.subarray(end)
      return pass(words.subarray(0, end))
    },
    async [Symbol.asyncDispose]() {
      void pass(held) // whoever does not read it keeps nobody waiting
    },
  }
}
