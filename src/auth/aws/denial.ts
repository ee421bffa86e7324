/**
 * Reads the sentence with which AWS denies: who, what, on what, and because of which kind of policy.
 *
 * Its form: "User: ARN is not authorized to perform: ACTION on resource: ARN because no KIND allows the ACTION action", or "… with an
 * explicit deny in a KIND" (IAM user guide, "Troubleshoot access denied error messages").
 */

/** The kinds of policy that AWS names. */
export type PolicyKind =
  | "identity-based policy"
  | "resource-based policy"
  | "session policy"
  | "permissions boundary"
  | "service control policy"
  | "resource control policy"
  | "VPC endpoint policy"

/** What AWS's sentence says. Each text is as AWS wrote it: quote it before it is shown. */
export interface Denial {
  /** An ARN, or `anonymous`. */
  readonly caller: string
  readonly action: string
  readonly resource?: string
  /** Absent where AWS does not say which. */
  readonly policy?: PolicyKind
  /** A policy says Deny, as opposed to none that says Allow. */
  readonly isExplicit: boolean
}

const SENTENCE = /^User: (\S+) is not authorized to perform: ([\w-]+:\w+)(?: on resource: (\S+))?(.*)$/s
const NONE_ALLOWS = /^\s*because no (.+?) allows the /
const EXPLICIT = /^\s*with an explicit deny(?: in an? ([\w -]+?))?(?:[.:(]|$|\s*arn:)/

/** @returns undefined if the text is no such sentence */
export function readDenial(message: string | undefined): Denial | undefined {
  const [whole, caller = "", action = "", resource, rest = ""] = SENTENCE.exec(message ?? "") ?? []
  if (whole === undefined) return undefined
  const explicit = EXPLICIT.exec(rest)
  const policy = policyKind((explicit ?? NONE_ALLOWS.exec(rest))?.[1])
  return {
    caller: /^ann?onymous$/i.test(caller) ? "anonymous" : caller,
    action,
    isExplicit: explicit !== null,
    ...(resource === undefined ? {} : { resource }),
    ...(policy === undefined ? {} : { policy }),
  }
}

const KINDS: readonly PolicyKind[] = [
  "identity-based policy",
  "resource-based policy",
  "session policy",
  "permissions boundary",
  "service control policy",
  "resource control policy",
  "VPC endpoint policy",
]

function policyKind(text: string | undefined): PolicyKind | undefined {
  return KINDS.find((kind) => kind === text)
}
