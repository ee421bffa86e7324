/** A server that wants more scopes than the sign-in has (S51). */
import type { Findable } from "../../config/server-command.ts"
import type { Recovery } from "../method.ts"
import type { Challenge } from "./challenge.ts"
import { oauthScopeNeeded, oauthScopeRefused } from "./diagnoses.ts"
import type { Grant } from "./grant.ts"
import { splitScopes } from "./scopes.ts"

/** Times that one session asks a person for more scopes. */
const MOST_STEP_UPS = 3
/** More than this no page of consent shows, and no address holds. */
const MOST_SCOPES = 100

/**
 * Decides about `insufficient_scope`: a person is asked for the union of what was agreed to and what is missing, a few times at most,
 * and never twice for the same.
 *
 * @param asked - what a person was asked for (`askedFor`), each time: a server that is never content is not asked on for ever
 * @returns the scopes that are missing now, if a person is to be asked
 */
export function stepUpFor(
  server: Findable,
  grant: Grant,
  challenge: Challenge,
  asked: readonly string[],
): { readonly recovery: Recovery; readonly missing?: readonly string[] } {
  const wanted = splitScopes(challenge.parameters["scope"])
  const all = [...new Set([...grant.scopes, ...wanted])]
  const key = askedFor(wanted)
  if (asked.includes(key) || asked.length >= MOST_STEP_UPS || all.length > MOST_SCOPES) {
    return { recovery: { advice: "denied", diagnosis: oauthScopeRefused({ server: server.name, scopes: wanted }) } }
  }
  const missing = wanted.filter((scope) => !grant.scopes.includes(scope))
  const recovery = {
    advice: "sign-in",
    diagnosis: oauthScopeNeeded({ server, scopes: missing.length > 0 ? missing : wanted, all }),
  } as const
  return { recovery, missing: wanted }
}

/** @returns how it is remembered that a person was asked for scopes, in whichever order */
export const askedFor = (scopes: readonly string[]): string => scopes.toSorted().join(" ")
