/** A secret that a command has just stored: where it is, how long it lasts, who can use it. Answered in the same words everywhere. */
import type { VaultEntry, VaultStatus } from "../vault/vault.ts"

/** A secret as it is kept now, for who asks where it is. */
export interface KeptSecret {
  /** The header, the variable, or the parameter of the address that it fills. */
  readonly key: string
  readonly storedIn: string
  readonly fingerprint: string
  /** When it ends, as a date; null: a key has no end that anybody has told us. */
  readonly expiresAt: null
  readonly usableBy: string
}

/** @param status - of the vault that has the entry now */
export function keptSecret(key: string, { name, fingerprint }: VaultEntry, status: VaultStatus): KeptSecret {
  return { key, storedIn: `vault:${name}`, fingerprint, expiresAt: null, usableBy: usableBy(status) }
}

/** Who can use what the vault holds: the third question. */
export function usableBy({ doesNotProtectFrom, keyPlace, noKeychain }: VaultStatus): string {
  const place = noKeychain === undefined ? "" : ` is in ${keyPlace}, since there is no OS keychain here (${noKeychain}), and`
  return `this user account; the vault's key${place} does not protect from ${doesNotProtectFrom.join(", ")}`
}

/** The second and the third answer, as the end of a text that has given the first. */
export function tellLifeAndReach({ usableBy: who }: Pick<KeptSecret, "usableBy">): string {
  return `It has no known end: it lasts until it is rotated or revoked. Usable by ${who}.`
}
