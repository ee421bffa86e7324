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

/** What is watched of a request. */
interface Watched extends Fate {
  /** Longest silence, in milliseconds; 0 means none. */
  readonly silenceMs: number
  /** Whether that is a limit of its own: the rest of a cut answer has one. */
  readonly resumed: boolean
  readonly signal: AbortSignal
  readonly cause: object | undefined
  /** Where it stands in the list. */
  index: number
  /** Bytes in both directions at the last look. */
  bytes: number
}

/** The requests of one HTTP layer, seen at intervals: an end for silence comes up to a quarter late, and no more than 5 s; an abort at once. */
export interface RequestWatch {
  /**
   * Watches a request until it is removed.
   *
   * @returns what becomes of it; one whose cause was abandoned is ended at once
   */
  add(request: ClientRequest, route: Route, sent: OutgoingRequest, signal: AbortSignal): Watched
  /** It is over. */
  remove(request: Watched): void
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
  const watched: Watched[] = []
  const heard = new WeakSet<AbortSignal>()
  const abandoned = new WeakMap<object, Error>()
  let everyMs = lookEveryMs(limits.silenceMs)
  let looking: NodeJS.Timeout | undefined
  let lookedMs = 0

  // A request that is destroyed tells its end later, so the list does not change under these loops.
  const look = (): void => {
    const nowMs = monotonicMs()
    // A look that comes much too late: it was we who were stopped, and what was said meanwhile has not been read yet.
    const wasStopped = nowMs - lookedMs > everyMs * 2 + 1_000
    lookedMs = nowMs
    for (const state of watched) {
      if (wasStopped) noteLife(state, nowMs)
      else if (isSilent(state)) end(state, new PosternError(serverSilent({ ...state, origin: state.route.origin })))
    }
  }

  const lookEvery = (ms: number): void => {
    clearInterval(looking)
    everyMs = ms
    lookedMs = monotonicMs()
    looking = setInterval(look, ms).unref()
  }

  const hear = (signal: AbortSignal): void => {
    heard.add(signal)
    const endAll = (): void => {
      for (const state of watched) if (state.signal === signal) end(state, signal.reason)
    }
    signal.addEventListener("abort", endAll, { once: true })
  }

  const remove = (state: Watched): void => {
    const last = watched.pop()
    if (last === undefined || last === state) return
    watched[state.index] = last
    last.index = state.index
  }

  return {
    add(request, route, { silenceMs: own, cause }, signal) {
      const silenceMs = own ?? limits.silenceMs
      const state = {
        route,
        request,
        reason: undefined,
        silenceMs,
        resumed: own !== undefined,
        signal,
        cause,
        index: watched.length,
        bytes: 0,
        heardMs: monotonicMs(),
      }
      watched.push(state)
      if (!heard.has(signal)) hear(signal)
      if (!looking) lookEvery(everyMs)
      if (silenceMs > 0 && lookEveryMs(silenceMs) < everyMs) lookEvery(lookEveryMs(silenceMs))
      if (cause && abandoned.has(cause)) end(state, abandoned.get(cause))
      return state
    },
    remove,
    abandon(cause, reason) {
      abandoned.set(cause, reason)
      for (const state of watched) if (state.cause === cause) end(state, reason)
    },
    close: () => clearInterval(looking),
  }
}

function end(fate: Fate, reason: unknown): void {
  fate.reason = reason
  fate.request.destroy()
}

function isSilent(state: Watched): boolean {
  const { socket } = state.request
  const bytes = socket ? socket.bytesRead + socket.bytesWritten : 0
  const nowMs = monotonicMs()
  if (bytes !== state.bytes) noteLife(state, nowMs)
  state.bytes = bytes
  return state.silenceMs > 0 && nowMs - state.heardMs > state.silenceMs
}

function noteLife(fate: Fate, nowMs: number): void {
  fate.heardMs = Math.max(fate.heardMs, nowMs) // while nobody listens it stays infinite
}
