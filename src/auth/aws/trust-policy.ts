/**
 * The trust policy of a role: who may assume it. Read as IAM reads it, as far as one caller is concerned, and added to without touching
 * what others have written: `UpdateAssumeRolePolicy` replaces the whole document.
 */
import { type PolicyDocument, type Statement, listOf, matchesPattern, statementsOf } from "./policy-document.ts"
import { type Principal, ssoRolePattern } from "./principal.ts"

/** How the caller asks for the role. */
export interface Asking {
  readonly caller: Principal
  readonly externalId?: string | undefined
  /** Whether a code of an MFA device comes with it; undefined where that is not known. */
  readonly mfa?: boolean | undefined
}

/** What a trust policy says to one caller. */
export type Verdict =
  /** `byAccount`: it trusts the account as a whole, so the caller's own policies must allow sts:AssumeRole too. */
  | { readonly says: "yes"; readonly byAccount: boolean }
  | { readonly says: "deny" }
  /** No statement names the caller. `deleted`: principals whose user or role is gone (they show as AIDA… or AROA…). */
  | { readonly says: "no"; readonly deleted: readonly string[] }
  | { readonly says: "external-id" }
  | { readonly says: "mfa" }
  /** It names the caller, under conditions that cannot be judged from here. */
  | { readonly says: "unknown"; readonly conditions: readonly string[] }

const ASSUME = "sts:AssumeRole"

/** Judges a trust policy for one caller, as far as that can be done without the request's context. */
export function judgeTrust(policy: PolicyDocument, asking: Asking): Verdict {
  const concerned = statementsOf(policy).flatMap((statement) => judgeStatement(statement, asking))
  const denying = concerned.filter(({ effect, obstacles }) => effect === "Deny" && obstacles.length === 0)
  // A deny for whoever comes without a code of an MFA device is mended by one.
  if (denying.length > 0) return { says: denying.every(({ keys }) => keys.length > 0 && keys.every((key) => key === MFA)) ? "mfa" : "deny" }
  const allowing = concerned.filter(({ effect }) => effect === "Allow")
  const free = allowing.filter(({ obstacles }) => obstacles.length === 0)
  if (free.length > 0) return { says: "yes", byAccount: free.every(({ byAccount }) => byAccount) }
  const [nearest] = allowing.toSorted((one, other) => one.obstacles.length - other.obstacles.length)
  if (nearest === undefined) return { says: "no", deleted: deletedPrincipals(policy) }
  const { obstacles } = nearest
  if (obstacles.every((one) => one === EXTERNAL_ID)) return { says: "external-id" }
  if (obstacles.every((one) => one === MFA)) return { says: "mfa" }
  return { says: "unknown", conditions: obstacles }
}

/**
 * Adds a statement that lets the caller assume the role; all others stay as they are, in their order.
 *
 * @returns undefined if the policy lets the caller in already
 */
export function allowCaller(policy: PolicyDocument, asking: Asking): PolicyDocument | undefined {
  if (judgeTrust(policy, asking).says === "yes") return undefined
  const statements = statementsOf(policy)
  const added = trustStatement(asking, newSid(statements))
  return { ...policy, Version: policy.Version ?? "2012-10-17", Statement: [...statements, added] }
}

function trustStatement({ caller, externalId }: Asking, sid: string): Statement {
  const { kind, partition, account, arn } = caller
  const condition = {
    ...(kind === "sso-role" ? { ArnLike: { "aws:PrincipalArn": ssoRolePattern(caller) } } : {}),
    ...(externalId === undefined ? {} : { StringEquals: { "sts:ExternalId": externalId } }),
  }
  return {
    Sid: sid,
    Effect: "Allow",
    Principal: { AWS: kind === "sso-role" ? `arn:${partition}:iam::${account}:root` : arn },
    Action: ASSUME,
    ...(Object.keys(condition).length === 0 ? {} : { Condition: condition }),
  }
}

function newSid(statements: readonly Statement[]): string {
  const taken = new Set(statements.map(({ Sid }) => Sid))
  for (let count = 1; ; count++) if (!taken.has(`Postern${count}`)) return `Postern${count}`
}

interface Judged {
  readonly effect: Statement["Effect"]
  readonly byAccount: boolean
  /** Conditions that do not hold, or that nobody here can judge. */
  readonly obstacles: readonly string[]
  /** All keys that its conditions look at. */
  readonly keys: readonly string[]
}

