/**
 * The identity that signs, kept from its first use to the end of a bridge.
 *
 * One immutable value: signing uses it and nothing else. The files that it comes from are looked at before each request. When they have
 * changed, or the keys are about to end, a new value is made; it signs only after it has passed the pins, and only if it is the same
 * account and role as before, or a person has said that it may be another.
 */
import { orAborted } from "../../core/abort.ts"
import type { Clock } from "../../core/clock.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Environment } from "../../core/places.ts"
import type { AwsCredentials } from "./credentials.ts"
import { awsCredentialsEnded, awsCredentialsFailed, awsIdentityChanged } from "./diagnoses.ts"
import { principalOf } from "./pins.ts"
import type { ServerTime } from "./server-time.ts"
import type { Caller } from "./sts.ts"

/** Who signs. A change makes another value. */
export interface AwsIdentity {
  readonly credentials: AwsCredentials
  /** Where they come from, in words. */
  readonly source: string
  /** Where STS is asked about them, for example `ap-southeast-1`. */
  readonly region: string
  /** The environment, completed by what the profile says of endpoints: AWS is asked about them by it. */
  readonly env: Environment
  /** Whom AWS takes us for; undefined where it could not be asked. Asked at once, and waited for only by who needs to know. */
  readonly caller: Promise<Caller | undefined>
}

/** An identity that signs. */
export interface HeldIdentity extends AwsIdentity {
  /** The same object for as long as the keys are the same account's and role's. */
  readonly holder: object
}

/** Credentials as they were found. */
export interface Found extends Omit<AwsIdentity, "caller"> {
  /** What they hang on, as `Look.basis`. */
  readonly basis: string
  /** How the files were that they depend on, taken before they were read. */
  readonly stamp: string
}

/** What the keeper works with. */
export interface IdentityTools {
  readonly server: string
  /** This machine's: a person confirms by it. */
  readonly clock: Clock
  /** Keys end by it. */
  readonly time: ServerTime
  /** Whether an account or a role is pinned: then nothing is signed before AWS has said whose the keys are. */
  readonly isPinned: boolean
  /** How a person says that another identity may take over. */
  readonly howToConfirm: string
  /** How the files are now that the identity depends on: changes when one of them does. */
  stamp(): string
  /** Resolves the source anew. */
  find(signal: AbortSignal): Promise<Found>
  /** Says that a key was refused as ended or unknown: `find` makes a session anew that has it. */
  refuse(accessKeyId: string): void
  /**
   * Asks AWS whose the keys are, and compares with the pins.
   *
   * @returns undefined where AWS could not be asked; never with a pin, where that is an error
   */
  check(found: Found, signal: AbortSignal): Promise<Caller | undefined>
  /** Whether a person has said, since that time, that these credentials and their caller may take over. */
  isConfirmed(found: Found, caller: Caller, sinceMs: number): Promise<boolean>
  /** Hears of each identity that begins to sign: the first, and one that took over. Keys that were merely renewed are none. */
  onIdentity(identity: AwsIdentity): void
}

/** The identity of one running bridge: renewed in time, and never replaced by another without a person's word. */
export interface IdentityKeeper {
  /**
   * The identity to sign the next request with.
   *
   * @throws {PosternError} `aws-identity-changed`, `aws-credentials-ended`, `aws-credentials-failed`; what `find` and `check` throw. Nothing may be signed then
   */
  current(signal: AbortSignal): Promise<HeldIdentity>
  /** The identity as it was last used. */
  last(): AwsIdentity | undefined
  /** Makes the next request resolve the source again, since this key was refused as ended or unknown; not one that is held no more. */
  forget(accessKeyId: string): void
}

/** Keys are renewed this long before they end, in milliseconds: a request may be on its way for a while. */
const EARLY_MS = 5 * 60_000
/** Renewing them early is tried once in this time at most, in milliseconds: it may fail for a while, and some keys live shorter than that. */
const RETRY_MS = 60_000
/** Below this they are not used any more, in milliseconds. */
const LEAST_MS = 10_000
/** How long resolving and checking may take, a program that prints credentials included, in milliseconds. */
const SETTLE_MS = 90_000

/** How often a request looks again because the files were written while they were read. */
const MOST_ROUNDS = 4
const ALWAYS_WRITTEN = "the files that it depends on are written again each time it is asked"

interface Held extends Found, HeldIdentity {
  /** When it was found, in milliseconds since 1970. */
  readonly sinceMs: number
}

