/** One record of the vault as a thing of its own under the lease: whoever renews it holds up nobody who does anything else. */
import { createHmac, randomBytes } from "node:crypto"
import { type SealedRecord, unsealSecret } from "./format.ts"
import { type LeaseTerms, type Revised, type SharedThing, changeUnderLease } from "./lease.ts"
import { type RecordPlace, checkOrigin, factsOf, findRecord, putSecret } from "./records.ts"
import type { VaultStore } from "./store.ts"
import type { DecideRenewal, KeptSecret } from "./vault.ts"

/** One secret at one moment. Its revision tells what was put there and when, however often the vault is sealed anew; empty: there is none. */
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
  const stateOf = (kept: KeptSecret): PresentSecret => ({ kept, revision: "" }) // it gets its own when it is put there
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
  const key = randomBytes(32) // a revision stands in a diagnosis, and is to tell nobody anything of the secret
  const revisionOf = ({ origin, changedAtMs }: SealedRecord, secret: string): string =>
    createHmac("sha256", key)
      .update(JSON.stringify([origin, changedAtMs, secret]))
      .digest("hex")
      .slice(0, 16)
  return {
    file: path,
    key: place.name,
    async read() {
      const vault = await opener.open()
      const record = vault && findRecord(vault, place.name)
      if (vault === undefined || record === undefined) return { kept: undefined, revision: "" }
      checkOrigin(record, place.origin)
      const secret = unsealSecret(path, vault, record)
      return { kept: { secret, facts: factsOf(record) }, revision: revisionOf(record, secret) }
    },
    async write({ kept }, passFence) {
      return change(async (present) => {
        await passFence()
        const vault = present ?? (await begin())
        if (kept === undefined) return { result: "" }
        const { next, record } = putSecret(vault, place, kept)
        return { next, result: revisionOf(record, kept.secret) }
      })
    },
  }
}
