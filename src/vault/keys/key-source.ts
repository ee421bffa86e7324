/** The contract of a key source: where the one key that opens the vault comes from. One file for each of a kind. */

/** What a source needs to find its key again. Stands in the vault in clear, so it holds no secret: a salt, a cost, an account. */
export type KeyParams = Readonly<Record<string, string | number>>

/** 32 random bytes, or as good as random. All that is encrypted hangs on them. */
export type MasterKey = Buffer

/** One place that a vault's key can come from. */
export interface KeySource {
  /** As it stands in the vault: `key-file`, `keychain`, `passphrase`. */
  readonly name: string
  /** Where the key is, for a person: a path, the name of a store. */
  readonly place: string
  /** The key itself, as a sentence names it, where it lies in no place: `passphrase that was typed`. */
  readonly key?: string
  /** What it opens, if not the vault. */
  readonly opens?: string
  readonly protectsFrom: readonly string[]
  readonly doesNotProtectFrom: readonly string[]
  /** What a person does when the key is missing or is not the right one. */
  readonly mend: string
  /** Whether a new key from the same source is something that a person asks for: another passphrase. */
  readonly isRenewable?: boolean
  /**
   * Tries the source itself, without touching a key: what is locked, absent or read-only is found before a vault depends on it.
   * What a person has to be asked for a new key is asked here, and not while the lease is held.
   *
   * @throws {PosternError} what is wrong with the source; `keychain-absent` alone means that a new vault may have another one
   */
  verify(): Promise<void>
  /**
   * Makes the key of a new vault, or finds the one that an interrupted first write has left. The caller holds the vault's lease.
   *
   * @param vaultId - of the vault that the key is for; no other vault has it
   * @returns the key, stored durably: a vault must never be written before its key
   */
  create(vaultId: string): Promise<{ readonly key: MasterKey; readonly params: KeyParams }>
  /**
   * Finds the key of a vault.
   *
   * @param params - as `create` gave them, from the vault; not yet authenticated, so a cost in them needs a limit
   * @returns undefined if the store can be read and has none
   * @throws {PosternError} if the store cannot be read
   */
  load(params: KeyParams): Promise<MasterKey | undefined>
  /** Forgets the key of a vault that has another one now. A key that is gone already is no failure. */
  remove(params: KeyParams): Promise<void>
}
