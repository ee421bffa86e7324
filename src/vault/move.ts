/**
 * Gives the vault a key from another source, so that it opens whenever the one who does it is killed:
 *
 * 1. The new key is stored and read back. The vault knows nothing of it yet: at worst a key is left that opens nothing.
 * 2. The vault is written, sealed anew under the new key, in one step, under the lease. It names the new source from then on.
 * 3. The old key is removed, once the new vault is durable. At worst it is left, and opens nothing but old copies.
 *
 * Nothing else is told that it happened: a running bridge sees that the file is another one, and finds the new source in it. It
 * goes on if it can get the key from there, which it cannot if that is a passphrase and it has no file of it.
 */
import { failureOf } from "../core/diagnosis.ts"
import { beginVault } from "./begin.ts"
import type { OpenedVault } from "./format.ts"
import type { KeySource } from "./keys/key-source.ts"
import type { VaultStore } from "./store.ts"
import { openSecrets, withSecrets } from "./transfer.ts"
import type { KeySourceName, VaultMove } from "./vault.ts"

type KeyFacts = OpenedVault["file"]["key"]

/** See `Vault.move`. @param keys - the sources that this program knows */
export async function moveVault({ path, opener, change }: VaultStore, keys: readonly KeySource[], to: KeySourceName): Promise<VaultMove> {
  const source = keys.find(({ name }) => name === to)
  if (source === undefined) throw new TypeError(`to must be one of ${keys.map(({ name }) => name).join(", ")}`)
  const isThere = (key: KeyFacts | undefined): boolean => key?.source === to && source.isRenewable !== true

  await opener.reader() // first the old key, then the new one: so a person expects to be asked
  if (!isThere((await opener.parse())?.key)) await source.verify()
  const { old, moved } = await change(async (present) => {
    if (isThere(present?.file.key)) return { result: { old: present?.file.key, moved: false } }
    const next = succeed(await beginVault([source], opener), present)
    return { next: withSecrets(next, present ? openSecrets(path, present) : []), result: { old: present?.file.key, moved: true } }
  })

  const oldKeyLeft = old && old.source !== to ? await failureOf(forget(keys, old)) : undefined
  return { ...(old ? { from: old.source } : {}), to, moved, ...(oldKeyLeft ? { oldKeyLeft: oldKeyLeft.diagnosis } : {}) }
}

/** One history for one file: the revision counts on. */
function succeed({ file, keys }: OpenedVault, present: OpenedVault | undefined): OpenedVault {
  return { file: { ...file, revision: present?.file.revision ?? 0 }, keys }
}

async function forget(keys: readonly KeySource[], { source, params }: KeyFacts): Promise<void> {
  await keys.find(({ name }) => name === source)?.remove(params)
}
