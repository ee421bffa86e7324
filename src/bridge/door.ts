/**
 * The door: one message gets its proof of identity, and leaves for the server.
 *
 * This is the way of every HTTP request of the bridge: calls, the GET stream, the goodbye. What a server may answer to make us send
 * again stands here, each with its bound, so that a lying server cannot make us loop.
 */
import type { Authenticator, Recovery } from "../auth/method.ts"
import type { Clock } from "../core/clock.ts"
import { PosternError } from "../core/diagnosis.ts"
import type { Answer, Http, OutgoingRequest } from "../core/http.ts"
import { quote } from "../core/redact.ts"
import { redirectRefused } from "./diagnoses.ts"

/** What a message needs on its way out: a connection, a proof, and the time. */
export interface Door {
  readonly http: Http
  readonly authenticator: Authenticator
  readonly clock: Clock
}

/** Same-origin hops that one message may take. */
const MOST_HOPS = 5
/** A longer `Retry-After` is the client's decision, in milliseconds. */
const LONGEST_WAIT_MS = 30_000
/** How much of a refusal's body is worth showing, in bytes. */
const MOST_REFUSAL_BYTES = 64 * 1024

/**
 * Sends one message with proof of identity.
 *
 * - 401 and 403: the authenticator decides; one recovery at most.
 * - 429 and 503 with a short `Retry-After`: waited out and sent once more, since the server said that it did not run it.
 * - a redirect: followed to the same origin only, and authorised anew at each hop.
 *
 * @param request - without proof; it is authorised again for each sending, since a signature is made for exact bytes and a moment
 * @returns any other answer, whatever its status; the body is the caller's
 * @throws {PosternError} the authenticator's diagnosis when the server refuses, `redirect-refused`, or the failure of the connection
 */
export async function passDoor(request: OutgoingRequest, { http, authenticator, clock }: Door, signal: AbortSignal): Promise<Answer> {
  let outgoing = request
  let recovered = false
  let waited = false

  for (let hops = 0; ;) {
    const authorized = await authenticator.authorize(outgoing, signal)
    const answer = await http.send(authorized, signal)
    let waitMs: number | undefined

    if (answer.status === 401 || answer.status === 403) {
      const { advice, diagnosis } = await recoverFrom(authorized, answer, authenticator, signal)
      if (advice !== "retry" || recovered)
        throw new PosternError({ ...diagnosis, evidence: [...diagnosis.evidence, ...(await words(answer))] })
      recovered = true
    } else if (isRedirect(answer)) {
      hops++
      outgoing = { ...outgoing, url: nextHop(outgoing.url, answer, hops) }
    } else {
      const hearing = answer.status < 300 ? authenticator.accepted?.(authorized) : undefined
      if (hearing) await hearing
      waitMs = retryAfterMs(answer, clock)
      if (waitMs === undefined || waited) return answer
      waited = true
    }
    answer.discard() // it is sent again: what came with this answer does not matter, and holds no connection
    if (waitMs !== undefined) await clock.sleep(waitMs, signal)
  }
}

/** As `Authenticator.recover`; an answer that nobody will read does not hold its connection. */
async function recoverFrom(request: OutgoingRequest, answer: Answer, authenticator: Authenticator, signal: AbortSignal): Promise<Recovery> {
  try {
    return await authenticator.recover(request, answer, signal)
  } catch (error) {
    answer.discard()
    throw error
  }
}

/** What the server said with its refusal. */
async function words(answer: Answer): Promise<string[]> {
  const text = quote((await answer.readBriefly(MOST_REFUSAL_BYTES)).toString("utf8"))
  return text ? [`the server said: ${text}`] : []
}

/**
 * 301, 302, 307 and 308 keep method and body here: a POST turned into a GET is no MCP message, and RFC 9110 section 15.4 only
 * allows that change. 303 asks for another method, so it is an answer like any other, and no message.
 */
function isRedirect(answer: Answer): boolean {
  return answer.headers.location !== undefined && [301, 302, 307, 308].includes(answer.status)
}

function nextHop(from: URL, answer: Answer, hops: number): URL {
  const location = answer.headers.location ?? ""
  const refuse = (why: string, sent = "nothing was sent there"): never => {
    answer.discard()
    throw new PosternError(redirectRefused({ from: from.origin, to: location, why, sent }))
  }
  if (!URL.canParse(location, from.href)) return refuse("it is not an address")
  const to = new URL(location, from)
  if (to.origin !== from.origin) return refuse("it is another origin")
  if (to.username || to.password) return refuse("it holds a user name")
  if (hops > MOST_HOPS) return refuse(`${MOST_HOPS} redirects were followed before`, "nothing more was sent")
  return to
}

/** @returns how long to wait, or undefined where waiting is not the answer. RFC 9110 section 10.2.3: seconds, or a date. */
function retryAfterMs(answer: Answer, clock: Clock): number | undefined {
  if (answer.status !== 429 && answer.status !== 503) return undefined
  const value = answer.headers["retry-after"]
  if (value === undefined) return undefined
  const waitMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - clock.now()
  return waitMs <= LONGEST_WAIT_MS ? Math.max(0, waitMs) : undefined // a date that is none gives NaN, which is not short
}