/** Many requests at once share one resolving. */
export function keepIdentity(tools: IdentityTools): IdentityKeeper {
  let held: Held | undefined
  /** An identity that waits for a person's word. */
  let waiting: Held | undefined
  let settling: Promise<void> | undefined
  let forgotten = false
  let triedAtMs = -Infinity

  const leftMs = ({ credentials: { expiresAtMs } }: Found): number => (expiresAtMs ?? Infinity) - tools.time.now()
  const isEarly = (): boolean => tools.clock.now() - triedAtMs < RETRY_MS
  const isGood = (identity: Held | undefined): identity is Held => identity?.stamp === tools.stamp() && leftMs(identity) > LEAST_MS

  const settle = async (): Promise<void> => {
    triedAtMs = tools.clock.now()
    const next = isGood(waiting) ? waiting : await resolve(AbortSignal.timeout(SETTLE_MS)) // not a request's signal: others wait too
    const before = held
    const isHolder = before === undefined || isSame(before.credentials, next.credentials) || (await isSamePrincipal(before, next))
    if (!isHolder && !(await isConfirmed(before, next, tools))) {
      waiting = next
      throw new PosternError(awsIdentityChanged({ ...(await tellChange(before, next)), server: tools.server, next: tools.howToConfirm }))
    }
    held = isHolder && before ? { ...next, holder: before.holder } : next
    if (before === undefined || waiting !== undefined) tools.onIdentity(next)
    waiting = undefined
  }

  const resolve = async (signal: AbortSignal): Promise<Held> => {
    const found = await tools.find(signal)
    if (held !== undefined && isSame(held.credentials, found.credentials)) return { ...held, ...found }
    const caller = tools.check(found, signal)
    if (tools.isPinned) await caller
    return { ...found, caller, sinceMs: tools.clock.now(), holder: {} }
  }

  return {
    async current(signal) {
      for (let rounds = 1; ; rounds++) {
        if (isGood(held) && waiting === undefined && !forgotten && (leftMs(held) > EARLY_MS || isEarly())) return held
        const wasRefused = forgotten // then the present keys are no way out, whatever they say of their end
        forgotten = false
        settling ??= settle().finally(() => (settling = undefined))
        try {
          await orAborted(settling, signal)
        } catch (error) {
          // Renewing failed: the present keys are good as long as they last, and nothing has changed.
          if (!signal.aborted && !wasRefused && waiting === undefined && isGood(held)) return held
          throw error
        }
        if (held === undefined || held.stamp !== tools.stamp()) {
          // The files were written again meanwhile: renewing a session does that once, and a source that always does never settles.
          if (rounds < MOST_ROUNDS) continue
          throw new PosternError(awsCredentialsFailed({ source: held?.source ?? tools.server, reason: ALWAYS_WRITTEN }))
        }
        if (leftMs(held) <= LEAST_MS) throw new PosternError(awsCredentialsEnded(tellEnd(held)))
        return held
      }
    },
    last: () => held,
    forget(accessKeyId) {
      if (accessKeyId !== held?.credentials.accessKeyId) return // a late answer to a former key
      forgotten = true
      tools.refuse(accessKeyId)
    },
  }
}

async function isSamePrincipal(before: Held, next: Held): Promise<boolean> {
  const [one, other] = await Promise.all([before.caller, next.caller])
  // Of one of them AWS could not be asked: they are the same where nothing but the time has changed.
  if (one === undefined || other === undefined) return before.stamp === next.stamp
  return principalOf(one.arn) === principalOf(other.arn)
}

/** Whether a person has said that one identity may take the place of another. */
async function isConfirmed(before: Held, next: Held, tools: IdentityTools): Promise<boolean> {
  const caller = await next.caller
  return caller !== undefined && tools.isConfirmed(next, caller, before.sinceMs)
}

const isSame = (one: AwsCredentials, other: AwsCredentials): boolean =>
  one.accessKeyId === other.accessKeyId && one.secretAccessKey === other.secretAccessKey && one.sessionToken === other.sessionToken

async function tellChange(before: AwsIdentity, now: AwsIdentity): Promise<{ before: string; now: string; source: string }> {
  const told = async ({ caller, source }: AwsIdentity): Promise<string> => {
    const known = await caller
    return known === undefined ? `whoever holds ${source}` : `${known.arn} (account ${known.account})`
  }
  return { before: await told(before), now: await told(now), source: now.source }
}

function tellEnd({ source, credentials }: Found): { source: string; endedAt: string } {
  return { source, endedAt: new Date(credentials.expiresAtMs ?? 0).toISOString() }
}
