/** Reads what a POST brought back: one JSON text, or a stream of events that may be cut and taken up again. */
import type { Answer } from "../../core/http.ts"
import type { Frame } from "../frame.ts"
import type { Receive } from "../link.ts"
import { type Cursor, newCursor, readEvents } from "./events.ts"
import { FIRST_RETRY_MS, framesOf, type Wire } from "./wire.ts"

/** How often the rest of one cut answer is asked for. */
const MOST_RESUMES = 5

/** Where the messages of an answer go. */
export interface Delivery {
  /** The message that is answered; its own answer ends the resuming. */
  readonly request: Frame
  readonly receive: Receive
  readonly wire: Wire
}

/**
 * Delivers the messages of one answer as they arrive.
 *
 * @throws {PosternError} `answer-unreadable`, `answer-too-large`, or `connection-lost` when a stream was cut and cannot be resumed
 */
export async function deliverAnswer(answer: Answer, delivery: Delivery, signal: AbortSignal): Promise<void> {
  const contentType = answer.headers["content-type"] ?? ""
  if (contentType.startsWith("text/event-stream")) return deliverStream(answer, delivery, signal)

  const { receive, wire } = delivery
  const body = await answer.read(wire.maxFrameBytes)
  if (body.length === 0) return // a notification has no answer; that a request got none is told by the relay
  for (const frame of framesOf(body, contentType, wire)) await receive(frame)
}

/** A stream that is cut before the answer is asked for again, where the server gave its events ids (S4). */
async function deliverStream(answer: Answer, { request, receive, wire }: Delivery, signal: AbortSignal): Promise<void> {
  const cursor = newCursor()
  let answered = false
  const watch: Receive = (frame) => {
    answered ||= frame.kind === "response" && frame.id === request.id
    return receive(frame)
  }

  let stream = answer
  for (let resumes = 0; ; resumes++) {
    const mayResume = (): boolean => !answered && cursor.lastEventId !== undefined && resumes < MOST_RESUMES && !signal.aborted
    try {
      await deliverEvents(stream, cursor, watch, wire)
      if (!mayResume()) return
    } catch (error) {
      if (answered) return
      if (!mayResume()) throw error
    }
    wire.log.info("stream cut before its answer, asking for the rest", { method: request.method, attempt: resumes + 1 })
    await wire.clock.sleep(cursor.retryMs ?? FIRST_RETRY_MS, signal)
    stream = await wire.get(cursor, signal)
    if (stream.status !== 200) return stream.discard()
  }
}

/** Delivers the events of one stream until the server ends it. */
export async function deliverEvents(stream: Answer, cursor: Cursor, receive: Receive, wire: Wire): Promise<void> {
  for await (const { type, data } of readEvents(stream, cursor, wire.maxFrameBytes, wire.origin)) {
    if (type !== "message") continue
    for (const frame of framesOf(Buffer.from(data), "text/event-stream", wire)) await receive(frame)
  }
}
