/** The contract of a server side: one server, reached in one way. */
import { PosternError, defineDiagnosis } from "../core/diagnosis.ts"
import type { Frame } from "./frame.ts"

/** Takes what the server sends. Whoever reads from the server waits for it: a slow client slows the server down. */
export type Receive = (frame: Frame) => Promise<void> | void

/**
 * Hears that the server has taken a message of the client: it stands in the pipe of its process, or an answer to it has begun. A body
 * that the buffers of the system hold does not count: it may have to be sent again, so it stands in our memory too.
 */
export type OnSent = (frame: Frame) => void

/** A server side, as the relay sees it. */
export interface ServerSide {
  /**
   * Carries one message to the server, and all that comes back for it to `receive`: progress, requests of the server, the answer.
   *
   * Settles when nothing more will come for this message.
   *
   * @param signal - aborts when nobody waits any more
   * @throws {PosternError} if the message could not be delivered, or its answer was lost
   */
  carry(frame: Frame, receive: Receive, signal: AbortSignal): Promise<void>
  /** Ends the session at the server where there is time for it, and everything that was opened for it. */
  close(signal: AbortSignal): Promise<void>
}

/** A way to a server that may lose its session. `session.ts` makes a `ServerSide` of it. */
export interface Link {
  /**
   * As `ServerSide.carry`. An `initialize` opens a new session.
   *
   * @throws {SessionLost} if the server does not know the session any more, and has not run the message
   */
  exchange(frame: Frame, receive: Receive, signal: AbortSignal): Promise<void>
  close(signal: AbortSignal): Promise<void>
}

/** The server has forgotten a session that was opened a moment ago, too (S3). */
export const sessionLost = defineDiagnosis({
  code: "session-lost",
  about:
    "The server has forgotten the session, and forgot a new one at once, too. A server that runs several instances behind one address often needs sticky sessions.",
  tell: ({ server, how }: { server: string; how: string }) => ({
    cause: `The server "${server}" lost the session again right after a new one was opened.`,
    evidence: [how, "the message was not run"],
    next: "try again; if it stays so, ask the server's owner",
  }),
})

/** The session has ended at the server; the message was not run, so it may be sent again in a new one. */
export class SessionLost extends PosternError {
  constructor(server: string, how: string) {
    super(sessionLost({ server, how }))
  }
}
