/** A server that wants more scopes than the sign-in has (S51). */
import type { Recovery } from "../method.ts"
import type { Challenge } from "./challenge.ts"
import { oauthScopeNeeded, oauthScopeRefused } from "./diagnoses.ts"
import type { Grant } from "./grant.ts"
import { splitScopes } from "./scopes.ts"

/** What a session has asked a person for beyond the first sign-in. */
export interface StepUp {
  /** Missing now. */
  readonly scopes: readonly string[]
  /** Scopes that a person was asked for, each time; a server that is never content is not asked on for ever. */
  readonly asked: readonly string[]
}

/** Times that one session asks a person for more scopes. */
const MOST_STEP_UPS = 3
/** More than this no page of consent shows, and no address holds. */
const MOST_SCOPES = 100

/**
 * Decides about `insufficient_scope`: a person is asked for the union of what was agreed to and what is missing, a few times at most,
 * and never twice for the same.
 */
export function stepUpFor(
  server: string,
  grant: Grant,
  challenge: Challenge,
  before: StepUp,
): { readonly recovery: Recovery; readonly next: StepUp } {
  const wanted = splitScopes(challenge.parameters["scope"])
  const all = [...new Set([...grant.scopes, ...wanted])]
  const key = wanted.toSorted().join(" ")
  if (before.asked.includes(key) || before.asked.length >= MOST_STEP_UPS || all.length > MOST_SCOPES) {
    return { recovery: { advice: "denied", diagnosis: oauthScopeRefused({ server, scopes: wanted }) }, next: before }
  }
  const missing = wanted.filter((scope) => !grant.scopes.includes(scope))
  const recovery = {
    advice: "sign-in",
    diagnosis: oauthScopeNeeded({ server, scopes: missing.length > 0 ? missing : wanted, all }),
  } as const
  return { recovery, next: { scopes: wanted, asked: before.asked } }
}

/** @returns the same, once a person has been asked */
export function afterStepUp({ scopes, asked }: StepUp): StepUp {
  return scopes.length === 0 ? { scopes, asked } : { scopes: [], asked: [...asked, scopes.toSorted().join(" ")] }
}
