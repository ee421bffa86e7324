/** What Postern itself asks of the client: requests under ids that no server's can be taken for, and their answers. */
import { randomBytes } from "node:crypto"
import type { Log } from "../../core/log.ts"
import { type Frame, makeFrame } from "../frame.ts"
import type { Receive } from "../link.ts"

/** What a client answers to `elicitation/create`; `failed` is an error, or something that is none of the three. */
export type Reaction = "accept" | "decline" | "cancel" | "failed"

/** What one bridge asks its client. Ids are its own: no answer to a request of the server is taken for one of these. */
export interface Questions {
  /**
   * Sends `elicitation/create`.
   *
   * @throws the reason of `signal` when it aborts first; the question is then taken back
   */
  elicit(params: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<Reaction>
  /** Tells the client something under no id. */
  notify(method: string, params: Readonly<Record<string, unknown>>): Promise<void>
  /** Takes the client's answer to one of these questions. @returns false for every other message */
  take(frame: Frame): boolean
}

/** @param tell - takes what goes to the client */
export function clientQuestions(tell: Receive, log: Log): Questions {
  const waiting = new Map<string, (reaction: Reaction) => void>()
  const own = `postern-${randomBytes(9).toString("base64url")}-`
  let last = 0

  const notify: Questions["notify"] = async (method, params) => tell(makeFrame({ method, params }))

  return {
    notify,

    async elicit(params, signal) {
      signal.throwIfAborted()
      const id = `${own}${++last}`
      let onAbort: (() => void) | undefined
      try {
        return await new Promise<Reaction>((resolve, reject) => {
          onAbort = () => {
            void notify("notifications/cancelled", { requestId: id, reason: "nobody waits for the answer any more" })
            reject(signal.reason as Error) // our own reasons are errors
          }
          signal.addEventListener("abort", onAbort, { once: true })
          waiting.set(JSON.stringify(id), resolve)
          void tell(makeFrame({ id, method: "elicitation/create", params }))
        })
      } finally {
        waiting.delete(JSON.stringify(id))
        if (onAbort) signal.removeEventListener("abort", onAbort)
      }
    },

    take(frame) {
      if (frame.kind !== "response" || !frame.id.startsWith(`"${own}`)) return false
      const reaction = reactionOf(JSON.parse(frame.bytes.toString("utf8")))
      if (reaction === "failed") log.info("the client did not take the question")
      waiting.get(frame.id)?.(reaction) // a late answer, to a question that was taken back, is dropped
      return true
    },
  }
}

/** @param answer - a JSON-RPC answer, or one of `inputResponses` in the place of its `result` */
function reactionOf(answer: unknown): Reaction {
  return readReaction((answer as { readonly result?: unknown }).result) // a frame is an object
}

/** Reads an `ElicitResult`. */
export function readReaction(result: unknown): Reaction {
  const action = (result as { readonly action?: unknown } | null | undefined)?.action // any value may be asked for a member
  return action === "accept" || action === "decline" || action === "cancel" ? action : "failed"
}
