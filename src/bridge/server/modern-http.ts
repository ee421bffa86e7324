/**
 * A server over Streamable HTTP since revision 2026-07-28: stateless. Each message is a POST that says in its headers what stands in
 * its body (`modern/exchange.ts`). There is no session, no stream of the server's own, and nothing to take up again.
 */
import { following } from "../../core/abort.ts"
import { failedWith } from "../../core/diagnosis.ts"
import { connectionLost } from "../../core/http-failures.ts"
import { type Frame, cancelledId, withId } from "../frame.ts"
import type { Receive, ServerSide } from "../link.ts"
import { type ModernHttpSettings, isSafe, modernExchange } from "./modern/exchange.ts"
import { LISTEN, keepSubscription } from "./modern/subscription.ts"

/** A server side that can be asked whether a request is on its way with it. */
export interface ModernSide extends ServerSide {
  has(id: string): boolean
}

/** How often a safe request is repeated, and after which time, in milliseconds. */
const MOST_REPEATS = 2
const REPEAT_AFTER_MS = 250

/** Makes the side. Nothing is sent before the first message. */
export function modernHttpSide(settings: ModernHttpSettings): ModernSide {
  const { door, log } = settings
  const onTheirWay = new Map<string, AbortController>()
  let ids = 0
  const newId = (): string => `"postern:${++ids}"`
  const exchange = modernExchange(settings, newId)

  const ask = (request: Frame, receive: Receive, signal: AbortSignal): Promise<void> => {
    if (request.method !== LISTEN) return repeatWhereSafe(request, receive, signal)
    return keepSubscription({ request, open: exchange, clock: door.clock, log }, receive, signal)
  }

  /** The repeated request is a new one with an id of its own (S17); the client gets the answer under the id that it knows. */
  const repeatWhereSafe = async (request: Frame, receive: Receive, signal: AbortSignal): Promise<void> => {
    let sent = request
    for (let repeats = 0; ; repeats++) {
      const { id } = sent
      const underItsId: Receive = (said) => receive(said.kind === "response" && said.id === id ? withId(said, request.id) : said)
      try {
        if (await exchange(sent, repeats === 0 ? receive : underItsId, signal)) return
        if (repeats === MOST_REPEATS || !isSafe(request)) return // the relay tells that there was no answer
      } catch (error) {
        if (repeats === MOST_REPEATS || !isSafe(request) || !failedWith(error, connectionLost)) throw error
      }
      log.info("answer cut; it is safe to ask again", { method: request.method, repeats: repeats + 1 })
      await door.clock.sleep(REPEAT_AFTER_MS, signal)
      sent = withId(request, newId())
    }
  }

  return {
    has: (id) => onTheirWay.has(id),

    async carry(frame, receive, signal) {
      // Closing the stream is the cancel; the server hears nothing else of it (S16).
      if (frame.method === "notifications/cancelled") return onTheirWay.get(cancelledId(frame) ?? "")?.abort(new Error("cancelled"))
      if (frame.kind === "response") return log.info("dropped: a modern server has asked nothing", { id: frame.id })
      if (frame.kind === "notification") return void (await exchange(frame, receive, signal))
      using own = following(signal)
      onTheirWay.set(frame.id, own)
      try {
        signal.throwIfAborted()
        await ask(frame, receive, own.signal)
      } catch (error) {
        if (!own.signal.aborted || signal.aborted) throw error // what the client has cancelled is not answered
      } finally {
        onTheirWay.delete(frame.id)
      }
    },

    async close() {
      door.http.close()
    },
  }
}
