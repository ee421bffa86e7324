/** The GET stream: what the server says unasked, for as long as the session lives. */
import { PosternError } from "../../core/diagnosis.ts"
import { isNetworkFailure } from "../../core/http-failures.ts"
import type { Receive } from "../link.ts"
import { deliverEvents } from "./answer-body.ts"
import { LONGEST_RETRY_MS, newCursor } from "./events.ts"
import { FIRST_RETRY_MS, type ResumingWire, isEventStream } from "./wire.ts"

/** Refusals in a row after which one stops to ask: each may cost a run of a headers command, and a call will tell the cause. */
const MOST_REFUSALS = 3

/**
 * Listens until the signal aborts or the server says that it has no such stream. A stream that ends is asked for again, from
 * where it stood; failures are waited out, longer each time.
 */
export async function listen(wire: ResumingWire, receive: Receive, signal: AbortSignal): Promise<void> {
  const cursor = newCursor()
  let failures = 0
  let refusals = 0
  const alive: Receive = (frame) => {
    failures = 0
    refusals = 0
    // No request is answered here (transports, "Listening for Messages"); the stream of a request that was lost is taken up by itself.
    if (frame.kind === "response") return wire.log.info("answer dropped", { claims: frame.id })
    return receive(frame)
  }
  while (!signal.aborted && refusals < MOST_REFUSALS) {
    failures++ // until it has said something: a stream that is opened and closed at once is no success
    try {
      const stream = await wire.get(cursor, 0, signal)
      if (stream.status === 200 && isEventStream(stream)) await deliverEvents(stream, cursor, alive, wire)
      else {
        stream.discard()
        // 405: there is no such stream. A lost session brings a new listener. What may get better is asked again.
        if (stream.status < 500 && stream.status !== 408 && stream.status !== 429) return
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof PosternError && !isNetworkFailure(error)) refusals++
      wire.log.info("GET stream failed", { failures, code: error instanceof PosternError ? error.diagnosis.code : String(error) })
    }
    const waitMs = Math.max(cursor.retryMs ?? 0, FIRST_RETRY_MS) * 2 ** Math.min(failures - 1, 5)
    await wire.clock.sleep(Math.min(waitMs, LONGEST_RETRY_MS), signal).catch(() => undefined) // aborted: the loop ends
  }
}
