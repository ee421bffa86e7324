/** What the parts of the HTTP server side share: one server's address, and how its streams are asked for. */
import type { Clock } from "../../core/clock.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Answer } from "../../core/http.ts"
import { answerUnreadable } from "../../core/http-failures.ts"
import type { Log } from "../../core/log.ts"
import { type Frame, NotAMessage, readFrames } from "../frame.ts"
import type { AnswerRoom } from "./answer-room.ts"
import type { Cursor } from "./events.ts"

/** What is known of the other end of a body or stream. */
export interface Wire {
  readonly origin: string
  /** The longest message, in bytes. */
  readonly maxFrameBytes: number
  /** Where answers wait that the client does not take. */
  readonly room: AnswerRoom
  readonly clock: Clock
  readonly log: Log
}

/** A wire whose server opens streams when it is asked, and takes up those that were cut; servers of the modern era do neither. */
export interface ResumingWire extends Wire {
  /** The longest silence on a stream that was taken up again, in milliseconds; any event or comment restarts it. */
  readonly resumeSilenceMs: number
  /**
   * Asks for a stream, from where the cursor stands.
   *
   * @param silenceMs - the longest silence on it, in milliseconds; 0 means none
   * @param cause - the message that the stream is asked for, if it is one
   */
  get(cursor: Cursor, silenceMs: number, signal: AbortSignal, cause?: Frame): Promise<Answer>
}

/** The wait before a stream is asked for again, in milliseconds, when the server names none (S4). */
export const FIRST_RETRY_MS = 1_000

/** Whether an answer is a stream of events; media types know no upper case (RFC 9110 section 8.3.1). */
export function isEventStream({ headers }: Answer): boolean {
  return /^text\/event-stream\b/i.test(headers["content-type"] ?? "")
}

/**
 * The messages of a text that came over the wire.
 *
 * @param body - as bytes, or as a text where it came as one: then it is not decoded a second time
 *
 * @throws {PosternError} `answer-unreadable` if it holds something else; HTML of a network's sign-in page is the common case
 */
export function framesOf(body: Buffer | string, contentType: string, wire: Pick<Wire, "origin">): Frame[] {
  const bytes = typeof body === "string" ? Buffer.from(body) : body
  try {
    return readFrames(bytes, body.toString())
  } catch (error) {
    if (!(error instanceof NotAMessage)) throw error
    const beginning = bytes.toString("utf8", 0, 120)
    const detail = `content-type: ${contentType || "none"}; ${beginning ? `begins with: ${beginning}` : "an empty body"}`
    throw new PosternError(answerUnreadable({ origin: wire.origin, detail, isPage: /^\s*</.test(beginning) }), { cause: error })
  }
}
