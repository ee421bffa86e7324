/** Why a role could not be assumed, each cause with the one step that mends it. */
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { posternCommand, shellWord } from "../../core/shell.ts"

/** What was looked at. */
export interface Seen {
  /** Empty where it was for no server. */
  readonly server: string
  readonly role: string
  readonly caller: string
  readonly said: string
  readonly checked: readonly string[]
  readonly unchecked: readonly string[]
}

const short = (arn: string): string => quote(arn, 160)

function evidence({ role, caller, said, checked, unchecked }: Seen): readonly string[] {
  return [
    `role: ${short(role)}`,
    `caller: ${short(caller)}`,
    ...checked.map((one) => `checked: ${quote(one, 300)}`),
    ...unchecked.map((one) => `not checked: ${quote(one, 300)}`),
    ...(said === "" ? [] : [`STS said: ${quote(said)}`]),
  ]
}

/** The command that lets the caller in. */
function trustCommand({ server, role }: Seen): string {
  return server === "" ? `postern aws trust --role ${shellWord(role)}` : posternCommand("aws trust", server)
}

/** Told of each caller that is neither an IAM user, nor a role, nor a session of one. */
export const callerCannotAssume = defineDiagnosis({
  code: "aws-caller-cannot-assume",
  about: "The caller is the root user of an account, or a federated session. AWS lets neither assume a role, whomever the role trusts.",
  tell: (seen: Seen) => ({
    cause: `${short(seen.caller)} can assume no role: it is neither an IAM user nor a session of a role.`,
    evidence: evidence(seen),
    next: "act as an IAM user or a role: choose another profile",
  }),
})

/** IAM answers GetRole with `NoSuchEntity`. */
export const roleMissing = defineDiagnosis({
  code: "aws-role-missing",
  about: "The role that is to be assumed does not exist in the account that its ARN names.",
  tell: (seen: Seen) => ({
    cause: `There is no role ${short(seen.role)}.`,
    evidence: evidence(seen),
    next: `correct "assumeRole" under "aws" in the server's entry: aws iam list-roles shows what there is`,
  }),
})

/**
 * No statement that allows it names the caller, or STS itself blames a resource-based policy; `deleted` are ids that the policy still
 * names.
 */
export const roleNotTrusting = defineDiagnosis({
  code: "aws-role-not-trusting",
  about:
    "The role exists, and its trust policy does not name the caller. A user or role that was deleted and made anew is another one: the old one shows in the policy as an id that begins with AIDA or AROA.",
  tell: (seen: Seen & { deleted: readonly string[] }) => ({
    cause: `The trust policy of ${short(seen.role)} does not name ${short(seen.caller)}.`,
    evidence: [...evidence(seen), ...(seen.deleted.length === 0 ? [] : [`it names what was deleted: ${quote(seen.deleted.join(", "))}`])],
    next: trustCommand(seen),
  }),
})

/** The statement that comes nearest lacks `sts:ExternalId` only; `given` is whether one was sent. */
export const roleExternalId = defineDiagnosis({
  code: "aws-role-external-id",
  about: "The trust policy lets the caller in with an external id only. It is a text that the role's owner has given.",
  tell: (seen: Seen & { given: boolean }) => ({
    cause: `${short(seen.role)} wants ${seen.given ? "another external id than the one that was given" : "an external id, and none was given"}.`,
    evidence: evidence(seen),
    next: `set "externalId" under "aws" in the server's entry to what the role's owner gave you`,
  }),
})

/** The statement that comes nearest lacks a code of an MFA device only, or all that deny it do so for want of one. */
export const roleMfa = defineDiagnosis({
  code: "aws-role-mfa",
  about: "The role may be assumed with a code of an MFA device only, and none came with the call.",
  tell: (seen: Seen) => ({
    cause: `${short(seen.role)} wants a code of your MFA device.`,
    evidence: evidence(seen),
    next: "make a profile with role_arn, source_profile and mfa_serial, and name it in the entry in place of assumeRole: then a code is asked for",
  }),
})

