/** Why AWS, knowing the caller, did not let it in: each kind of policy is somebody else's to change. */
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { posternCommand } from "../../core/shell.ts"
import type { Denial } from "./denial.ts"
import { type Seen, quoteShort } from "./refusal-diagnoses.ts"

interface Denied extends Seen {
  readonly denial: Denial | undefined
  readonly subject: string
}

/** The permission that is missing, as AWS named it. */
function what({ server, denial }: Denied): string {
  return denial === undefined ? `"${server}"` : `${quoteShort(denial.action)} at "${server}"`
}

function seenDenial({ evidence, denial }: Denied): readonly string[] {
  if (denial === undefined) return evidence
  return [
    ...evidence,
    `AWS saw ${quote(denial.caller, 160)}`,
    ...(denial.resource === undefined ? [] : [`on ${quote(denial.resource, 200)}`]),
  ]
}

/** Told when AWS denies and names no kind of policy that is known here. */
export const denied = defineDiagnosis({
  code: "aws-denied",
  about:
    "AWS knows the caller and does not let it do this, and does not say which policy decides. The usual cause is that no policy of the caller allows the action; a resource policy, a boundary or the organization can be it as well.",
  tell: (seen: Denied) => ({
    cause: `${seen.subject} may not do ${what(seen)}; AWS does not say which policy decides.`,
    evidence: seenDenial(seen),
    next: posternCommand("aws policy", seen.server),
  }),
})

/** AWS says `because no identity-based policy allows`. */
export const deniedIdentity = defineDiagnosis({
  code: "aws-denied-identity",
  about: "No policy of the caller (user or role) allows the action. The credentials are right; the permission is missing.",
  tell: (seen: Denied) => ({
    cause: `No policy of ${seen.subject} allows ${what(seen)}.`,
    evidence: seenDenial(seen),
    next: posternCommand("aws policy", seen.server),
  }),
})

/** AWS says `because no resource-based policy allows`. */
export const deniedResource = defineDiagnosis({
  code: "aws-denied-resource",
  about: "The endpoint's own resource policy does not let the caller in. Who owns the endpoint must name the caller there.",
  tell: (seen: Denied) => ({
    cause: `The resource policy of the endpoint does not let ${seen.subject} do ${what(seen)}.`,
    evidence: seenDenial(seen),
    next: `ask the endpoint's owner to name ${seen.subject} in its resource policy`,
  }),
})

/** AWS names `anonymous` (it also spells it `annonymous`) as the user; comes before all other kinds of denial. */
export const deniedAnonymous = defineDiagnosis({
  code: "aws-denied-anonymous",
  about:
    "AWS saw the caller as anonymous, although the request was signed: the method of the API is not set to IAM authorization, so its resource policy judged a caller without a name; or the request did not come from where the policy allows.",
  tell: (seen: Denied) => ({
    cause: `AWS saw the caller of "${seen.server}" as anonymous: the API's method does not use IAM authorization, and its resource policy lets nobody in from here.`,
    evidence: seenDenial(seen),
    next: "ask the endpoint's owner for IAM authorization on the method, or about the addresses that its resource policy allows",
  }),
})

/** AWS says `because no session policy allows`. */
export const deniedSession = defineDiagnosis({
  code: "aws-denied-session",
  about: "The session policy that was given with AssumeRole does not allow the action. It only narrows what the role may do.",
  tell: (seen: Denied) => ({
    cause: `The session policy of ${seen.subject} does not allow ${what(seen)}.`,
    evidence: seenDenial(seen),
    next: 'widen or remove "sessionPolicy" under "aws" in the server\'s entry',
  }),
})

/** AWS says `because no permissions boundary allows`. */
export const deniedBoundary = defineDiagnosis({
  code: "aws-denied-boundary",
  about: "A permissions boundary of the caller does not allow the action, whatever its other policies say.",
  tell: (seen: Denied) => ({
    cause: `The permissions boundary of ${seen.subject} does not allow ${what(seen)}.`,
    evidence: seenDenial(seen),
    next: "ask the account's administrator to let the boundary allow the action",
  }),
})

/** AWS says `because no service control policy allows`, or the same of a resource control policy. */
export const deniedOrganization = defineDiagnosis({
  code: "aws-denied-organization",
  about: "A policy of the organization (service control or resource control policy) does not allow the action in this account.",
  tell: (seen: Denied) => ({
    cause: `The ${seen.denial?.policy ?? "organization"} of the organization does not allow ${what(seen)} in this account.`,
    evidence: seenDenial(seen),
    next: "ask the organization's administrator",
  }),
})

/** AWS says `because no VPC endpoint policy allows`. */
export const deniedNetwork = defineDiagnosis({
  code: "aws-denied-network",
  about: "The policy of the VPC endpoint that the request came through does not allow the action.",
  tell: (seen: Denied) => ({
    cause: `The policy of the VPC endpoint does not allow ${what(seen)}.`,
    evidence: seenDenial(seen),
    next: "ask the network's administrator to let the VPC endpoint's policy allow the action",
  }),
})

/** AWS says `with an explicit deny`, whichever kind of policy it is in. */
export const deniedExplicitly = defineDiagnosis({
  code: "aws-denied-explicitly",
  about:
    "A policy says Deny, and that wins over every Allow: adding a permission does not help. AWS names the kind of policy where it may.",
  tell: (seen: Denied) => ({
    cause: `An explicit deny in ${seen.denial?.policy === undefined ? "a policy that AWS does not name" : withArticle(seen.denial.policy)} forbids ${seen.subject} ${what(seen)}.`,
    evidence: seenDenial(seen),
    next: "ask whoever owns that policy: no permission that is added wins over a deny",
  }),
})

function withArticle(policy: string): string {
  return `${/^[aeiou]/.test(policy) ? "an" : "a"} ${policy}`
}
