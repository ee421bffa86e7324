/** The grant that a request is sent with: renewed once it has ended, and beside the messages when it is about to. */
import { monotonicMs } from "../../core/clock.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { MethodTools } from "../tools.ts"
import type { Grant } from "./grant.ts"
import type { KeptGrant } from "./kept-grant.ts"

/** A token that ends within this is renewed before it is sent, in milliseconds; each process adds up to half of it, so that not all come at once. */
const EARLY_MS = 60_000
/** After an early renewal that failed, the token that is still good is used for this long without another try, in milliseconds. */
const PATIENCE_MS = 30_000

/** Reads the grant, so that its token is good now; undefined if nobody has signed in. */
export type ReadGood = (signal: AbortSignal) => Promise<Grant | undefined>

/**
 * @param grantKeeper - of one server in one process
 * @param onUnmended - hears of the token that only a person can mend
 * @returns throws as `renewGrant` where a grant that has ended could not be renewed
 */
export function goodGrant(grantKeeper: () => Promise<KeptGrant>, tools: MethodTools, onUnmended: (token: string) => void): ReadGood {
  const earlyMs = EARLY_MS * (1 + Math.random() / 2)
  /** On a clock that nobody sets. */
  let patientUntilMs = 0

  /** How long a token must still live so as not to be renewed. Of a short life, no more than a quarter is given away. */
  const lifetimeFor = ({ expiresAtMs = Infinity, obtainedAtMs }: Grant): number => Math.min(earlyMs, (expiresAtMs - obtainedAtMs) / 4)

  /** Renews a token that is still good. A failure is no matter: it is good for a while yet. */
  const renewEarly = async (keeper: KeptGrant, grant: Grant): Promise<Grant | undefined> => {
    patientUntilMs = Infinity // one at a time; whoever comes meanwhile uses what is there
    try {
      const renewed = await keeper.renew({ lifetimeMs: lifetimeFor(grant) }, new AbortController().signal)
      patientUntilMs = 0
      return renewed
    } catch {
      patientUntilMs = monotonicMs() + PATIENCE_MS
      return undefined
    }
  }

  const renewEnded = async (keeper: KeptGrant, grant: Grant, signal: AbortSignal): Promise<Grant> => {
    try {
      return await keeper.renew({ lifetimeMs: lifetimeFor(grant) }, signal)
    } catch (error) {
      if (error instanceof PosternError && error.diagnosis.kind === "sign-in") onUnmended(grant.accessToken)
      throw error
    }
  }

  /** If it is about to end it is used, and renewed beside that: a token endpoint may hang. */
  return async (signal) => {
    const keeper = await grantKeeper()
    const grant = await keeper.read()
    if (grant?.expiresAtMs === undefined) return grant
    const leftMs = grant.expiresAtMs - tools.clock.now()
    if (leftMs <= 0) return renewEnded(keeper, grant, signal)
    const isPatient = monotonicMs() < patientUntilMs || grant.refreshToken === undefined || grant.needsSignIn !== undefined
    if (leftMs > lifetimeFor(grant) || isPatient) return grant
    const renewal = renewEarly(keeper, grant)
    // Where nobody waits for it at the end, an exchange would be torn, and the refresh token lost with it.
    if (tools.hold === undefined) return (await renewal) ?? grant
    tools.hold(renewal)
    return grant
  }
}