/** STS says `MultiFactorAuthentication failed`: the one cause of a denial that it has words of its own for. */
export const mfaCodeWrong = defineDiagnosis({
  code: "aws-mfa-code-wrong",
  about: "AWS did not accept the code of the MFA device: mistyped, used before (each is good once), or of another device.",
  kind: "sign-in",
  tell: (seen: Seen) => ({
    cause: `AWS does not accept the code of the MFA device for ${short(seen.role)}.`,
    evidence: evidence(seen),
    next:
      seen.server === ""
        ? "wait for the next code, and run the command again"
        : `wait for the next code, then ${posternCommand("auth", seen.server)}`,
  }),
})

/** A Deny of the trust policy concerns the caller, and its conditions hold; one that only wants a code is `roleMfa`. */
export const roleDenies = defineDiagnosis({
  code: "aws-role-denies",
  about: "The trust policy of the role denies the caller, and that wins over every Allow.",
  tell: (seen: Seen) => ({
    cause: `The trust policy of ${short(seen.role)} denies ${short(seen.caller)}.`,
    evidence: evidence(seen),
    next: "ask whoever owns the role: nothing that is added wins over a deny",
  }),
})

/** IAM's simulation ends in `implicitDeny` where being named in the trust policy is not enough, or STS blames an identity-based policy. */
export const callerMayNotAssume = defineDiagnosis({
  code: "aws-caller-may-not-assume",
  about:
    "The role trusts the caller's account, and the caller's own policies must then allow sts:AssumeRole on it as well. Between two accounts that is always so.",
  tell: (seen: Seen) => ({
    cause: `No policy of ${short(seen.caller)} allows sts:AssumeRole on ${short(seen.role)}.`,
    evidence: evidence(seen),
    next: `ask the account's administrator for this statement: {"Effect":"Allow","Action":"sts:AssumeRole","Resource":"${short(seen.role)}"}`,
  }),
})

/** IAM's simulation of the caller's policies ends in `explicitDeny`. */
export const callerDenied = defineDiagnosis({
  code: "aws-caller-denied",
  about: "A policy of the caller denies sts:AssumeRole on the role, and that wins over every Allow.",
  tell: (seen: Seen) => ({
    cause: `A policy of ${short(seen.caller)} denies sts:AssumeRole on ${short(seen.role)}.`,
    evidence: evidence(seen),
    next: "ask the account's administrator: nothing that is added wins over a deny",
  }),
})

/** IAM's simulation says that the caller's permissions boundary does not allow it. */
export const assumeBoundary = defineDiagnosis({
  code: "aws-assume-boundary",
  about: "The permissions boundary of the caller does not allow sts:AssumeRole, whatever its other policies say.",
  tell: (seen: Seen) => ({
    cause: `The permissions boundary of ${short(seen.caller)} does not allow sts:AssumeRole.`,
    evidence: evidence(seen),
    next: "ask the account's administrator to let the boundary allow it",
  }),
})

/** IAM's simulation says that the organization's policies do not allow it. */
export const assumeOrganization = defineDiagnosis({
  code: "aws-assume-organization",
  about: "A service control policy of the organization does not allow sts:AssumeRole in this account.",
  tell: (seen: Seen) => ({
    cause: `A policy of the organization does not let ${short(seen.caller)} assume roles.`,
    evidence: evidence(seen),
    next: "ask the organization's administrator",
  }),
})

/** Told when neither the trust policy nor the simulation gives a cause; `likely` is what is left, the likeliest first. */
export const assumeDenied = defineDiagnosis({
  code: "aws-assume-denied",
  about:
    "AWS did not let the role be assumed, and what the caller may read does not tell why. The evidence says what was checked, what could not be, and the causes that are left, the likeliest first.",
  tell: (seen: Seen & { likely: readonly string[] }) => ({
    cause: `AWS does not let ${short(seen.caller)} assume ${short(seen.role)}.`,
    evidence: [...evidence(seen), ...seen.likely.map((one) => `left: ${quote(one, 200)}`)],
    next: seen.unchecked.some((one) => one.startsWith("whether the role"))
      ? "ask the role's owner whom it trusts"
      : "try again in a few minutes",
  }),
})
