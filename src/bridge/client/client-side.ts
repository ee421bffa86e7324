/** The contract of a client side: one client, reached in one way. */
import type { Diagnosis } from "../../core/diagnosis.ts"
import type { Frame } from "../frame.ts"

/** What a client side hears from its client. */
export interface ClientListener {
  /** @returns a promise where the server has to catch up first; nothing more is read meanwhile */
  onFrame(frame: Frame): Promise<void> | void
  /** Text that is no message; `id` is the JSON text of its id where one could be made out. */
  onMalformed(detail: string, id: string): void
  /** A message over the limit, already dropped. */
  onTooLarge(maxBytes: number, id: string): void
  /** Nothing more comes: the client has closed its end, or has gone. */
  onEnd(reason: "closed" | "gone"): void
}

/** One client, as the relay sees it. */
export interface ClientSide {
  /** Starts to read. Called once. */
  open(listener: ClientListener): void
  /**
   * Writes one message. A promise is returned when the client has to catch up first.
   *
   * @param diagnosis - given where the message is an error of Postern's own; a server may write the same words
   */
  write(bytes: Buffer, diagnosis?: Diagnosis): Promise<void> | void
  /** Stops reading. Resolves when all that was written is delivered, nobody reads it any more, or the signal aborts. */
  close(signal: AbortSignal): Promise<void>
}
