/** Loads what deals with a locked door when the first one is met: a server that lets everybody in never pays for it. */
import { proofMissing } from "../auth/diagnoses.ts"
import { PosternError } from "../core/diagnosis.ts"
import type { Frame } from "./frame.ts"
import type { ServerSide } from "./link.ts"

/** Whether a failure means that a person can open the door; where no proof is configured at all, none can. */
export function isLocked(error: unknown): error is PosternError {
  return error instanceof PosternError && error.diagnosis.kind === "sign-in" && error.diagnosis.code !== proofMissing.code
}

/**
 * Wraps a server side.
 *
 * @param load - makes the side that deals with it, given the client's `initialize` where one came before; the message that met the
 *   door is carried once more, by that side
 */
export function whenLocked(side: ServerSide, load: (initialize: Frame | undefined) => Promise<ServerSide>): ServerSide {
  let initialize: Frame | undefined
  let loaded: Promise<ServerSide> | undefined
  return {
    async carry(frame, receive, signal) {
      if (loaded) return (await loaded).carry(frame, receive, signal)
      if (frame.method === "initialize") initialize = frame
      try {
        await side.carry(frame, receive, signal)
      } catch (error) {
        if (!isLocked(error)) throw error
        loaded ??= load(initialize)
        await (await loaded).carry(frame, receive, signal)
      }
    },
    close: async (signal) => (loaded ? (await loaded).close(signal) : side.close(signal)),
  }
}
