/** What was found out about the era of a server, with its date: kept in the memory of the server, so that nothing is asked twice (S24). */
import type { Clock } from "../../core/clock.ts"
import { isObject, parseJson } from "../../core/json.ts"
import type { MemoryStore } from "../memory.ts"
import { type Era, revisionsOf } from "./evidence.ts"

/** A server that speaks both eras needs no verdict. */
export interface Verdict {
  /** The only era that it speaks. */
  readonly era: Era
  /** `sse`: it is of the HTTP+SSE transport, whatever its entry says. */
  readonly transport?: "sse"
  /** Of a modern one: what it speaks. */
  readonly revisions?: readonly string[]
}

/** The memory of one server's era. */
export interface Verdicts {
  /** @returns the verdict, and whether it is still fresh: a legacy server works on silently after it has been upgraded */
  recall(): Promise<(Verdict & { readonly fresh: boolean }) | undefined>
  /** Keeps a verdict, or with none forgets the one that was wrong. */
  keep(verdict: Verdict | undefined): void
}

const KEY = "era"
/** How long nobody looks again, in milliseconds. */
const FRESH_MS = 24 * 60 * 60_000

/** @param store - without one, what is found out lasts as long as this process */
export function verdicts(store: MemoryStore | undefined, clock: Clock): Verdicts {
  let own: string | undefined

  return {
    async recall() {
      const text = store ? (await store.recall())[KEY] : own
      const kept = text === undefined ? undefined : parse(text)
      return kept && { ...kept.verdict, fresh: clock.now() - kept.seenAtMs < FRESH_MS && clock.now() >= kept.seenAtMs }
    },
    keep(verdict) {
      own = verdict && JSON.stringify({ ...verdict, seen: new Date(clock.now()).toISOString() })
      store?.keep(KEY, own)
    },
  }
}

/** The file may have been written by another version, or by hand. */
function parse(text: string): { readonly verdict: Verdict; readonly seenAtMs: number } | undefined {
  const kept = parseJson(text)
  const { era, transport, revisions, seen } = isObject(kept) ? kept : {}
  const seenAtMs = typeof seen === "string" ? Date.parse(seen) : Number.NaN
  if ((era !== "legacy" && era !== "modern") || Number.isNaN(seenAtMs)) return undefined
  return { seenAtMs, verdict: { era, ...(transport === "sse" ? { transport } : {}), revisions: revisionsOf(revisions) } }
}
