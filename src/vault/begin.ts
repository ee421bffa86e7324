/** How a vault gets its key. A vault never stands before its key: that is stored, and read back as another process would, first. */
import { type Diagnosis, PosternError, failureOf } from "../core/diagnosis.ts"
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
 * @param passOver - hears of one that does not exist here
 */
export async function beginVault(
  [first, next, ...rest]: KeySources,
  opener: VaultOpener,
  passOver?: (absence: Diagnosis) => void,
): Promise<OpenedVault> {
  try {
    return await beginWith(first, opener)
  } catch (error) {
    if (!(error instanceof PosternError) || next === undefined) throw error
    if (error.diagnosis.code !== keychainAbsent.code) throw new PosternError(orAnother(error.diagnosis, next), { cause: error })
    passOver?.(error.diagnosis)
    return beginVault([next, ...rest], opener, passOver)
  }
}

/** No other source is taken in silence; a person may name one. */
function orAnother(fault: Diagnosis, { name }: KeySource): Diagnosis {
  return { ...fault, next: `${fault.next}; or choose another key: postern vault move --to ${name}` }
}

async function beginWith(source: KeySource, opener: VaultOpener): Promise<OpenedVault> {
  await source.verify()
  const id = newVaultId()
  const { key, params } = await source.create(id)
  const stored = await source.load(params)
  if (!stored?.equals(key)) {
    const fault = "the store does not give back the key that it was given"
    throw new PosternError(vaultKeyWrong({ ...source, fault }))
  }
  const vault = newVault({ id, source: source.name, params, key })
  opener.learn(vault.file, key)
  return vault
}

/** The key that a new vault would get, and what is to be said of it. */
export interface Prospect {
  readonly source: KeySource | undefined
  /** What is wrong with it. */
  readonly fault?: Diagnosis | undefined
  /** Why the one before it does not come into question. */
  readonly absence?: Diagnosis | undefined
  /** What is taken in its place if it turns out not to exist. A keychain without a keyring shows that only when it is to store a key. */
  readonly orElse?: KeySource
}

/** Which source a new vault would get now, as far as that can be seen without making anything and without asking a person. */
export async function sourceForNew([first, next, ...rest]: KeySources): Promise<Prospect> {
  if (next === undefined) return { source: first }
  const fault = (await failureOf(first.verify()))?.diagnosis
  if (fault === undefined) return { source: first, orElse: next }
  if (fault.code !== keychainAbsent.code) return { source: first, fault: orAnother(fault, next) }
  return { absence: fault, ...(await sourceForNew([next, ...rest])) }
}
