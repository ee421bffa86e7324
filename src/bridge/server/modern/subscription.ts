/** `subscriptions/listen`: one request whose stream stays open for as long as the client wants to hear of changes (S18). */
import type { Clock } from "../../../core/clock.ts"
import { isNetworkFailure } from "../../../core/http-failures.ts"
import type { Log } from "../../../core/log.ts"
import { type Frame, cancelledId, readFrame } from "../../frame.ts"
import type { Receive } from "../../link.ts"
import { LONGEST_RETRY_MS } from "../events.ts"
import { Refused } from "../refusal.ts"
import { FIRST_RETRY_MS } from "../wire.ts"

/** The method of the request that subscribes; it is not repeated like others, but kept (S18). */
export const LISTEN = "subscriptions/listen"
/** The server has agreed. */
export const ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
/** Where what belongs to a subscription names its id. */
export const SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"

/** Refusals in a row after which the client is told: each may cost a run of a headers command. */
const MOST_REFUSALS = 3

/** One subscription of the client, and what keeping it takes. */
export interface Subscription {
  /** As the client asked; it is sent again with the id that the client knows, since what comes names it. */
  readonly request: Frame
  /** Opens the stream once, and delivers what comes. @returns whether the request was answered */
  readonly open: (request: Frame, receive: Receive, signal: AbortSignal) => Promise<boolean>
  readonly clock: Clock
  readonly log: Log
}

/**
 * Keeps a subscription until the server ends it, or the signal aborts. A stream that is cut after the server has agreed is opened
 * again, quietly; the client is told when that is given up.
 *
 * @throws {PosternError} the failure of the first opening, or the last of too many refusals
 */
export async function keepSubscription({ request, open, clock, log }: Subscription, receive: Receive, signal: AbortSignal): Promise<void> {
  let agreed = false
  let ended = false
  let failures = 0
  let refusals = 0
  const watch: Receive = (said) => {
    failures = 0
    refusals = 0
    if (said.method === "notifications/cancelled" && cancelledId(said) === request.id) ended = true
    if (said.method !== ACKNOWLEDGED) return receive(said)
    const again = agreed
    agreed = true
    return again ? undefined : receive(said) // the client has heard it
  }

  for (;;) {
    failures++
    try {
      if (await open(request, watch, signal)) return
      if (ended) return await receive(completion(request))
      if (!agreed) return // the relay tells that there was no answer
    } catch (error) {
      if (signal.aborted || !agreed || (!mayGetBetter(error) && ++refusals === MOST_REFUSALS)) throw error
    }
    log.info("subscription cut, opening it again", { failures })
    await clock.sleep(Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 5), LONGEST_RETRY_MS), signal)
  }
}

/** The server may end a subscription by a notice alone; the request still gets its one answer, as the page on subscriptions has it. */
function completion({ id }: Frame): Frame {
  const result = `{"resultType":"complete","_meta":{"${SUBSCRIPTION_KEY}":${id}}}`
  return readFrame(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
}

function mayGetBetter(error: unknown): boolean {
  if (error instanceof Refused) return error.refusal.status >= 500 || [408, 429].includes(error.refusal.status)
  return isNetworkFailure(error)
}
