/** The GET stream: what the server says unasked, for as long as the session lives. */
import type { Receive } from "../link.ts"
import { deliverEvents } from "./answer-body.ts"
import { newCursor } from "./events.ts"
import { FIRST_RETRY_MS, type Wire } from "./wire.ts"

const LONGEST_RETRY_MS = 30_000

/**
 * Listens until the signal aborts or the server says that it has no such stream. A stream that ends is asked for again, from
 * where it stood; failures are waited out, longer each time.
 */
export async function listen(wire: Wire, receive: Receive, signal: AbortSignal): Promise<void> {
  const cursor = newCursor()
  for (let failures = 0; !signal.aborted;) {
    try {
      const stream = await wire.get(cursor, signal)
      if (stream.status !== 200 || !stream.headers["content-type"]?.startsWith("text/event-stream")) {
        stream.discard()
        // 405: there is no such stream. Any other 4xx will not get better by asking again: a lost session brings a new listener.
        if (stream.status < 500) return
        failures++
      } else {
        failures = 0
        await deliverEvents(stream, cursor, receive, wire)
      }
    } catch (error) {
      if (signal.aborted) return
      failures++
      wire.log.info("GET stream failed", { failures, error: error instanceof Error ? error.message : String(error) })
    }
    const waitMs = Math.min((cursor.retryMs ?? FIRST_RETRY_MS) * 2 ** Math.min(failures, 5), LONGEST_RETRY_MS)
    await wire.clock.sleep(waitMs, signal).catch(() => undefined) // aborted: the loop ends
  }
}
