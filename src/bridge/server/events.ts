/** Reads Server-Sent Events: the messages of a stream, and where to go on after a cut. */
import { createParser } from "eventsource-parser"
import { PosternError } from "../../core/diagnosis.ts"
import { answerTooLarge } from "../../core/http-failures.ts"

/** Where a stream stands. Ids belong to one stream; `retryMs` is the server's wish (S4). */
export interface Cursor {
  lastEventId: string | undefined
  retryMs: number | undefined
  /** How much was read of an event that is not whole yet, in bytes. */
  heldBytes: number
}

/** A stream that has not said anything yet. */
export const newCursor = (): Cursor => ({ lastEventId: undefined, retryMs: undefined, heldBytes: 0 })

/** One event that carries data. */
export interface StreamEvent {
  /** `message` unless the server says otherwise. */
  readonly type: string
  readonly data: string
}

/** A server may ask for any wait; a call must not be kept for a day, in milliseconds. */
export const LONGEST_RETRY_MS = 30_000

/** An id goes back in a header, so it has to fit into one. */
const FIT_FOR_HEADER = /^[\x20-\x7e]{1,1000}$/

/**
 * Reads the events of one answer until the server ends it.
 *
 * @param chunks - its body as it arrives
 * @param cursor - is moved along
 * @param maxBytes - the longest event
 * @yields each event with data; one with empty data only moves the cursor (S4), and a comment is a sign of life
 * @throws {PosternError} `connection-lost` when the stream is cut, `answer-too-large`
 */
export async function* readEvents(
  chunks: AsyncIterable<Buffer>,
  cursor: Cursor,
  maxBytes: number,
  origin: string,
): AsyncGenerator<StreamEvent, void, undefined> {
  const arrived: StreamEvent[] = []
  cursor.heldBytes = 0
  const parser = createParser({
    onEvent({ id, event = "message", data }) {
      cursor.heldBytes = 0
      if (id !== undefined) cursor.lastEventId = FIT_FOR_HEADER.test(id) ? id : undefined
      if (data !== "") arrived.push({ type: event, data })
    },
    onRetry: (ms) => (cursor.retryMs = Math.min(ms, LONGEST_RETRY_MS)),
    onComment: (comment) => (cursor.heldBytes -= Math.min(cursor.heldBytes, comment.length + 2)), // its colon and its line feed
  })
  const unifyLineEnds = lineEndUnifier()
  const decoder = new TextDecoder() // keeps a character that two chunks share; drops a leading BOM, as the format asks
  for await (const chunk of chunks) {
    cursor.heldBytes += chunk.length
    if (cursor.heldBytes > maxBytes) throw new PosternError(answerTooLarge({ origin, maxBytes }))
    parser.feed(unifyLineEnds(decoder.decode(chunk, { stream: true })))
    yield* arrived.splice(0)
  }
}

/**
 * A line may end with a carriage return alone. The parser takes one that a chunk ends with for the half of a pair, and holds its line
 * back until more comes, which may be never.
 *
 * @returns a function that takes the chunks of one stream, and gives each back with a line feed for each of its line ends
 */
function lineEndUnifier(): (chunk: string) => string {
  let endsInReturn = false
  return (chunk) => {
    if (chunk === "") return chunk
    const rest = endsInReturn && chunk.startsWith("\n") ? chunk.slice(1) : chunk
    endsInReturn = chunk.endsWith("\r")
    return rest.includes("\r") ? rest.replace(/\r\n?/g, "\n") : rest
  }
}
