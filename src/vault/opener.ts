/** Opens the vault as it stands in its file, and remembers what it has opened for as long as the file stays the same. */
import { PosternError } from "../core/diagnosis.ts"
import { fileStamp, readPrivateFile } from "../core/read-file.ts"
import { vaultKeyMissing, vaultNewerFormat } from "./diagnoses.ts"
import { type OpenedVault, type SealedRecord, type VaultFile, unlockVault, parseVault, unsealSecret } from "./format.ts"
import type { KeySource, MasterKey } from "./keys/key-source.ts"

/** An opened vault, from which secrets are unsealed one by one, as they are asked for. */
interface SecretReader {
  find(name: string): SealedRecord | undefined
  unseal(record: SealedRecord): string
}

/** Reads a vault, and remembers what it has opened while the file stays the same. */
export interface VaultOpener {
  /** The file as it stands, parsed and not believed: what needs no key. Undefined if there is none. */
  parse(): Promise<VaultFile | undefined>
  /** The vault as it stands at this moment, read again. */
  open(): Promise<OpenedVault | undefined>
  /** The same; while the file is unchanged, at the cost of one look at its stamp. */
  reader(): Promise<SecretReader | undefined>
  /** The source that has the vault's key; undefined if it is none that this program knows. */
  findSource(file: VaultFile): KeySource | undefined
  /** Remembers the key of a vault that is about to be written, so that nobody is asked for what was just given. */
  learn(file: VaultFile, key: MasterKey): void
}

/** A vault that changes under every look is being written by somebody all the time. */
const MOST_LOOKS = 5

/** @param keys - the sources that this program knows; the vault names the one that is its own */
export function vaultOpener(path: string, keys: readonly KeySource[]): VaultOpener {
  const findSource = (file: VaultFile): KeySource | undefined => keys.find(({ name }) => name === file.key.source)
  const { unlock, learn } = keyMemory(path, findSource)
  let last: { readonly stamp: string; readonly reader: Promise<SecretReader | undefined> } | undefined

  const parse = async (): Promise<VaultFile | undefined> => {
    const bytes = await readPrivateFile(path, { inPrivateFolder: true })
    return bytes && parseVault(path, bytes)
  }
  const open = async (): Promise<OpenedVault | undefined> => {
    const file = await parse()
    return file && unlock(file)
  }
  const readerOf = async (stamp: string): Promise<SecretReader | undefined> => {
    if (last?.stamp !== stamp) last = { stamp, reader: open().then((vault) => vault && secretReader(path, vault)) }
    const { reader: opening } = last
    try {
      return await opening
    } catch (error) {
      // A missing key may be back at the next look, though the vault is the same.
      if (last?.reader === opening) last = undefined
      throw error
    }
  }
  const reader = async (): Promise<SecretReader | undefined> => {
    for (let look = 1; ; look++) {
      // The stamp is older than what is read: a change in between is seen at the next look.
      const stamp = fileStamp(path)
      if (stamp === undefined) return undefined
      try {
        return await readerOf(stamp)
      } catch (error) {
        // Moved to another key between the look at the vault and the look at its key, which is rightly gone.
        if (fileStamp(path) === stamp || look === MOST_LOOKS) throw error
      }
    }
  }
  return { parse, open, reader, findSource, learn }
}

/** A key may cost a question to a person or a slow derivation: it is asked for once, not at each change of the file. */
function keyMemory(
  path: string,
  findSource: (file: VaultFile) => KeySource | undefined,
): Pick<VaultOpener, "learn"> & { unlock(file: VaultFile): Promise<OpenedVault> } {
  // Two: a vault that gets another key is looked at with the old one until the new one is written.
  let known: readonly { readonly of: string; readonly key: MasterKey }[] = []
  const identify = (file: VaultFile): string => JSON.stringify([file.id, file.key])
  const recall = (file: VaultFile): MasterKey | undefined => known.find(({ of }) => of === identify(file))?.key
  const learn = (file: VaultFile, key: MasterKey): void => {
    const of = identify(file)
    known = [{ of, key }, ...known.filter((one) => one.of !== of).slice(0, 1)]
  }

  return {
    learn,
    async unlock(file) {
      const source = findSource(file)
      if (source === undefined) throw new PosternError(vaultNewerFormat({ path, found: `key source ${file.key.source}` }))
      const key = recall(file) ?? (await source.load(file.key.params))
      if (key === undefined) {
        throw new PosternError(vaultKeyMissing({ path, source: source.name, place: source.place, mend: source.mend }))
      }
      const vault = unlockVault(path, file, key, source)
      learn(file, key) // only a key that fits
      return vault
    },
  }
}

function secretReader(path: string, vault: OpenedVault): SecretReader {
  const records = new Map(vault.file.records.map((record) => [record.name, record]))
  const unsealed = new Map<SealedRecord, string>()
  return {
    find: (name) => records.get(name),
    unseal(record) {
      const secret = unsealed.get(record) ?? unsealSecret(path, vault, record)
      unsealed.set(record, secret)
      return secret
    },
  }
}
