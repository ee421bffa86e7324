/** One request of the modern era: one POST with the headers that mirror its body, and what comes back for it. */
import type { Answer } from "../../../core/http.ts"
import type { Log } from "../../../core/log.ts"
import { type Door, passDoor } from "../../door.ts"
import { type Era, HEADER_MISMATCH, answerEvidence, eraEvidence, errorFacts } from "../../eras/evidence.ts"
import type { Frame } from "../../frame.ts"
import type { OnSent, Receive } from "../../link.ts"
import { deliverAnswer } from "../answer-body.ts"
import { answerRoom } from "../answer-room.ts"
import { NotModern, type Refusal, deliverRefusal, isSuccess, readRefusal } from "../refusal.ts"
import { isRepeatable } from "../repeatable.ts"
import type { Wire } from "../wire.ts"
import { type ParamHeaders, paramHeaders } from "./param-headers.ts"
import { paramsOf, requestHeaders } from "./request-headers.ts"
import { ACKNOWLEDGED, LISTEN } from "./subscription.ts"

/** One server, how it is reached, and who hears of it. */
export interface ModernHttpSettings {
  readonly name: string
  readonly url: URL
  readonly door: Door
  readonly log: Log
  /** The longest message, in bytes. */
  readonly maxFrameBytes: number
  readonly onSent?: OnSent | undefined
  /** Hears once that the server has shown to be of the modern era. */
  onModern(): void
}

/**
 * Sends one message, and delivers what comes for it.
 *
 * @returns whether a request was answered; if not, its stream has ended before, and the request is lost (S17)
 * @throws {NotModern} nothing was delivered then
 * @throws {PosternError} as the door and the body of the answer do
 */
export type Exchange = (frame: Frame, receive: Receive, signal: AbortSignal) => Promise<boolean>

/** @param newId - makes ids that no request of the client has, as JSON text */
export function modernExchange(settings: ModernHttpSettings, newId: () => string): Exchange {
  const { name, url, log, maxFrameBytes } = settings
  const wire: Wire = { origin: url.origin, maxFrameBytes, room: answerRoom(), clock: settings.door.clock, log }
  const tools = paramHeaders({ ask: (...asked) => exchange(...asked), newId, log })
  let proven = false

  /** The silence of a subscription has no limit: where it stops in mid-event, no answer waits for it. */
  const wireOf = ({ method }: Frame): Wire => (method === LISTEN ? { ...wire, room: answerRoom() } : wire)

  const prove = (): void => {
    if (!proven) settings.onModern()
    proven = true
  }

  /** Notes what an answer shows. @returns whether the server has shown to be of the other era */
  const isDisproved = (era: Era | undefined): boolean => {
    if (era === "modern") prove()
    return era === "legacy" && !proven
  }

  const exchange: Exchange = async (request, receive, signal) => {
    const answer = await send(request, { settings, tools }, signal)
    let answered = false
    let disowned = false
    const watch: Receive = (said) => {
      if (said.kind === "request") return log.info("dropped: a modern server asks in its results only", { method: said.method })
      if (said.method === ACKNOWLEDGED) prove()
      if (said.kind !== "response" || said.id !== request.id) return receive(tools.learn(said, request))
      answered = true
      disowned = !proven && isDisproved(answerEvidence(said, request))
      return disowned ? undefined : receive(tools.learn(said, request))
    }

    if ("body" in answer) {
      // A notification may be refused in either era.
      if (request.kind === "request" && isDisproved(eraEvidence(answer, request))) throw new NotModern(name, answer)
      await deliverRefusal(request, answer, receive, name)
      return true
    }
    if (request.kind === "request") await deliverAnswer(answer, { request, receive: watch, wire: wireOf(request) }, signal)
    else answer.discard() // 202
    if (disowned) throw new NotModern(name, { ...answer, body: Buffer.alloc(0) })
    return answered
  }

  return exchange
}

interface Sending {
  readonly settings: ModernHttpSettings
  readonly tools: ParamHeaders
}

/** Sends one message. Where the server tells of headers that do not match, it has not run the call: once, a fresh list mends them (S13). */
async function send(message: Frame, { settings, tools }: Sending, signal: AbortSignal): Promise<Answer | Refusal> {
  const params = paramsOf(message)
  const headers = await tools.of(message, params, signal)
  const outcome = await post(message, { ...requestHeaders(message, params), ...headers }, settings, signal)
  if (!("body" in outcome) || message.method !== "tools/call" || errorFacts(outcome, message)?.code !== HEADER_MISMATCH) return outcome

  const fresh = await tools.afresh(message, params, signal)
  if (fresh === undefined || JSON.stringify(fresh) === JSON.stringify(headers)) return outcome
  settings.log.info("headers did not match; sent again with those of a fresh list of tools")
  return post(message, { ...requestHeaders(message, params), ...fresh }, settings, signal)
}

async function post(
  message: Frame,
  mirrored: Readonly<Record<string, string>>,
  { url, door, onSent }: ModernHttpSettings,
  signal: AbortSignal,
): Promise<Answer | Refusal> {
  const headers = { accept: "application/json, text/event-stream", "content-type": "application/json", ...mirrored }
  const patience = message.method === LISTEN ? { silenceMs: 0 } : {} // a subscription is silent by nature
  const request = { method: "POST", url, headers, body: message.bytes, repeatable: isSafe(message), ...patience } as const
  const answer = await passDoor(request, door, signal)
  onSent?.(message)
  return isSuccess(answer) ? answer : readRefusal(answer)
}

/**
 * Whether a message may be sent again when nobody knows if the server has run it (S17). What comes back with input, or with a state of
 * the server's, belongs to one round, and may have done its work.
 */
export function isSafe(message: Frame): boolean {
  if (!isRepeatable(message)) return false
  const { inputResponses, requestState } = paramsOf(message)
  return inputResponses === undefined && requestState === undefined
}
