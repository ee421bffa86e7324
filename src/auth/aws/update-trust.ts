/**
 * Lets one caller assume one role, without shutting anybody else out.
 *
 * Read, merge, show, ask, keep, apply, wait: `UpdateAssumeRolePolicy` replaces the whole document, a wrong one locks others out, and
 * a right one takes a while to reach STS. What is shown is what is applied: if the policy has changed since, nothing is.
 */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { createFileExclusive, ensurePrivateFolder } from "../../core/atomic-file.ts"
import type { Clock } from "../../core/clock.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { roleMissing } from "./assume-diagnoses.ts"
import { type Iam, getRole, updateTrust } from "./iam.ts"
import { type PolicyDocument, parsePolicy } from "./policy-document.ts"
import { type Principal, principalFrom } from "./principal.ts"
import { AwsCallError } from "./query.ts"
import { allowCaller, judgeTrust } from "./trust-policy.ts"
import { awsTrustChanged, awsTrustElsewhere, awsTrustRefused } from "./trust-diagnoses.ts"

/** What is going to be done. */
export interface TrustPlan {
  readonly role: string
  /** Who is let in, as the policy will name it. */
  readonly caller: Principal
  readonly before: PolicyDocument
  /** Absent: the caller is let in already. */
  readonly after?: PolicyDocument
  /** The policy trusts the caller's whole account, or another account's: the caller's own policies must allow it too. */
  readonly needsOwnPolicy: boolean
}

/** What is wanted. */
export interface TrustWish {
  readonly role: string
  /** The ARN of who is let in. */
  readonly caller: string
  /** The ARN of who asks IAM, and changes the policy. */
  readonly asker: string
  readonly externalId?: string | undefined
}

/**
 * @throws {PosternError} `aws-trust-elsewhere`, `aws-role-missing`; `aws-call-failed` if the role may not be read;
 *   `aws-principal-unsuitable`, `aws-policy-unreadable`
 */
export async function planTrust({ role, caller: arn, asker, externalId }: TrustWish, iam: Iam, signal: AbortSignal): Promise<TrustPlan> {
  // IAM is asked by the name alone, and would answer with the asker's own role of that name.
  if (principalFrom(role).account !== asker.split(":")[4]) throw new PosternError(awsTrustElsewhere({ role, asker }))
  const found = await getRole(principalFrom(role).name, iam, signal)
  if (found === undefined) throw new PosternError(roleMissing({ server: "", role, caller: arn, said: "", checked: [], unchecked: [] }))
  const caller = await withPath(principalFrom(arn), principalFrom(role).account, iam, signal)
  const before = parsePolicy(found.trust, role)
  const asking = { caller, externalId, mfa: true }
  const after = allowCaller(before, asking)
  const verdict = judgeTrust(after ?? before, asking)
  const needsOwnPolicy = caller.account !== principalFrom(role).account || (verdict.says === "yes" && verdict.byAccount)
  return { role: found.arn, caller, before, needsOwnPolicy, ...(after === undefined ? {} : { after }) }
}

/** IAM takes the ARN of a role with its path only, and a session does not tell it. */
async function withPath(caller: Principal, account: string, iam: Iam, signal: AbortSignal): Promise<Principal> {
  if (caller.kind !== "role" || caller.account !== account) return caller
  const own = await getRole(caller.name, iam, signal).catch((error: unknown) => {
    if (error instanceof AwsCallError && error.isDenied) return undefined // most roles have no path; IAM says so if this one has
    throw error
  })
  return own === undefined || own.arn === "" ? caller : { ...caller, arn: own.arn }
}

/**
 * Keeps the present policy in a private file.
 *
 * @param folder - is made if it is missing
 * @returns its path
 */
export async function keepBackup({ role, before }: TrustPlan, folder: string, clock: Clock): Promise<string> {
  await ensurePrivateFolder(folder)
  const text = `${JSON.stringify(before, null, 2)}\n`
  const name = principalFrom(role).name.replace(/[^\w-]/g, "_")
  const time = new Date(clock.now()).toISOString().replace(/[:.]/g, "-")
  const path = join(folder, `${name}-${time}-${createHash("sha256").update(text).digest("hex").slice(0, 8)}.json`)
  await createFileExclusive(path, text, { durable: true })
  return path
}

/**
 * Applies a plan.
 *
 * @param asker - who asks IAM, for what is told
 * @throws {PosternError} `aws-trust-changed`, `aws-trust-refused`
 */
export async function applyTrust({ role, before, after }: TrustPlan, asker: string, iam: Iam, signal: AbortSignal): Promise<void> {
  if (after === undefined) return
  const { name } = principalFrom(role)
  const present = await getRole(name, iam, signal)
  if (JSON.stringify(present && parsePolicy(present.trust, role)) !== JSON.stringify(before)) {
    throw new PosternError(awsTrustChanged({ role, again: "run the command again: it shows the policy as it is now" }))
  }
  try {
    await updateTrust(name, JSON.stringify(after), iam, signal)
  } catch (error) {
    if (!(error instanceof AwsCallError)) throw error
    throw new PosternError(awsTrustRefused({ role, code: error.code, said: error.said, asker }), { cause: error })
  }
}

/** First and longest pause between two tries, in milliseconds. */
const PAUSES_MS = [2_000, 4_000, 8_000, 15_000] as const

/**
 * Waits until STS knows the new policy, by trying. Only a denial is waited out, and only so long: a denial has other causes too.
 *
 * @param assume - tries once
 * @param tell - hears how long it has waited, in milliseconds
 * @returns the time it took, in milliseconds; undefined if STS still denies it after `limitMs`
 * @throws what `assume` throws that is no denial
 */
export async function waitForTrust(
  assume: () => Promise<void>,
  { clock, limitMs, tell }: { readonly clock: Clock; readonly limitMs: number; readonly tell: (waitedMs: number) => void },
  signal: AbortSignal,
): Promise<number | undefined> {
  let waitedMs = 0
  for (let tries = 0; ; tries++) {
    try {
      await assume()
      return waitedMs
    } catch (error) {
      if (!(error instanceof AwsCallError && error.isDenied)) throw error
    }
    if (waitedMs >= limitMs) return undefined
    const pauseMs = Math.min(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)] ?? 0, limitMs - waitedMs)
    tell(waitedMs)
    await clock.sleep(pauseMs, signal)
    waitedMs += pauseMs
  }
}
