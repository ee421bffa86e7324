/**
 * The time as AWS has it. A signature is good for five minutes around it, so the clock of this machine is corrected from the `Date` of
 * an answer that refuses.
 */
import type { Clock } from "../../core/clock.ts"

/** A clock that is set right by AWS's: what one refusal taught it holds for all later requests that go by it. */
export interface ServerTime {
  /** Milliseconds since 1970, by AWS's clock as far as it is known. */
  now(): number
  /**
   * Learns from the `Date` header of a refusal.
   *
   * @param signedAtMs - the time in the signature that was refused. It counts, and not what is known now: of many requests on their way,
   *   the first that is refused corrects the clock, and the others were signed before
   * @returns whether the clock was so far off that this explains the refusal; false where the answer tells no time
   */
  learn(date: string | undefined, signedAtMs: number): boolean
}

/** Short of the five minutes that AWS allows, since the refusal itself took a while, in milliseconds. */
const MOST_SKEW_MS = 4 * 60_000

/** Begins with this machine's own time. */
export function serverTime(clock: Clock): ServerTime {
  let aheadMs = 0
  return {
    now: () => clock.now() + aheadMs,
    learn(date, signedAtMs) {
      const theirsMs = Date.parse(date ?? "")
      const isOff = Math.abs(theirsMs - signedAtMs) > MOST_SKEW_MS // not a number: false
      if (isOff) aheadMs = theirsMs - clock.now()
      return isOff
    },
  }
}
