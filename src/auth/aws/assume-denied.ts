/**
 * Why AWS did not let a role be assumed. STS says one sentence for a role that does not exist, a trust policy that does not name the
 * caller, a wrong external id, a missing code, and a permission that the caller lacks. What the caller may read is read, and what
 * could not be checked is said.
 */
import { type Diagnosis, PosternError } from "../../core/diagnosis.ts"
import * as told from "./assume-diagnoses.ts"
import { readDenial } from "./denial.ts"
import { type Iam, type Role, getRole, simulateAssume } from "./iam.ts"
import { parsePolicy } from "./policy-document.ts"
import { type Principal, readPrincipal } from "./principal.ts"
import { type Verdict, judgeTrust } from "./trust-policy.ts"

/** What was tried. */
export interface DeniedAssume {
  /** The server that it was for; empty where there is none. */
  readonly server: string
  /** The ARN of the role. */
  readonly role: string
  /** The ARN of the caller, as GetCallerIdentity tells it. */
  readonly caller: string
  readonly externalId?: string | undefined
  /** Whether a code of an MFA device came with it. */
  readonly mfa: boolean
  /** What STS said. */
  readonly said: string
}

/** The one cause that STS has words of its own for. */
const MFA_CODE_WRONG = /^MultiFactorAuthentication failed/

/** What could be found out, and what not. */
interface Findings {
  readonly role: Role | "missing" | "unreadable"
  readonly verdict?: Verdict
  readonly checked: readonly string[]
  readonly unchecked: readonly string[]
}

/** @returns the cause, as far as the caller's rights allow to find it; asks IAM at most three times, and never fails itself */
export async function explainAssumeDenied(tried: DeniedAssume, iam: Iam, signal: AbortSignal): Promise<Diagnosis> {
  if (MFA_CODE_WRONG.test(tried.said)) return told.mfaCodeWrong({ ...tried, checked: [], unchecked: [] })
  const [role, caller] = [readPrincipal(tried.role), readPrincipal(tried.caller)]
  if (caller === undefined) return told.callerCannotAssume({ ...tried, checked: [], unchecked: [] })
  if (role === undefined) return told.roleMissing({ ...tried, checked: ["this is no ARN of a role"], unchecked: [] })
  const found = await lookAtRole(tried, { role, caller }, iam, signal)
  const seen = {
    server: tried.server,
    role: tried.role,
    caller: tried.caller,
    said: tried.said,
    checked: found.checked,
    unchecked: found.unchecked,
  }
  if (found.role === "missing") return told.roleMissing(seen)
  switch (found.verdict?.says) {
    case "no":
      return told.roleNotTrusting({ ...seen, deleted: found.verdict.deleted })
    case "external-id":
      return told.roleExternalId({ ...seen, given: tried.externalId !== undefined })
    case "mfa":
      return told.roleMfa(seen)
    case "deny":
      return told.roleDenies(seen)
    default:
      return lookAtCaller({ tried, caller, found, seen }, iam, signal)
  }
}

async function lookAtRole(
  tried: DeniedAssume,
  { role, caller }: { readonly role: Principal; readonly caller: Principal },
  iam: Iam,
  signal: AbortSignal,
): Promise<Findings> {
  const unreadable = (why: string): Findings => ({
    role: "unreadable",
    checked: [],
    unchecked: [`whether the role exists and whom it trusts: ${why}`],
  })
  if (role.account !== caller.account) return unreadable(`it belongs to the account ${role.account}, and the caller to ${caller.account}`)
  const found = await quietly(() => getRole(role.name, iam, signal))
  if (found === "unknown") return unreadable("the caller may not read it (iam:GetRole)")
  if (found === undefined) return { role: "missing", checked: ["IAM knows no role of this name"], unchecked: [] }
  const verdict = judgeTrust(parsePolicy(found.trust, tried.role), { caller, externalId: tried.externalId, mfa: tried.mfa })
  return { role: found, verdict, checked: ["the role exists", sayVerdict(verdict)], unchecked: [] }
}

