/** The vault in one encrypted file: its verbs. How it is opened stands in opener.ts and changed in store.ts, its bytes in format.ts, the rule of changes in lease.ts. */
import type { Clock } from "../core/clock.ts"
import { PosternError, failureOf } from "../core/diagnosis.ts"
import { type Log, silentLog } from "../core/log.ts"
import { fileStamp } from "../core/read-file.ts"
import { type KeySources, type Prospect, sourceForNew } from "./begin.ts"
import { vaultBadName, vaultNoEntry } from "./diagnoses.ts"
import { type OpenedVault, type VaultFile, unsealSecret, withRecords } from "./format.ts"
import type { KeySource } from "./keys/key-source.ts"
import { moveVault } from "./move.ts"
import { isName, isOrigin } from "./names.ts"
import { type RecordPlace, checkOrigin, entryOf, factsOf, findRecord, otherRecords, putSecret } from "./records.ts"
import { renewSecret, sharedRecord } from "./renewal.ts"
import { type VaultStore, openStore } from "./store.ts"
import { exportVault, importVault } from "./transfer.ts"
import type { KeptSecret, Vault, VaultEntry, VaultStatus } from "./vault.ts"

/** Where the vault lies, and which keys may open it. */
export interface FileVaultOptions {
  /** `vault.json`; its folder is made when the first secret is written. */
  readonly path: string
  /** The key sources that this program knows; a vault that is there names its own. */
  readonly keys: readonly KeySource[]
  /** Those of them that a new vault tries, in this order. */
  readonly forNew: KeySources
  /** What seals an export, and opens one. */
  readonly forExport: KeySource
  readonly clock: Clock
  readonly log?: Log
}

/**
 * The vault of a file.
 *
 * Nothing is opened, made or written until a verb needs it. Vaults of one file, in any number of processes, see each other's
 * changes at once.
 */
export function fileVault({ path, keys, forNew, forExport, clock, log = silentLog }: FileVaultOptions): Vault {
  const store = openStore({ path, keys, forNew, clock, log })
  const { opener, change, begin } = store
  /** @param chooseName - gets the vault as it is under the lease */
  const keep = (chooseName: (vault: OpenedVault) => string, origin: string, secret: string): Promise<VaultEntry> => {
    checkOriginText(origin)
    return change(async (present) => {
      const vault = present ?? (await begin())
      const name = chooseName(vault)
      checkName(name)
      return put(vault, { name, origin, clock }, { secret, facts: { kind: "secret" } })
    })
  }
  const noEntry = (name: string): PosternError => new PosternError(vaultNoEntry({ name, path }))

  return {
    async read(name, origin) {
      checkName(name)
      const reader = await opener.reader()
      const record = reader?.find(name)
      if (reader === undefined || record === undefined) return undefined
      checkOrigin(record, origin)
      return reader.unseal(record)
    },

    async write(name, origin, secret) {
      checkName(name)
      return keep(() => name, origin, secret)
    },

    async create(wanted, origin, secret) {
      checkName(wanted)
      return keep((vault) => freeName(vault, wanted), origin, secret)
    },

    async replace(name, origin, decide) {
      checkName(name)
      if (fileStamp(path) === undefined) throw noEntry(name)
      return change(async (vault) => {
        const old = vault && findRecord(vault, name)
        if (vault === undefined || old === undefined) throw noEntry(name)
        checkOrigin(old, origin)
        return put(vault, { name, origin, clock }, { secret: decide(unsealSecret(path, vault, old)), facts: factsOf(old) })
      })
    },

    async renew({ name, origin }, decide, terms, signal) {
      checkName(name)
      checkOriginText(origin)
      await store.prepare()
      const record = sharedRecord(store, { name, origin, clock })
      return renewSecret(record, decide, { ...terms, clock }, signal)
    },

    async remove(name) {
      checkName(name)
      if (fileStamp(path) === undefined) return false
      return change(async (vault) => {
        if (vault === undefined || findRecord(vault, name) === undefined) return { result: false }
        return { next: withRecords(vault, otherRecords(vault, name)), result: true }
      })
    },

    async list() {
      return ((await opener.parse())?.records ?? []).map(entryOf)
    },

    status: () => describe(store, forNew),

    move: (to) => moveVault(store, keys, to),

    exportAll: () => exportVault(store, forExport),

    importAll: (file, options) => importVault(store, file, forExport, options),
  }
}

async function describe(store: VaultStore, forNew: KeySources): Promise<VaultStatus> {
  const file = await store.opener.parse()
  const { source: known, fault, absence, orElse } = file === undefined ? await sourceForNew(forNew) : await presentKey(store, file)
  return {
    path: store.path,
    exists: file !== undefined,
    keySource: known?.name ?? file?.key.source ?? "unknown",
    keyPlace: known?.place ?? "unknown",
    protectsFrom: known?.protectsFrom ?? [],
    doesNotProtectFrom: known?.doesNotProtectFrom ?? [],
    entries: file?.records.map(entryOf) ?? [],
    ...(absence ? { noKeychain: absence.evidence.join("; ") } : {}),
    ...(orElse ? { orElse: { keySource: orElse.name, keyPlace: orElse.place } } : {}),
    ...(fault ? { fault } : {}),
  }
}

/** The same of the key that a vault has. */
async function presentKey({ opener, noKeychain }: VaultStore, file: VaultFile): Promise<Prospect> {
  return { source: opener.findSource(file), fault: (await failureOf(opener.reader()))?.diagnosis, absence: noKeychain() }
}

function put(vault: OpenedVault, place: RecordPlace, kept: KeptSecret): { readonly next: OpenedVault; readonly result: VaultEntry } {
  const { next, record } = putSecret(vault, place, kept)
  return { next, result: entryOf(record) }
}

function freeName(vault: OpenedVault, wanted: string): string {
  let name = wanted
  for (let count = 2; findRecord(vault, name) !== undefined; count++) name = `${wanted}-${count}`
  return name
}

function checkName(name: string): void {
  if (!isName(name)) throw new PosternError(vaultBadName({ name }))
}

function checkOriginText(origin: string): void {
  if (!isOrigin(origin)) throw new TypeError("origin must be a text of at least one character, without control characters")
}
