/**
 * Watches the requests that are on their way: whoever is silent for too long, or is not wanted any more, is ended. One look at all of
 * them now and then costs a call nothing; a timer and an abort listener each do.
 */
import type { ClientRequest } from "node:http"
import { monotonicMs } from "./clock.ts"
import { PosternError } from "./diagnosis.ts"
import type { HttpLimits, OutgoingRequest } from "./http.ts"
import { type Fate, serverSilent } from "./http-failures.ts"
import type { Route } from "./http-route.ts"

interface State {
  readonly fate: Fate
  /** Longest silence, in milliseconds; 0 means none. */
  readonly silenceMs: number
  readonly signal: AbortSignal
  readonly cause: object | undefined
  /** Where it stands in the list. */
  index: number
  /** Bytes in both directions at the last look. */
  bytes: number
  /** When they had changed, on the monotonic clock: a clock that is set does not make a server silent. */
  changedMs: number
}

/** The requests of one HTTP layer, seen at intervals: an end for silence comes up to 5 s late, an abort at once. */
export interface RequestWatch {
  /**
   * Watches a request until it is over.
   *
   * @returns what becomes of it; one whose cause was abandoned is ended at once
   */
  add(request: ClientRequest, route: Route, sent: OutgoingRequest, signal: AbortSignal): Fate
  /** As `Http.abandon`. */
  abandon(cause: object, reason: Error): void
  /** Stops to look. */
  close(): void
}

/** How often one looks, in milliseconds: a quarter of the limit, within bounds. */
const lookEveryMs = (silenceMs: number): number => Math.min(5_000, Math.max(25, silenceMs / 4))

/** @param limits - of the HTTP layer that the requests belong to */
export function watchRequests(limits: HttpLimits): RequestWatch {
  // A plain list, the last one moving into the gap: a Set leaves its outgrown tables behind, and what these still name survives
  // the quick collections (measured: four times the time spent on garbage).
  const watched: State[] = []
  const heard = new WeakSet<AbortSignal>()
  const abandoned = new WeakMap<object, Error>()
  const everyMs = lookEveryMs(limits.silenceMs)
  let looking: NodeJS.Timeout | undefined
  let lookedMs = 0

  // A request that is destroyed tells its end later, so the list does not change under these loops.
  const look = (): void => {
    const nowMs = monotonicMs()
    // A look that comes much too late: it was we who were stopped, and what was said meanwhile has not been read yet.
    const wasStopped = nowMs - lookedMs > everyMs * 2 + 1_000
    lookedMs = nowMs
    for (const state of watched) {
      const { fate, silenceMs } = state
      if (wasStopped) state.changedMs = nowMs
      else if (isSilent(state)) end(fate, new PosternError(serverSilent({ origin: fate.route.origin, silenceMs })))
    }
  }

  const beginToLook = (): NodeJS.Timeout => {
    lookedMs = monotonicMs()
    return setInterval(look, everyMs).unref()
  }

  const hear = (signal: AbortSignal): void => {
    heard.add(signal)
    const endAll = (): void => {
      for (const state of watched) if (state.signal === signal) end(state.fate, signal.reason)
    }
    signal.addEventListener("abort", endAll, { once: true })
  }

  const remove = (state: State): void => {
    const last = watched.pop()
    if (last === undefined || last === state) return
    watched[state.index] = last
    last.index = state.index
  }

  return {
    add(request, route, { silenceMs = limits.silenceMs, cause }, signal) {
      const fate: Fate = { route, request, reason: undefined }
      const state: State = { fate, silenceMs, signal, cause, index: watched.length, bytes: 0, changedMs: monotonicMs() }
      watched.push(state)
      if (!heard.has(signal)) hear(signal)
      looking ??= beginToLook()
      request.on("close", () => remove(state))
      if (cause && abandoned.has(cause)) end(fate, abandoned.get(cause))
      return fate
    },
    abandon(cause, reason) {
      abandoned.set(cause, reason)
      for (const state of watched) if (state.cause === cause) end(state.fate, reason)
    },
    close: () => clearInterval(looking),
  }
}

function end(fate: Fate, reason: unknown): void {
  fate.reason = reason
  fate.request.destroy()
}

function isSilent(state: State): boolean {
  const { socket } = state.fate.request
  const bytes = socket ? socket.bytesRead + socket.bytesWritten : 0
  const nowMs = monotonicMs()
  if (bytes !== state.bytes) Object.assign(state, { bytes, changedMs: nowMs })
  return state.silenceMs > 0 && nowMs - state.changedMs > state.silenceMs
}
