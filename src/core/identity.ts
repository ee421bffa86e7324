/** Who a server sees when Postern speaks to it. */

/** An identity, as `list` shows it. Never holds a secret. */
export interface Identity {
  /** A user, a role ARN, `key 1a2b3c4d` (a fingerprint), or `nobody`. */
  readonly subject: string
  /** Where the proof comes from: a file, a variable, a vault entry, a command. */
  readonly source: string
  /** The account or issuer that the subject belongs to. */
  readonly account?: string
  readonly scopes?: readonly string[]
  /** When the proof ends, in milliseconds since 1970; absent when it has no known end. */
  readonly expiresAtMs?: number
  /** Since when the proof is in use, in milliseconds since 1970. */
  readonly sinceMs?: number
}
