/** Reads Server-Sent Events: the messages of a stream, and where to go on after a cut. */
import { createParser } from "eventsource-parser"
import { PosternError } from "../../core/diagnosis.ts"
import type { Answer } from "../../core/http.ts"
import { answerTooLarge } from "../../core/http-failures.ts"

/** Where a stream stands. Ids belong to one stream; `retryMs` is the server's wish (S4). */
export interface Cursor {
  lastEventId: string | undefined
  retryMs: number | undefined
}

export const newCursor = (): Cursor => ({ lastEventId: undefined, retryMs: undefined })

/**
 * Reads the events of one answer until the server ends it.
 *
 * @param cursor - is moved along
 * @param maxBytes - the longest event
 * @yields the data of each event of type `message`; an event with empty data only moves the cursor (S4)
 * @throws {PosternError} `connection-lost` when the stream is cut, `answer-too-large`
 */
export async function* readEvents(
  answer: Answer,
  cursor: Cursor,
  maxBytes: number,
  origin: string,
): AsyncGenerator<string, void, undefined> {
  const arrived: string[] = []
  let held = 0
  const parser = createParser({
    onEvent({ id, event, data }) {
      held = 0
      if (id !== undefined) cursor.lastEventId = id
      if (data !== "" && (event === undefined || event === "message")) arrived.push(data)
    },
    onRetry: (ms) => (cursor.retryMs = ms),
  })
  const decoder = new TextDecoder() // keeps a character that two chunks share; drops a leading BOM, as the format asks
  for await (const chunk of answer.stream()) {
    held += chunk.length
    if (held > maxBytes) throw new PosternError(answerTooLarge({ origin, maxBytes }))
    parser.feed(decoder.decode(chunk, { stream: true }))
    yield* arrived.splice(0)
  }
}
