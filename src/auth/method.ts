/**
 * A method (of proving who one is: `none`, `header`, `aws`, `oauth`) at work for one server and one person. Four verbs, the same for every
 * method: add the proof, look at a refusal, say who one is, and get in or out.
 */
import type { Diagnosis } from "../core/diagnosis.ts"
import type { Answer, OutgoingRequest } from "../core/http.ts"
import type { Identity } from "../core/identity.ts"
import type { Interaction } from "./interaction.ts"

/** What to do about a 401 or 403. The diagnosis comes with a retry too: that may be refused again. */
export interface Recovery {
  readonly advice: "retry" | "sign-in" | "denied"
  readonly diagnosis: Diagnosis
}

/** One server's method at work. `authorize` and `recover` are called by many requests at once. */
export interface Authenticator {
  /**
   * Adds the proof of identity, last of all: signing sees the exact bytes.
   *
   * @returns the request with the proof, and a promise of it only where a step is needed; the one that came in is unchanged
   * @throws {PosternError} when there is no proof to add; kind `sign-in` where a person can get one
   */
  authorize(request: OutgoingRequest, signal: AbortSignal): Promise<OutgoingRequest> | OutgoingRequest
  /** Hears that the server took a request with its proof; absent: it is of no matter. */
  accepted?(request: OutgoingRequest): Promise<void> | void
  /**
   * Looks at a 401 or 403.
   *
   * @param request - as it was sent, proof included
   * @param answer - its status and headers; of the body, `readBriefly` only: the caller quotes it too
   * @returns what to do; `retry` only if the request would be sent with another proof, or at a better time
   * @throws {PosternError} when it cannot be found out, for example since the vault cannot be read
   */
  recover(request: OutgoingRequest, answer: Answer, signal: AbortSignal): Promise<Recovery>
  /** Who the server sees, from which source, until when. Asks no person and no server. */
  identity(): Promise<Identity>
  /**
   * Gets in: asks the person for what is missing. Where a page is opened, one of several who want in at once asks; the others have its
   * result.
   *
   * @throws {PosternError} why it came to nothing; what was there before is then as it was
   */
  signIn(interaction: Interaction, signal: AbortSignal): Promise<Identity>
  /** Forgets, and revokes what can be revoked. */
  signOut(): Promise<void>
}
