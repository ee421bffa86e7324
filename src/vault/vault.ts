/**
 * The contract of the vault: where secrets live. Everything else holds references (`${vault:NAME}`).
 *
 * A secret is bound to the origin it was made for, and is never given out for another one: a changed address must not
 * carry a key to a stranger.
 */
import type { Diagnosis } from "../core/diagnosis.ts"

/** Where the vault's key can come from. */
export const KEY_SOURCE_NAMES = ["keychain", "passphrase", "key-file"] as const
/** One of the sources, by its name in the head of a vault. */
export type KeySourceName = (typeof KEY_SOURCE_NAMES)[number]

/**
 * What a secret is good for, as far as that is known. Kept beside the record in clear, so there is no secret among it.
 *
 * `secret`: typed or pasted by a person; `grant`: a sign-in; `session`: temporary credentials; `client`: a client's registration.
 */
export interface SecretFacts {
  readonly kind: "secret" | "grant" | "session" | "client"
  /** Who is seen by the server. */
  readonly subject?: string
  /** The account or issuer that the subject belongs to. */
  readonly account?: string
  /** The client that it was given to, by its id. */
  readonly client?: string
  /** What it is for, where that is more exact than the origin. */
  readonly resource?: string
  readonly scopes?: readonly string[]
  /** In milliseconds since 1970; absent where no end is known. */
  readonly expiresAtMs?: number
  /** Whether it is renewed without a person. */
  readonly renewable?: boolean
  /** Why it takes a person to make it good again; absent while it is good. */
  readonly needsSignIn?: string
}

/** A secret with its facts. */
export interface KeptSecret {
  readonly secret: string
  readonly facts: SecretFacts
}

/** What is to become of one secret, once its present state is known. */
export interface Renewal<Result> {
  /** What is stored; absent: all is well as it is. */
  readonly next?: KeptSecret
  readonly result: Result
}

/**
 * Decides on one secret.
 *
 * @param present - the secret as it stands now, under the lease
 * @param keep - stores an interim state before something that cannot be done twice: after a crash that is what is found, and that
 *   it was stored shows that the result can be
 */
export type DecideRenewal<Result> = (
  present: KeptSecret | undefined,
  keep: (interim: KeptSecret) => Promise<void>,
) => Promise<Renewal<Result>>

/** How long to wait for another who renews the same secret, and how long a renewal may take at the most, both in milliseconds. */
export interface RenewalTerms {
  readonly waitMs: number
  readonly holdMs: number
}

/** What is known of a secret without opening it. Kept beside the record in clear, authenticated, so that `list` needs no key. */
export interface VaultEntry {
  readonly name: string
  /** `https://host:port` of the server, or `stdio:` and the command line, that this secret may be given to. */
  readonly origin: string
  /**
   * Keyed, so that it says nothing without this vault's key; equal for equal secrets that were written under one key. It stays with
   * its secret when the vault gets another key: an old key, which may be the reason, tells nothing of what is written later.
   */
  readonly fingerprint: string
  /** When the name was first written, in milliseconds since 1970. */
  readonly createdAtMs: number
  /** When the present secret was written: the age of a key. */
  readonly changedAtMs: number
  readonly facts: SecretFacts
}

/** Where the vault is, what opens it, and what that protects from. */
export interface VaultStatus {
  readonly path: string
  readonly exists: boolean
  readonly keySource: string
  readonly keyPlace: string
  readonly protectsFrom: readonly string[]
  readonly doesNotProtectFrom: readonly string[]
  /** What was seen in place of a keychain, where a new vault has none: as long as nothing is stored, and for the object that made it. */
  readonly noKeychain?: string
  /** The key that a new vault gets if the keychain has no keyring to store one in: only the first secret shows that. */
  readonly orElse?: Pick<VaultStatus, "keySource" | "keyPlace">
  readonly entries: readonly VaultEntry[]
  /** Why the vault does not open, for example because its key is missing. The entries are then as they stand in the file, unproven. */
  readonly fault?: Diagnosis
}

/** A vault whose key has another source now. */
export interface VaultMove {
  /** The name of the source before; absent if there was no vault yet. */
  readonly from?: string
  readonly to: string
  /** Whether anything was changed; false: the key came from there already. */
  readonly moved: boolean
  /** Why the old key could not be removed from its place. It opens nothing but old copies of the vault. */
  readonly oldKeyLeft?: Diagnosis
}

