/** Reads what a POST brought back: one JSON text, or a stream of events that may be cut and taken up again. */
import { failedWith } from "../../core/diagnosis.ts"
import type { Answer } from "../../core/http.ts"
import { FEW_BYTES } from "../../core/http-body.ts"
import { isNetworkFailure, serverSilent } from "../../core/http-failures.ts"
import type { Frame } from "../frame.ts"
import type { Receive } from "../link.ts"
import { type Cursor, newCursor, readEvents } from "./events.ts"
import { FIRST_RETRY_MS, type ResumingWire, type Wire, framesOf, isEventStream } from "./wire.ts"

/** How often in a row the rest of one cut answer is asked for without anything new. */
const MOST_RESUMES = 5
/** A server may leave a stream open after its answer; it holds a connection, so it is left after this time, in milliseconds. */
const LINGER_MS = 2_000

/** Where the messages of an answer go. */
export interface Delivery {
  /** The message that is answered; its own answer ends the resuming. */
  readonly request: Frame
  readonly receive: Receive
  /** One that does not resume has lost the answer with its stream (S17). */
  readonly wire: Wire | ResumingWire
}

/**
 * Delivers the messages of one answer as they arrive.
 *
 * @throws {PosternError} `answer-unreadable`, `answer-too-large`, or `connection-lost` when a stream was cut and cannot be resumed
 */
export async function deliverAnswer(answer: Answer, delivery: Delivery, signal: AbortSignal): Promise<void> {
  if (isEventStream(answer)) return deliverStream(answer, delivery, signal)

  const { receive, wire } = delivery
  const contentType = answer.headers["content-type"] ?? ""
  try {
    const body = await answer.read(wire.maxFrameBytes, (bytes) => wire.room.take(answer, bytes))
    if (body.length === 0) return // a notification has no answer; that a request got none is told by the relay
    for (const frame of framesOf(body, contentType, wire)) await receive(frame)
  } finally {
    wire.room.leave(answer)
  }
}

/** A stream that is cut before the answer is asked for again, where the server gave its events ids (S4). */
async function deliverStream(first: Answer, { request, receive, wire }: Delivery, signal: AbortSignal): Promise<void> {
  const cursor = newCursor()
  const resuming = "get" in wire ? wire : undefined
  let stream: Answer | undefined = first
  let answered = false
  let linger: NodeJS.Timeout | undefined
  const watch: Receive = (frame) => {
    if (frame.kind === "response" && frame.id === request.id && !answered) {
      answered = true
      linger = setTimeout(() => stream?.discard(), LINGER_MS)
    }
    return receive(frame)
  }

  for (let resumes = 0; ; resumes++) {
    const stoodAt: string | undefined = cursor.lastEventId
    let failure: unknown
    try {
      stream ??= await resuming?.get(cursor, resuming.resumeSilenceMs, signal, request)
      if (stream?.status !== 200) return stream?.discard()
      await deliverEvents(stream, cursor, watch, wire)
    } catch (error) {
      failure = error
    }
    clearTimeout(linger)
    if (answered) return
    if (cursor.lastEventId !== stoodAt) resumes = 0 // a server may let a client come back for each piece (S4)
    if (!resuming || cursor.lastEventId === undefined || resumes === MOST_RESUMES || signal.aborted || isGivenUp(failure)) {
      if (failure !== undefined) throw failure
      return
    }
    wire.log.info("stream cut before its answer, asking for the rest", { method: request.method, attempt: resumes + 1 })
    stream = undefined
    await wire.clock.sleep(Math.max(cursor.retryMs ?? FIRST_RETRY_MS, LEAST_RETRY_MS), signal)
  }
}

/** A server that wants us back at once gets a moment all the same, in milliseconds. */
const LEAST_RETRY_MS = 50

/** Silence is an answer of its own, and so is whatever is no cut: asking again would only repeat it. */
function isGivenUp(failure: unknown): boolean {
  if (failure === undefined) return false
  return failedWith(failure, serverSilent) || !isNetworkFailure(failure)
}

/** Delivers the events of one stream until the server ends it. What is read of a long one waits in the room until the client has it. */
export async function deliverEvents(stream: Answer, cursor: Cursor, receive: Receive, wire: Wire): Promise<void> {
  let toldBytes = 0
  const hold = (): Promise<void> | undefined => {
    const bytes = cursor.heldBytes - toldBytes
    if (cursor.heldBytes <= FEW_BYTES || bytes <= 0) return undefined
    toldBytes += bytes
    return wire.room.take(stream, bytes)
  }
  const leave = (): void => {
    toldBytes = 0
    wire.room.leave(stream)
  }

  try {
    for await (const { type, data } of readEvents(stream.stream(hold), cursor, wire.maxFrameBytes, wire.origin)) {
      if (type === "message") for (const frame of framesOf(data, "text/event-stream", wire)) await receive(frame)
      leave()
    }
  } finally {
    leave()
  }
}
