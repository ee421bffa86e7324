/** Time, handed in so that a test can hold it. */
import { setTimeout as delay } from "node:timers/promises"

/** What tells the time and waits. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /**
   * Waits.
   *
   * @throws the signal's reason when it aborts first
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Milliseconds on a clock that nobody sets. `performance` has the same, and loads a part of Node.js that a start pays for. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, signal ? { signal } : {})
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  },
}
