/** The requests that wait for a person: the client may cancel each, and hears that it still waits. */
import type { Clock } from "../../core/clock.ts"
import { type Frame, cancelledId, makeFrame } from "../frame.ts"
import type { Receive } from "../link.ts"
import { progressToken } from "./declared.ts"

/** A request that may have to wait, and who waits for its answer. */
export interface Waiter {
  readonly request: Frame
  readonly receive: Receive
  /** Aborts when the bridge gives up on all that is pending. */
  readonly signal: AbortSignal
}

/** The requests of one bridge that wait, by their ids. A client that gave a progress token hears every ten seconds that it waits. */
export interface WaitingRoom {
  /**
   * Waits for something in the name of a request.
   *
   * @throws {Cancelled} if the client cancels the request; what `something` throws
   */
  wait<Result>(waiter: Waiter, something: (signal: AbortSignal) => Promise<Result>): Promise<Result>
  /** Takes a `notifications/cancelled`. @returns false if its request does not wait here, so that it goes on to the server */
  cancel(notice: Frame): boolean
}

/** The client does not want the answer any more, and gets none. */
export class Cancelled extends Error {
  override readonly name = "Cancelled"
}

/** How often a waiting client hears of it, in milliseconds. */
const PROGRESS_MS = 10_000
/** Each step is more than all before, as it must be, and less than what the server will begin with. */
const PROGRESS_STEP = 1e-9

/** @param server - its name, for what the client hears */
export function waitingRoom(server: string, clock: Clock): WaitingRoom {
  const waiting = new Map<string, AbortController>()
  /** Of all requests: one may wait a second time. */
  let steps = 0

  const tellProgress = async ({ request, receive }: Waiter, signal: AbortSignal): Promise<void> => {
    const token = progressToken(request)
    if (token === undefined) return
    while (!signal.aborted) {
      const params = { progressToken: token, progress: ++steps * PROGRESS_STEP, message: `Waiting for the sign-in to ${server}` }
      await receive(makeFrame({ method: "notifications/progress", params }))
      await clock.sleep(PROGRESS_MS, signal)
    }
  }

  return {
    async wait(waiter, something) {
      const cancel = new AbortController()
      const done = new AbortController()
      const signal = AbortSignal.any([waiter.signal, cancel.signal])
      waiting.set(waiter.request.id, cancel)
      tellProgress(waiter, AbortSignal.any([signal, done.signal])).catch(() => undefined) // it ends when the wait does
      try {
        return await something(signal)
      } finally {
        done.abort()
        waiting.delete(waiter.request.id)
      }
    },

    cancel(notice) {
      const cancel = waiting.get(cancelledId(notice) ?? "")
      cancel?.abort(new Cancelled())
      return cancel !== undefined
    },
  }
}