function sayVerdict(verdict: Verdict): string {
  switch (verdict.says) {
    case "yes":
      return verdict.byAccount ? "its trust policy trusts the caller's whole account" : "its trust policy names the caller"
    case "no":
      return "its trust policy does not name the caller"
    case "deny":
      return "its trust policy denies the caller"
    case "external-id":
      return "its trust policy wants another external id"
    case "mfa":
      return "its trust policy wants a code of an MFA device"
    case "unknown":
      return `its trust policy names the caller under conditions that cannot be judged here: ${verdict.conditions.join(", ")}`
  }
}

interface Looking {
  readonly tried: DeniedAssume
  readonly caller: Principal
  readonly found: Findings
  readonly seen: told.Seen
}

/** The trust policy lets the caller in, or could not be read: what do the caller's own policies say? */
async function lookAtCaller({ tried, caller, found, seen }: Looking, iam: Iam, signal: AbortSignal): Promise<Diagnosis> {
  const own = await quietly(async () => simulateAssume(await fullArn(caller, iam, signal), tried.role, iam, signal))
  if (own === "unknown" || own === undefined) {
    const unchecked = [
      ...seen.unchecked,
      "whether the caller's policies allow sts:AssumeRole: the caller may not ask (iam:SimulatePrincipalPolicy)",
    ]
    const policy = readDenial(tried.said)?.policy
    if (policy === "identity-based policy") return told.callerMayNotAssume({ ...seen, unchecked })
    if (policy === "resource-based policy") return told.roleNotTrusting({ ...seen, unchecked, deleted: [] })
    return told.assumeDenied({ ...seen, unchecked: [...unchecked, ORGANIZATION], likely: likelyCauses(found) })
  }
  if (own.deniedBy === "organization")
    return told.assumeOrganization(withCheck(seen, "a service control policy does not allow sts:AssumeRole"))
  if (own.deniedBy === "boundary")
    return told.assumeBoundary(withCheck(seen, "the caller's permissions boundary does not allow sts:AssumeRole"))
  if (own.decision === "explicitDeny") return told.callerDenied(withCheck(seen, "a policy of the caller denies sts:AssumeRole"))
  const needsOwn = found.verdict?.says !== "yes" || found.verdict.byAccount
  if (own.decision === "implicitDeny" && needsOwn) {
    return told.callerMayNotAssume(withCheck(seen, "no policy of the caller allows sts:AssumeRole on this role"))
  }
  const checked = withCheck(seen, "the caller's policies allow sts:AssumeRole")
  return told.assumeDenied({ ...checked, unchecked: [...seen.unchecked, ORGANIZATION], likely: likelyCauses(found) })
}

const ORGANIZATION = "policies of the organization that the simulation does not see"

/** In the order in which they are likely. */
function likelyCauses({ role, verdict }: Findings): readonly string[] {
  if (role === "unreadable")
    return [
      "the role's trust policy does not name the caller",
      "the role does not exist",
      "it wants an external id or a code of an MFA device",
    ]
  if (verdict?.says === "unknown") return [`a condition of the trust policy does not hold: ${verdict.conditions.join(", ")}`]
  return [
    "a change of the trust policy or of the caller's policies has not reached STS yet (up to a few minutes)",
    "a policy of the organization",
  ]
}

/** A session does not tell the path of its role, and IAM wants it. */
async function fullArn(caller: Principal, iam: Iam, signal: AbortSignal): Promise<string> {
  return caller.session === undefined ? caller.arn : ((await getRole(caller.name, iam, signal))?.arn ?? caller.arn)
}

function withCheck(seen: told.Seen, check: string): told.Seen {
  return { ...seen, checked: [...seen.checked, check] }
}

/** What may not be asked, or could not be, is no failure here: it is said. */
async function quietly<Result>(ask: () => Promise<Result>): Promise<Result | "unknown"> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof PosternError) return "unknown"
    throw error
  }
}
