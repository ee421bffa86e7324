/** The vault file as a whole: opened, begun, and changed under its lease. What the verbs of file.ts stand on. */
import { dirname } from "node:path"
import { ensurePrivateFolder, writeFileAtomic } from "../core/atomic-file.ts"
import type { Clock } from "../core/clock.ts"
import type { Diagnosis } from "../core/diagnosis.ts"
import type { Log } from "../core/log.ts"
import { type KeySources, beginVault } from "./begin.ts"
import { type OpenedVault, formatVault } from "./format.ts"
import type { KeySource } from "./keys/key-source.ts"
import { type Revised, type SharedThing, changeUnderLease } from "./lease.ts"
import { type VaultOpener, vaultOpener } from "./opener.ts"

/** Changes the vault under its lease; `decide` gets it as it stands, undefined if there is none, and says what it is to be. */
export type ChangeVault = <Result>(
  decide: (present: OpenedVault | undefined) => Promise<{ readonly next?: OpenedVault; readonly result: Result }>,
) => Promise<Result>

/** The vault in its file. */
export interface VaultStore {
  readonly path: string
  readonly opener: VaultOpener
  /** What comes before any lease: a folder to lie in, and the key, so that others do not wait while a person is asked for it. */
  prepare(): Promise<void>
  readonly change: ChangeVault
  /** Makes the vault in which the first secret is put. Called under the lease. */
  begin(): Promise<OpenedVault>
  /** Why `begin` made no key in the keychain; undefined if it did, or was not called. */
  noKeychain(): Diagnosis | undefined
}

/** Where the vault lies, and which keys may open it. */
export interface StoreOptions {
  readonly path: string
  readonly keys: readonly KeySource[]
  readonly forNew: KeySources
  readonly clock: Clock
  readonly log: Log
}

/** The vault at one moment; revision 0: there is none yet. */
interface Present extends Revised {
  readonly vault: OpenedVault | undefined
}

/** Nothing is opened, made or written until it is used. */
export function openStore({ path, keys, forNew, clock, log }: StoreOptions): VaultStore {
  const opener = vaultOpener(path, keys)
  const file = sharedFile(path, opener, log)
  let absence: Diagnosis | undefined
  const prepare = async (): Promise<void> => {
    await ensurePrivateFolder(dirname(path))
    await opener.reader()
  }

  return {
    path,
    opener,
    prepare,
    begin: () => beginVault(forNew, opener, (why) => (absence = why)),
    noKeychain: () => absence,
    async change(decide) {
      await prepare()
      const decideOnPresent = async ({ vault }: Present) => {
        const { next, result } = await decide(vault)
        return next === undefined ? { result } : { next: presentOf(next), result }
      }
      return changeUnderLease(file, decideOnPresent, { clock, waitMs: 10_000, holdMs: 60_000 })
    },
  }
}

/** The file as the lease sees it: read again, written atomically, past the fence. */
function sharedFile(path: string, opener: VaultOpener, log: Log): SharedThing<Present> {
  return {
    file: path,
    read: async () => presentOf(await opener.open()),
    async write({ vault, revision }, passFence) {
      if (vault === undefined) return revision
      await writeFileAtomic(path, formatVault(vault), { beforeRename: passFence })
      log.info("vault-written", { revision })
      return revision
    },
  }
}

function presentOf(vault: OpenedVault | undefined): Present {
  return { vault, revision: vault?.file.revision ?? 0 }
}
