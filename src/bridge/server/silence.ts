/**
 * Watches requests whose answers share one stream: whoever is not spoken of for too long is given up.
 *
 * One look at all of them now and then costs a call nothing; a timer for each does.
 */
import { monotonicMs } from "../../core/clock.ts"

/** One that waits to hear something. */
export interface Waiting {
  /** When something was last heard of it, on the monotonic clock: a clock that is set makes nobody silent. */
  heardMs: number
}

/** Watches as long as there is somebody to watch. */
export interface SilenceWatch {
  /** Somebody waits now. */
  begin(): void
  /** Stops to look. */
  close(): void
}

/** Who is watched, and for how long. */
export interface SilenceSettings<One extends Waiting> {
  /** All that wait, at the moment of a look. */
  waiting(): Iterable<One>
  /** Whether it is we who do not listen at the moment: then nobody is silent. */
  isDeaf(): boolean
  /** The longest silence, in milliseconds; 0 means no limit. It is met up to a quarter late. */
  readonly limitMs: number
  onSilent(one: One): void
}

/** Makes the watch; nothing runs before `begin`. */
export function watchSilence<One extends Waiting>({ waiting, isDeaf, limitMs, onSilent }: SilenceSettings<One>): SilenceWatch {
  const everyMs = Math.min(5_000, Math.max(25, limitMs / 4))
  let looking: NodeJS.Timeout | undefined
  let lookedMs = 0

  const close = (): void => {
    clearInterval(looking)
    looking = undefined
  }
  const look = (): void => {
    const nowMs = monotonicMs()
    // A look that comes much too late: it was we who were stopped, and what was said meanwhile has not been read yet.
    const wasStopped = nowMs - lookedMs > everyMs * 2 + 1_000
    const couldHear = !wasStopped && !isDeaf()
    lookedMs = nowMs
    const all = [...waiting()]
    if (all.length === 0) return close()
    for (const one of all) {
      if (!couldHear) one.heardMs = nowMs
      else if (nowMs - one.heardMs > limitMs) onSilent(one)
    }
  }
  return {
    begin() {
      if (limitMs === 0 || looking) return
      lookedMs = monotonicMs()
      looking = setInterval(look, everyMs).unref()
    },
    close,
  }
}
