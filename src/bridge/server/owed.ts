/** For servers that send everything on one stream: which message belongs to which request. */
import { orAborted } from "../../core/abort.ts"
import type { Frame } from "../frame.ts"
import type { Receive } from "../link.ts"

/** How long the answer to a cancelled request is still taken, in milliseconds. */
const RELEASE_MS = 5_000

export interface OwedAnswers {
  /**
   * Waits for the answer to a request; called before the request is sent, since the answer may be fast.
   *
   * @throws what `failAll` is given, or the signal's reason
   */
  expect(request: Frame, receive: Receive, signal: AbortSignal): Promise<void>
  /** The client does not want the answer any more: it is waited for a little while, since it may be on its way. */
  release(id: string | undefined): void
  /** Gives a message of the stream to whom it belongs. */
  deliver(frame: Frame): Promise<void>
  /** The answer to this request came, and could not be read. */
  fail(id: string, error: Error): void
  /** The stream has ended: nobody gets an answer any more. */
  failAll(error: Error): void
}

/**
 * @param receiveUnasked - takes what belongs to no request
 * @param onStray - hears of an answer that nobody waits for
 */
export function owedAnswers(receiveUnasked: Receive, onStray: (id: string) => void): OwedAnswers {
  const owed = new Map<string, { readonly receive: Receive; done(): void; fail(error: Error): void }>()

  return {
    async expect(request, receive, signal) {
      const answered = new Promise<void>((done, fail) => owed.set(request.id, { receive, done, fail }))
      try {
        await orAborted(answered, signal)
      } finally {
        owed.delete(request.id)
      }
    },

    release(id = "") {
      setTimeout(() => owed.get(id)?.done(), RELEASE_MS).unref()
    },

    async deliver(frame) {
      if (frame.kind !== "response") return receiveUnasked(frame)
      const request = owed.get(frame.id)
      if (!request) return onStray(frame.id)
      await request.receive(frame)
      request.done()
    },

    fail: (id, error) => owed.get(id)?.fail(error),

    failAll(error) {
      for (const { fail } of owed.values()) fail(error)
    },
  }
}
