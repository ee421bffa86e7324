/**
 * Watches the requests that are on their way: whoever is silent for too long, takes too long to connect, or is not wanted any
 * more, is ended. One look at all of them now and then costs a call nothing; a timer and an abort listener each do.
 */
import type { ClientRequest } from "node:http"
import { PosternError } from "./diagnosis.ts"
import type { HttpLimits } from "./http.ts"
import { type Fate, serverSilent, serverUnreachable } from "./http-failures.ts"

interface Watched {
  readonly origin: string
  /** Longest silence, in milliseconds; 0 means none. */
  readonly silenceMs: number
  readonly signal: AbortSignal
}

interface State extends Watched {
  readonly request: ClientRequest
  readonly fate: Fate
  /** Bytes in both directions at the last look. */
  bytes: number
  /** When they had changed, on the monotonic clock: a clock that is set does not make a server silent. */
  changedMs: number
}

export interface RequestWatch {
  add(request: ClientRequest, watched: Watched): Fate
}

/** How often one looks, in milliseconds: a quarter of the limit, within bounds. */
const lookEveryMs = (silenceMs: number): number => Math.min(5_000, Math.max(25, silenceMs / 4))

/** @param limits - of the HTTP layer that the requests belong to */
export function watchRequests(limits: HttpLimits): RequestWatch {
  const watched = new Set<State>()
  const bySignal = new WeakMap<AbortSignal, Set<State>>()
  let looking: NodeJS.Timeout | undefined

  const look = (): void => {
    for (const state of watched) if (isSilent(state)) end(state, new PosternError(serverSilent(state)))
  }

  const sharing = (signal: AbortSignal): Set<State> => {
    const known = bySignal.get(signal)
    if (known) return known
    const states = new Set<State>()
    bySignal.set(signal, states)
    signal.addEventListener("abort", () => states.forEach((state) => end(state, signal.reason)), { once: true })
    return states
  }

  return {
    add(request, facts) {
      const state: State = { ...facts, request, fate: { reason: undefined }, bytes: 0, changedMs: performance.now() }
      const states = sharing(facts.signal)
      watched.add(state)
      states.add(state)
      limitConnect(state, limits.connectMs)
      looking ??= setInterval(look, lookEveryMs(limits.silenceMs)).unref()
      request.on("close", () => {
        watched.delete(state)
        states.delete(state)
        if (watched.size > 0) return
        clearInterval(looking)
        looking = undefined
      })
      return state.fate
    },
  }
}

function end({ request, fate }: State, reason: unknown): void {
  fate.reason = reason
  request.destroy()
}

function isSilent(state: State): boolean {
  const { socket } = state.request
  const bytes = socket ? socket.bytesRead + socket.bytesWritten : 0
  const nowMs = performance.now()
  if (bytes !== state.bytes) Object.assign(state, { bytes, changedMs: nowMs })
  return state.silenceMs > 0 && nowMs - state.changedMs > state.silenceMs
}

function limitConnect(state: State, connectMs: number): void {
  state.request.on("socket", (socket) => {
    if (!socket.connecting) return
    const detail = `no connection within ${connectMs / 1000} s`
    const timer = setTimeout(
      () => end(state, new PosternError(serverUnreachable({ origin: state.origin, code: "time limit", detail }))),
      connectMs,
    )
    const clear = (): void => clearTimeout(timer)
    socket.once("connect", clear)
    socket.once("close", clear)
  })
}
