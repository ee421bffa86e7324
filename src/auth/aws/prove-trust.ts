/** Proves that a role can be assumed, by assuming it. The session is thrown away. */
import type { Diagnosis } from "../../core/diagnosis.ts"
import type { AwsAccess } from "./access.ts"
import { explainAssumeDenied } from "./assume-denied.ts"
import { askSts } from "./sts.ts"
import { waitForTrust } from "./update-trust.ts"

/** What is proved, for how long it is tried, and who hears of the waiting (`waitedMs` so far, before each pause). */
export interface Proving {
  readonly access: AwsAccess
  readonly role: string
  readonly externalId: string | undefined
  /** How long a denial is waited out, in milliseconds. */
  readonly limitMs: number
  readonly tell: (waitedMs: number) => void
}

/** The shortest session there is, in seconds. */
const SHORTEST_SESSION = 900

/**
 * @returns how long it took, and why it cannot be assumed after `limitMs`
 * @throws what has nothing to do with a denial: a connection that fails, an ended session
 */
export async function proveTrust(
  { access, role, externalId, limitMs, tell }: Proving,
  signal: AbortSignal,
): Promise<{ readonly waitedMs: number | null; readonly problem?: Diagnosis }> {
  const { source, tools, door, callerOf } = access
  const own = await source.findOwn(signal)
  const parameters = {
    Action: "AssumeRole",
    RoleArn: role,
    RoleSessionName: "postern-trust",
    DurationSeconds: String(SHORTEST_SESSION),
    ...(externalId === undefined ? {} : { ExternalId: externalId }),
  }
  const assume = async (): Promise<void> => {
    await askSts(parameters, own.credentials, { ...tools, region: own.region, env: own.env }, signal)
  }
  const waitedMs = await waitForTrust(assume, { clock: tools.clock, limitMs, tell }, signal)
  if (waitedMs !== undefined) return { waitedMs }
  const { arn } = await callerOf(own, signal)
  const tried = { server: access.server.name, role, caller: arn, externalId, mfa: false, said: "" }
  const iam = { ...tools, env: own.env, keys: own.credentials, partition: door.partition }
  return { waitedMs: null, problem: await explainAssumeDenied(tried, iam, signal) }
}