/** Secrets on their way to another machine. */
export interface VaultExport {
  /** The text of the file. */
  readonly text: string
  /** What opens it, as a sentence names it: `the passphrase that was typed`. */
  readonly key: string
  readonly names: readonly string[]
}

/** What an import did with each name. */
export interface VaultImport {
  readonly added: readonly string[]
  /** Overwritten, because that was asked for. */
  readonly replaced: readonly string[]
  /** The same secret for the same origin was there already. */
  readonly unchanged: readonly string[]
  /** Not imported: the vault has another secret, or another origin, under that name. */
  readonly kept: readonly string[]
}

/** Where secrets live. All of it fails with a `PosternError` of its own code; a vault that cannot be read is never "no secret". */
export interface Vault {
  /**
   * Reads one secret, as it stands in the file at this moment: a rotated secret is seen by a running bridge.
   *
   * @param name - as in `${vault:NAME}`
   * @param origin - where the secret is about to be sent
   * @returns the secret, or undefined if the vault was read and has none of that name
   * @throws {PosternError} `vault-origin-mismatch` if it was made for another origin; `vault-*` if the vault cannot be read
   */
  read(name: string, origin: string): Promise<string | undefined>
  /**
   * Writes one secret durably, over a former one of that name.
   *
   * @throws {PosternError} `vault-*`; the former vault is then unchanged
   */
  write(name: string, origin: string, secret: string): Promise<VaultEntry>
  /**
   * Writes one secret under a name that no other secret has: `wanted`, or `wanted-2` and so on. Two processes at once get two names.
   *
   * @returns what is known of it, its name first of all
   * @throws {PosternError} `vault-*`; the former vault is then unchanged
   */
  create(wanted: string, origin: string, secret: string): Promise<VaultEntry>
  /**
   * Replaces one secret under its lease: what is read, decided and written is not torn by another process.
   *
   * @param decide - gets the present secret, and returns the new one
   * @throws {PosternError} `vault-no-entry` if there is none of that name
   */
  replace(name: string, origin: string, decide: (present: string) => string): Promise<VaultEntry>
  /**
   * Renews one secret under a lease of its own: whoever renews the same one waits, whoever does anything else with the vault does
   * not. The decision may take an exchange with a server. See `changeUnderLease`.
   *
   * @param signal - ends the wait for the lease; a decision that has begun is always finished and stored
   * @throws {PosternError} `lock-timeout`, `lock-lost`, `vault-*`; what `decide` throws
   */
  renew<Result>(
    record: { readonly name: string; readonly origin: string },
    decide: DecideRenewal<Result>,
    terms: RenewalTerms,
    signal: AbortSignal,
  ): Promise<Result>
  /** @returns whether there was one */
  remove(name: string): Promise<boolean>
  /** Needs no key. */
  list(): Promise<readonly VaultEntry[]>
  /** Never fails because the key is missing or wrong: it says so. */
  status(): Promise<VaultStatus>
  /**
   * Gives the vault a new key from another source. The new key is stored and read back before the vault is written, in one step,
   * and the old one is removed after that: whoever is killed in between leaves a vault that opens. Running bridges
   * go on where they can get the new key: none of them can ask for a passphrase.
   *
   * @param to - the name of the source; where there is no vault yet, an empty one with such a key is made
   * @throws {PosternError} `vault-*`, `keychain-*`; the vault is then as before
   */
  move(to: KeySourceName): Promise<VaultMove>
  /**
   * All plain secrets, sealed with a passphrase of their own, in the format of a vault with a passphrase. Sign-ins and sessions
   * belong to the machine that made them, and stay there.
   *
   * @throws {PosternError} `vault-empty`; `vault-passphrase-needed`
   */
  exportAll(): Promise<VaultExport>
  /**
   * Takes in what `exportAll` gave: names, secrets, origins and times.
   *
   * @param file - the bytes, and the path that they came from, for diagnoses
   * @param options - `replace`: a name that the vault has with another secret is overwritten, and not kept
   * @throws {PosternError} `vault-export-unreadable`; `vault-key-wrong` for a wrong passphrase; `vault-*`
   */
  importAll(file: { readonly path: string; readonly bytes: Buffer }, options: { readonly replace: boolean }): Promise<VaultImport>
}
