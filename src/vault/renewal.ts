/** One record of the vault as a thing of its own under the lease: whoever renews it holds up nobody who does anything else. */
import { unsealSecret } from "./format.ts"
import { type LeaseTerms, type Revised, type SharedThing, changeUnderLease } from "./lease.ts"
import { type RecordPlace, checkOrigin, factsOf, findRecord, putSecret } from "./records.ts"
import type { VaultStore } from "./store.ts"
import type { DecideRenewal, KeptSecret } from "./vault.ts"

/** One secret at one moment. Its revision is the nonce of its record, which is never the same again; empty: there is none. */
interface PresentSecret extends Revised {
  readonly kept: KeptSecret | undefined
}

/** See `Vault.renew`. */
export async function renewSecret<Result>(
  record: SharedThing<PresentSecret>,
  decide: DecideRenewal<Result>,
  terms: LeaseTerms,
  signal: AbortSignal,
): Promise<Result> {
  const stateOf = (kept: KeptSecret): PresentSecret => ({ kept, revision: "" }) // it gets its nonce when it is sealed
  return changeUnderLease(
    record,
    async ({ kept }, keep) => {
      const { next, result } = await decide(kept, (interim) => keep(stateOf(interim)))
      return next === undefined ? { result } : { next: stateOf(next), result }
    },
    terms,
    signal,
  )
}

/** A record as the lease sees it. It is written by a change of the whole file, which has a short lease of its own. */
export function sharedRecord({ path, opener, change, begin }: VaultStore, place: RecordPlace): SharedThing<PresentSecret> {
  return {
    file: path,
    key: place.name,
    async read() {
      const vault = await opener.open()
      const record = vault && findRecord(vault, place.name)
      if (vault === undefined || record === undefined) return { kept: undefined, revision: "" }
      checkOrigin(record, place.origin)
      return { kept: { secret: unsealSecret(path, vault, record), facts: factsOf(record) }, revision: record.nonce }
    },
    async write({ kept }, passFence) {
      return change(async (present) => {
        await passFence()
        const vault = present ?? (await begin())
        if (kept === undefined) return { result: "" }
        const { next, record } = putSecret(vault, place, kept)
        return { next, result: record.nonce }
      })
    },
  }
}
