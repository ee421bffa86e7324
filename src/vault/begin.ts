/** How a vault gets its key. A vault never stands before its key: that is stored, and read back as another process would, first. */
import { type Diagnosis, PosternError, failedWith, failureOf } from "../core/diagnosis.ts"
import { keychainAbsent, vaultKeyWrong } from "./diagnoses.ts"
import { type OpenedVault, newVault, newVaultId } from "./format.ts"
import type { KeySource } from "./keys/key-source.ts"
import type { VaultOpener } from "./opener.ts"

/** Sources in the order in which a new vault tries them. */
export type KeySources = readonly [KeySource, ...KeySource[]]

/**
 * Makes an empty vault with a new key.
 *
 * @param sources - the next one is tried only where the one before it does not exist here; one that is locked or refuses is told
 */
export async function beginVault(sources: KeySources, opener: VaultOpener): Promise<OpenedVault> {
  const [first, next, ...rest] = sources
  try {
    return await beginWith(first, opener)
  } catch (error) {
    if (!failedWith(error, keychainAbsent) || next === undefined) throw error
    return beginVault([next, ...rest], opener)
  }
}

async function beginWith(source: KeySource, opener: VaultOpener): Promise<OpenedVault> {
  await source.verify()
  const id = newVaultId()
  const { key, params } = await source.create(id)
  const stored = await source.load(params)
  if (!stored?.equals(key)) {
    const fault = "the store does not give back the key that it was given"
    throw new PosternError(vaultKeyWrong({ place: source.place, fault, mend: source.mend }))
  }
  const vault = newVault({ id, source: source.name, params, key })
  opener.learn(vault.file, key)
  return vault
}

/**
 * Which source a new vault would get now. Makes nothing, and asks no person.
 *
 * @returns the source, and what is wrong with it
 */
export async function sourceForNew([first, ...others]: KeySources): Promise<{ readonly source: KeySource; readonly fault?: Diagnosis }> {
  const [next, ...rest] = others
  if (next === undefined) return { source: first }
  const fault = (await failureOf(first.verify()))?.diagnosis
  if (fault?.code === keychainAbsent.code) return sourceForNew([next, ...rest])
  return { source: first, ...(fault ? { fault } : {}) }
}
