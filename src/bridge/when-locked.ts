/**
 * Loads what deals with a locked door when it is needed: at the first one that is met, or, where somebody has signed in, with the first
 * request after the opening, since a prompt is offered then. A server that lets everybody in never pays for it, and no start waits for it.
 */
import { proofMissing } from "../auth/diagnoses.ts"
import { PosternError, failedWith } from "../core/diagnosis.ts"
import type { Frame } from "./frame.ts"
import type { Receive, ServerSide } from "./link.ts"

/** Whether a failure means that a person can open the door; where no proof is configured at all, none can. */
export function isLocked(error: unknown): error is PosternError {
  return error instanceof PosternError && error.diagnosis.kind === "sign-in" && !failedWith(error, proofMissing)
}

/** How the client opened the session, as far as it has. */
export interface Opening {
  /** Its `initialize`. */
  readonly initialize?: Frame
  /** The server's answer to that, as it came. */
  readonly answer?: Frame
}

/** What is loaded once it is needed, and what has to be promised before. */
export interface LockedDoor {
  /** Makes the side that deals with it. The message that met the door is carried once more, by that side. */
  load(opening: Opening): Promise<ServerSide>
  /** Where somebody has signed in: what the client is told of the server at its opening. It has to promise what is added later. */
  readonly promise?: ((answer: Frame) => Frame) | undefined
}

/** Wraps a server side. */
export function whenLocked(side: ServerSide, { load, promise }: LockedDoor): ServerSide {
  let opening: Opening = {}
  let loaded: Promise<ServerSide> | undefined

  const carryLoaded: ServerSide["carry"] = async (frame, receive, signal) => {
    loaded ??= load(opening)
    await (await loaded).carry(frame, receive, signal)
  }

  return {
    async carry(frame, receive, signal) {
      const isOpening = frame.method === "initialize" || frame.method === "server/discover"
      if (loaded || (promise && frame.kind === "request" && !isOpening)) return carryLoaded(frame, receive, signal)
      const hear: Receive = (said) => {
        if (said.kind !== "response" || !promise) return receive(said)
        if (frame.method === "initialize") opening = { initialize: frame, answer: said }
        return receive(promise(said))
      }
      if (frame.method === "initialize") opening = { initialize: frame }
      try {
        await side.carry(frame, isOpening ? hear : receive, signal)
      } catch (error) {
        if (!isLocked(error)) throw error
        await carryLoaded(frame, receive, signal)
      }
    },
    close: async (signal) => (loaded ? (await loaded).close(signal) : side.close(signal)),
  }
}