const EXTERNAL_ID = "sts:ExternalId"
const MFA = "aws:MultiFactorAuthPresent"

/** @returns nothing if the statement does not concern the caller */
function judgeStatement(statement: Statement, asking: Asking): readonly Judged[] {
  const named = naming(statement, asking.caller)
  if (named === undefined || !concernsAssume(statement)) return []
  return [{ effect: statement.Effect, byAccount: named === "account", obstacles: obstaclesOf(statement, asking), keys: keysOf(statement) }]
}

function concernsAssume({ Action: action, NotAction: notAction }: Statement): boolean {
  const isAssume = (pattern: string): boolean => matchesPattern(pattern.toLowerCase(), ASSUME.toLowerCase())
  return notAction === undefined ? listOf(action).some(isAssume) : !listOf(notAction).some(isAssume)
}

/** How a statement names the caller: itself, its account, everybody; or not at all. */
function naming(
  { Principal: principal }: Statement,
  { partition, account, arn, name, kind, session }: Principal,
): "itself" | "account" | undefined {
  if (principal === "*") return "account"
  const named = listOf(principal?.["AWS"])
  const sessionArn = `arn:${partition}:sts::${account}:assumed-role/${name}/${session}`
  // A session does not tell the path of its role, so a path is no reason not to be the same.
  const isRole = (one: string): boolean =>
    kind !== "user" && one.startsWith(`arn:${partition}:iam::${account}:role/`) && one.endsWith(`/${name}`)
  if (named.some((one) => one === arn || isRole(one) || (session !== undefined && one === sessionArn))) return "itself"
  return named.some((one) => one === "*" || one === account || one === `arn:${partition}:iam::${account}:root`) ? "account" : undefined
}

function obstaclesOf({ Condition: conditions = {} }: Statement, asking: Asking): readonly string[] {
  return Object.entries(conditions).flatMap(([operator, keys]) =>
    Object.entries(keys).flatMap(([key, value]) => (holds(operator, key, listOf(value), asking) === true ? [] : [knownKey(key)])),
  )
}

function keysOf({ Condition: conditions = {} }: Statement): readonly string[] {
  return Object.values(conditions).flatMap((keys) => Object.keys(keys).map(knownKey))
}

const knownKey = (key: string): string => [EXTERNAL_ID, MFA].find((known) => known.toLowerCase() === key.toLowerCase()) ?? key

/** @returns undefined where it cannot be judged from here */
function holds(operator: string, key: string, values: readonly string[], { caller, externalId, mfa }: Asking): boolean | undefined {
  const isNegated = /^(?:String|Arn)Not/.test(operator)
  const any = (matches: (value: string) => boolean): boolean => values.some(matches) !== isNegated
  const compare = /Like/.test(operator) || operator.startsWith("Arn") ? matchesPattern : (value: string, text: string) => value === text
  if (!/^(?:String|Arn)(?:Not)?(?:Equals|Like)(?:IfExists)?$|^Bool(?:IfExists)?$/.test(operator)) return undefined
  switch (key.toLowerCase()) {
    case "sts:externalid":
      return externalId === undefined ? isNegated || operator.endsWith("IfExists") : any((value) => compare(value, externalId))
    case "aws:multifactorauthpresent":
      return values[0] === "false" ? mfa !== true : mfa
    case "aws:principalarn":
      return any((value) => compare(value, caller.arn) || (caller.kind !== "user" && compare(withoutPath(value), caller.arn)))
    case "aws:principalaccount":
      return any((value) => compare(value, caller.account))
    default:
      return undefined
  }
}

/** A session does not tell the path of its role: patterns are compared without one. */
function withoutPath(arn: string): string {
  return arn.replace(/^(arn:[^:]*:iam::[^:]*:role\/).*\//, "$1")
}

/** A principal that was deleted stays in the policy as its id, and one of the same name that was made anew is another one. */
function deletedPrincipals(policy: PolicyDocument): readonly string[] {
  return statementsOf(policy)
    .flatMap(({ Principal: principal }) => (typeof principal === "object" ? listOf(principal["AWS"]) : []))
    .filter((one) => /^A(?:IDA|ROA)[A-Z0-9]{8,}$/.test(one))
}
