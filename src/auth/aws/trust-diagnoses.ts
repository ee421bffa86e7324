/** What is wrong with a policy, a principal or the ARN of an endpoint. */
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { posternCommand, shellWord } from "../../core/shell.ts"

/** No JSON object, or a statement whose `Effect` is neither Allow nor Deny; `found` is the text. */
export const awsPolicyUnreadable = defineDiagnosis({
  code: "aws-policy-unreadable",
  about: "AWS gave a policy that is no JSON object with statements. It is left as it is: what cannot be read cannot be added to.",
  tell: ({ role, found }: { role: string; found: string }) => ({
    cause: `The trust policy of ${quote(role)} is no policy that can be read.`,
    evidence: [`found: ${quote(found)}`, "nothing was changed"],
    next: `aws iam get-role --role-name ${shellWord(role.split("/").at(-1) ?? role)}`,
  }),
})

/** Told of each ARN that is neither an IAM user, nor a role, nor a session of one. */
export const awsPrincipalUnsuitable = defineDiagnosis({
  code: "aws-principal-unsuitable",
  about: "The caller is none that a trust policy can sensibly name: the root user of an account, or a federated session.",
  kind: "usage",
  tell: ({ arn }: { arn: string }) => ({
    cause: `A trust policy cannot name ${quote(arn)}: it is neither an IAM user nor a session of a role.`,
    evidence: ["nothing was changed"],
    next: "act as an IAM user or a role: choose another profile",
  }),
})

/** Told by `postern aws policy`; `example` has the parts of the ARN that are known filled in. */
export const awsResourceUnknown = defineDiagnosis({
  code: "aws-resource-unknown",
  about:
    "The address does not tell the ARN of what stands behind it: the URL of a Lambda function does not hold its name, a custom domain does not hold the id of its API. Give the ARN with --resource.",
  kind: "usage",
  tell: ({ server, service, example }: { server: string; service: string; example: string }) => ({
    cause: `The address of "${server}" does not tell which resource of ${service} stands behind it.`,
    evidence: [`such an ARN looks like ${example}`],
    next: posternCommand("aws policy", server, `--resource ${shellWord(example)}`),
  }),
})

/** The policy is read again right before it is replaced, and is not the one of the plan. */
export const awsTrustChanged = defineDiagnosis({
  code: "aws-trust-changed",
  about: "The trust policy was changed by somebody else between being shown and being replaced. Nothing was written over it.",
  tell: ({ role, again }: { role: string; again: string }) => ({
    cause: `The trust policy of ${quote(role, 160)} has changed since it was shown.`,
    evidence: ["nothing was changed"],
    next: again,
  }),
})

/** The role is not of the account of `asker`, who would change whom it trusts; nothing was asked of IAM. */
export const awsTrustElsewhere = defineDiagnosis({
  code: "aws-trust-elsewhere",
  about:
    "IAM knows the roles of one's own account only, by their name. The role is of another account than the one who would change its trust policy; a role of the same name in their own account is another role, and is not touched.",
  kind: "usage",
  tell: ({ role, asker }: { role: string; asker: string }) => ({
    cause: `The role ${quote(role, 160)} is of another account than ${quote(asker, 160)}, who would change its trust policy.`,
    evidence: ["nothing was changed"],
    next: "run it with a profile of the role's own account: postern aws trust … --admin-profile NAME",
  }),
})

/** By IAM's codes (API reference, UpdateAssumeRolePolicy). */
const NEXT_AFTER_REFUSAL: Readonly<Record<string, string>> = {
  AccessDenied: "run it with the profile of somebody who may: postern aws trust … --admin-profile NAME",
  MalformedPolicyDocument: "take out of the policy what does not exist any more (ids that begin with AIDA or AROA), then run it again",
  LimitExceeded: "the policy is as long as IAM lets it be: take out a statement that nobody needs, or raise the quota, then run it again",
  UnmodifiableEntity: "the role is managed by an AWS service (AWS SSO, for example): change it there, or assume a role of your own",
}

/** IAM refused `UpdateAssumeRolePolicy`; `asker` is who asked it, `code` and `said` are IAM's. */
export const awsTrustRefused = defineDiagnosis({
  code: "aws-trust-refused",
  about:
    "IAM did not take the new trust policy: the one who asks may not change it, or a principal in it does not exist (any more). The role is as it was.",
  tell: ({ role, code, said, asker }: { role: string; code: string; said: string; asker: string }) => ({
    cause: `IAM does not take the new trust policy of ${quote(role, 160)} (${quote(code, 60)}).`,
    evidence: [`asked as ${quote(asker, 160)}`, `it said: ${quote(said)}`, "nothing was changed"],
    next: NEXT_AFTER_REFUSAL[code.replace(/Exception$/, "")] ?? "mend what IAM names, then run it again",
  }),
})
