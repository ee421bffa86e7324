/** The vault in one encrypted file: its verbs. How it is opened stands in opener.ts, its bytes in format.ts, the rule of changes in lease.ts. */
import { dirname } from "node:path"
import { ensurePrivateFolder, fileStamp, writeFileAtomic } from "../core/atomic-file.ts"
import type { Clock } from "../core/clock.ts"
import { PosternError, failureOf } from "../core/diagnosis.ts"
import { type Log, silentLog } from "../core/log.ts"
import { type KeySources, beginVault, sourceForNew } from "./begin.ts"
import { vaultBadName, vaultEmpty, vaultNoEntry } from "./diagnoses.ts"
import { type OpenedVault, formatVault, unsealSecret, withRecords } from "./format.ts"
import type { KeySource } from "./keys/key-source.ts"
import { type Revised, type SharedThing, changeUnderLease } from "./lease.ts"
import { type ChangeVault, moveVault } from "./move.ts"
import { isName, isOrigin } from "./names.ts"
import { type VaultOpener, vaultOpener } from "./opener.ts"
import { type RecordPlace, checkOrigin, entryOf, factsOf, findRecord, otherRecords, putSecret } from "./records.ts"
import { renewSecret, sharedRecord } from "./renewal.ts"
import { mergeSecrets, openExport, openSecrets, sealExport, withSecrets } from "./transfer.ts"
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

/** The vault at one moment; revision 0: there is none yet. */
interface Present extends Revised {
  readonly vault: OpenedVault | undefined
}

/**
 * The vault of a file.
 *
 * Nothing is opened, made or written until a verb needs it. Vaults of one file, in any number of processes, see each other's
 * changes at once.
 */
export function fileVault({ path, keys, forNew, forExport, clock, log = silentLog }: FileVaultOptions): Vault {
  const opener = vaultOpener(path, keys)
  const file = sharedFile(path, opener, log)
  const begin = (): Promise<OpenedVault> => beginVault(forNew, opener)
  /** What comes before any lease: a folder to lie in, and the key, so that others do not wait while a person is asked for it. */
  const prepare = async (): Promise<void> => {
    await ensurePrivateFolder(dirname(path))
    await opener.reader()
  }
  const change: ChangeVault = async (decide) => {
    await prepare()
    const decideOnPresent = async ({ vault }: Present) => {
      const { next, result } = await decide(vault)
      return next === undefined ? { result } : { next: presentOf(next), result }
    }
    return changeUnderLease(file, decideOnPresent, { clock, waitMs: 10_000, holdMs: 60_000 })
  }
  /** @param chooseName - gets the vault as it is under the lease */
  const store = (chooseName: (vault: OpenedVault) => string, origin: string, secret: string): Promise<VaultEntry> => {
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
      return store(() => name, origin, secret)
    },

    async create(wanted, origin, secret) {
      checkName(wanted)
      return store((vault) => freeName(vault, wanted), origin, secret)
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
      await prepare()
      const record = sharedRecord({ path, opener, change, begin }, { name, origin, clock })
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

    status: () => describe(path, forNew, opener),

    move: (to) => moveVault({ path, keys, opener, change }, to),

    async exportAll() {
      const vault = await opener.open()
      // A sign-in stays where it was made: two machines that renew one refresh token lose it both (RFC 9700 section 4.14.2).
      const secrets = vault ? openSecrets(path, vault).filter(({ head }) => head.facts === undefined) : []
      if (secrets.length === 0) throw new PosternError(vaultEmpty({ path }))
      return { text: await sealExport(secrets, forExport), names: secrets.map(({ head }) => head.name) }
    },

    async importAll({ path: from, bytes }, { replace }) {
      const incoming = await openExport(from, bytes, forExport)
      return change(async (present) => {
        const vault = present ?? (await begin())
        const { secrets, result } = mergeSecrets(openSecrets(path, vault), incoming, replace)
        if (result.added.length + result.replaced.length === 0) return { result }
        return { next: withSecrets(vault, secrets), result }
      })
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

async function describe(path: string, forNew: KeySources, opener: VaultOpener): Promise<VaultStatus> {
  const file = await opener.parse()
  const { source: known, fault } =
    file === undefined
      ? await sourceForNew(forNew)
      : { source: opener.findSource(file), fault: (await failureOf(opener.reader()))?.diagnosis }
  return {
    path,
    exists: file !== undefined,
    keySource: known?.name ?? file?.key.source ?? "unknown",
    keyPlace: known?.place ?? "unknown",
    protectsFrom: known?.protectsFrom ?? [],
    doesNotProtectFrom: known?.doesNotProtectFrom ?? [],
    entries: file?.records.map(entryOf) ?? [],
    ...(fault ? { fault } : {}),
  }
}

function presentOf(vault: OpenedVault | undefined): Present {
  return { vault, revision: vault?.file.revision ?? 0 }
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
