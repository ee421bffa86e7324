/** Waiting that can be given up. */
import { setMaxListeners } from "node:events"

/**
 * Waits for a promise, or for the signal, whichever comes first. Leaves no listener behind: a signal may live as long as the
 * process, and thousands of calls may wait on it.
 *
 * @returns what the promise gives
 * @throws the signal's reason, or what the promise throws
 */
export async function orAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  if (signal.aborted) promise.catch(() => undefined) // nobody will hear how it ends
  signal.throwIfAborted()
  let onAbort: (() => void) | undefined
  setMaxListeners(0, signal) // as many wait on it as there are calls: Node.js would warn of a leak, into the host program
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error) // our own reasons are errors
    signal.addEventListener("abort", onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort)
  }
}

/**
 * A controller that aborts with a signal too, until it is disposed of. Whatever listens to its own signal goes with it: the one that is
 * followed may live as long as the process, and be everybody's.
 */
export function following(signal: AbortSignal): AbortController & Disposable {
  const own = new AbortController()
  const follow = (): void => own.abort(signal.reason)
  setMaxListeners(0, signal) // as many follow it as there are bridges
  if (signal.aborted) follow()
  else signal.addEventListener("abort", follow, { once: true })
  return Object.assign(own, { [Symbol.dispose]: () => signal.removeEventListener("abort", follow) })
}

/**
 * A signal that aborts with another one, which its owner holds, or after a time; that it was the time shows in the other one, which has
 * not aborted.
 *
 * Node.js 20 forgets a time-out that only `AbortSignal.any` knows of at the next garbage collection: then the limit never comes. One that
 * somebody listens to is kept.
 */
export function limited(signal: AbortSignal, limitMs: number): AbortSignal {
  const limit = AbortSignal.timeout(limitMs)
  limit.addEventListener("abort", () => undefined, { once: true })
  return AbortSignal.any([signal, limit])
}
