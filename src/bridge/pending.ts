/** The one table of pending requests: it owns each id from its arrival to its single answer. */
import { setMaxListeners } from "node:events"
import type { Frame } from "./frame.ts"

/** Its stream stays open until the client, the server or the bridge ends it (revision 2026-07-28). */
const SUBSCRIPTION = "subscriptions/listen"

/** A request of the client that has no answer yet. */
export interface PendingRequest {
  readonly frame: Frame
  /** True after the client has said that it does not want the answer. */
  readonly cancelled: boolean
  /** Takes the right to answer; true for the first caller only. */
  settle(): boolean
}

/** All requests of the client that have no answer yet. */
export interface PendingTable {
  /** Aborts when all that is pending is given up. */
  readonly signal: AbortSignal
  /** All that are here, with those that the client has cancelled and that still go on. */
  readonly size: number
  /** How many answers the client waits for: not those it has cancelled, nor that of a subscription, which tells its end only. */
  readonly awaited: number
  /** @returns whether a request of that id has no answer yet */
  has(id: string): boolean
  /** @returns undefined if a request of that id is pending already: the second one could not be told from the first */
  open(frame: Frame): PendingRequest | undefined
  /** Notes that the client does not want the answer; one that comes all the same is passed on. */
  cancel(id: string): void
  /** Gives up on all that is pending. */
  giveUp(reason: Error): void
  /** Resolves when no answer is awaited, or the signal aborts. */
  drained(signal: AbortSignal): Promise<void>
}

/** Makes an empty table. */
export function pendingTable(): PendingTable {
  const table = new Map<string, Entry>()
  const given = new AbortController()
  setMaxListeners(0, given.signal) // as many wait on it as there are requests
  let unanswered = 0
  let lasting = 0
  let wake: (() => void) | undefined

  /** Once it is given up, a subscription too gets an answer soon. */
  const awaited = (): number => (given.signal.aborted ? unanswered : unanswered - lasting)

  const count = (entry: Entry, by: 1 | -1): void => {
    unanswered += by
    if (entry.lasting) lasting += by
    if (awaited() === 0) wake?.()
  }

  return {
    signal: given.signal,

    get size() {
      return table.size
    },

    get awaited() {
      return awaited()
    },

    has: (id) => table.has(id),

    open(frame) {
      if (table.has(frame.id)) return undefined
      const entry = { cancelled: false, lasting: frame.method === SUBSCRIPTION }
      table.set(frame.id, entry)
      count(entry, 1)
      return {
        frame,
        get cancelled() {
          return entry.cancelled
        },
        settle() {
          if (table.get(frame.id) !== entry) return false
          table.delete(frame.id)
          if (!entry.cancelled) count(entry, -1)
          return true
        },
      }
    },

    cancel(id) {
      const entry = table.get(id)
      if (!entry || entry.cancelled) return
      entry.cancelled = true
      count(entry, -1)
    },

    giveUp: (reason) => given.abort(reason),

    async drained(signal) {
      if (awaited() === 0 || signal.aborted) return
      await new Promise<void>((resolve) => {
        wake = resolve
        signal.addEventListener("abort", () => resolve(), { once: true })
      })
    },
  }
}

interface Entry {
  cancelled: boolean
  /** A subscription. */
  readonly lasting: boolean
}
