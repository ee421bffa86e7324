/** Documents that a server or an authorization server publishes, and its token answers: JSON, within bounds that each is told when hit. */
import type { IncomingHttpHeaders } from "node:http"
import { limited } from "./abort.ts"
import { PosternError } from "./diagnosis.ts"
import type { Http, OutgoingRequest } from "./http.ts"
import { answerTooDeep, answerTooSlow } from "./http-failures.ts"
import { levelsOf } from "./json.ts"

/** Counted after decoding, so that a compressed bomb does not pass. */
const MOST_BYTES = 1024 * 1024
/** From the first byte sent to the last received: a server that drips is never silent. */
const LIMIT_MS = 10_000
/** Whoever walks through a document may do so by recursion. */
const MOST_LEVELS = 64

/** What came back. */
export interface HttpDocument {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The parsed body; undefined where it is no JSON: a page of HTML says nothing about a grant. */
  readonly json: unknown
}

/**
 * Fetches one JSON document, or sends one form and reads its JSON answer. No redirect is followed, whatever the status: a body is
 * a credential too. No cookie is sent or kept.
 *
 * @param request - its address has passed the gate
 * @param signal - stops it
 * @param limitMs - in total; longer only where giving up would lose something: what a token endpoint was about to give
 * @returns any answer, whatever its status
 * @throws {PosternError} `answer-too-large` (1 MiB), `answer-too-slow` (10 s in total unless told otherwise), `answer-too-deep` (64 levels), and what
 *   `Http.send` throws
 */
export async function fetchDocument(http: Http, request: OutgoingRequest, signal: AbortSignal, limitMs = LIMIT_MS): Promise<HttpDocument> {
  const limit = limited(signal, limitMs)
  try {
    const answer = await http.send(request, limit)
    const text = (await answer.read(MOST_BYTES)).toString("utf8")
    return { status: answer.status, headers: answer.headers, json: parse(text, request.url.origin) }
  } catch (error) {
    if (!limit.aborted || signal.aborted || error instanceof PosternError) throw error
    throw new PosternError(answerTooSlow({ origin: request.url.origin, limitMs }), { cause: error })
  }
}

function parse(text: string, origin: string): unknown {
  if (levelsOf(text) > MOST_LEVELS) throw new PosternError(answerTooDeep({ origin, maxLevels: MOST_LEVELS }))
  try {
    return JSON.parse(text)
  } catch {
    return undefined // no JSON: the caller says what that means where it stands
  }
}
