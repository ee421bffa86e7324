/**
 * The session wrapper: opens a session again when the server has lost it, and sends the message again, once.
 *
 * A client opens a session once in its life. When the server restarts, or prunes the session (404, S3), or the child process has
 * died, the client must not notice: its own `initialize` is repeated with its own text, and the answer is swallowed.
 */
import { withResolvers } from "../core/with-resolvers.ts"
import type { Frame } from "./frame.ts"
import { makeGate } from "./gate.ts"
import { type Link, type Receive, type ServerSide, SessionLost } from "./link.ts"

const swallow: Receive = () => undefined

/**
 * Makes a server side of a link that may lose its session.
 *
 * @param life - aborts when the bridge ends. Opening a session again is nobody's own request: many wait for it, and the one that
 *   gives up must not end it for the others.
 */
export function withSession(link: Link, life: AbortSignal): ServerSide {
  let initialize: Frame | undefined
  let initialized: Frame | undefined
  let open = false
  /** Counts sessions, so that many messages that meet the same lost session open one new one. */
  let generation = 0
  /** What must be over before other messages go out: they need the session's id, and come after `initialized`. */
  const gate = makeGate()
  let reopening: Promise<void> | undefined

  /** @param onAnswer - hears that the answer is there; the server may leave its stream open for long after it */
  const openWith = async (frame: Frame, receive: Receive, signal: AbortSignal, onAnswer?: () => void): Promise<void> => {
    open = false
    generation++
    const watch: Receive = (said) => {
      if (said.kind === "response" && said.id === frame.id) {
        open = isSuccess(said)
        onAnswer?.()
      }
      return receive(said)
    }
    await link.exchange(frame, watch, signal)
  }

  const replay = async (): Promise<void> => {
    if (!initialize) return
    const answered = withResolvers()
    await Promise.race([answered.promise, openWith(initialize, swallow, life, answered.resolve)])
    if (initialized) await link.exchange(initialized, swallow, life)
  }

  /** The session is not ready before `initialized` has arrived: whoever comes meanwhile waits here too. */
  const reopen = (): Promise<void> => {
    reopening ??= replay().finally(() => (reopening = undefined))
    return reopening
  }

  /** Sends a message in the session that is open, or once more in a new one. */
  const exchange: ServerSide["carry"] = (frame, receive, signal) => {
    const sentIn = generation
    return link.exchange(frame, receive, signal).catch(async (error: unknown) => {
      if (!(error instanceof SessionLost)) throw error
      if (generation === sentIn || reopening) await reopen()
      if (frame !== initialized) await link.exchange(frame, receive, signal)
    })
  }

  const inSession: ServerSide["carry"] = async (frame, receive, signal) => {
    await gate.closed
    if (!open || reopening) {
      await reopen().catch((error: unknown) => {
        if (!(error instanceof SessionLost)) throw error // else that one was lost at once, too: this message has not had its turn yet
      })
      if (frame === initialized) return // it was part of the opening
    }
    await exchange(frame, receive, signal)
  }

  return {
    carry(frame, receive, signal) {
      // A failure is told to whoever sent the message; the ones behind the gate then try by themselves.
      if (frame.kind === "request" && frame.method === "initialize") {
        initialize = frame
        const answered = withResolvers()
        const opening = openWith(frame, receive, signal, answered.resolve)
        gate.close(Promise.race([answered.promise, opening.catch(() => undefined)]))
        return opening
      }
      if (frame.method === "notifications/initialized") {
        initialized = frame
        const sending = inSession(frame, receive, signal)
        gate.close(sending.catch(() => undefined))
        return sending
      }
      return open && !reopening && !gate.closed ? exchange(frame, receive, signal) : inSession(frame, receive, signal)
    },
    close: (signal) => link.close(signal),
  }
}

function isSuccess(answer: Frame): boolean {
  return "result" in (JSON.parse(answer.bytes.toString("utf8")) as object) // a frame is an object
}
