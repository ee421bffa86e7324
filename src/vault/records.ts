/** The records of an opened vault, one by one: found, put, and told without their secrets. */
import type { Clock } from "../core/clock.ts"
import { PosternError } from "../core/diagnosis.ts"
import { vaultOriginMismatch } from "./diagnoses.ts"
import { keepFacts } from "./facts.ts"
import { type OpenedVault, type SealedRecord, sealSecret, withRecords } from "./format.ts"
import type { KeptSecret, SecretFacts, VaultEntry } from "./vault.ts"

/** @returns undefined if the vault has none of that name */
export function findRecord({ file }: OpenedVault, name: string): SealedRecord | undefined {
  return file.records.find((record) => record.name === name)
}

/** @returns all records but the one of that name */
export function otherRecords({ file }: OpenedVault, name: string): readonly SealedRecord[] {
  return file.records.filter((record) => record.name !== name)
}

/** Where a secret is kept, and when. */
export interface RecordPlace {
  readonly name: string
  readonly origin: string
  readonly clock: Clock
}

/** @returns the vault of the next revision, in which the secret stands at its place, and its record */
export function putSecret(
  vault: OpenedVault,
  { name, origin, clock }: RecordPlace,
  { secret, facts }: KeptSecret,
): { readonly next: OpenedVault; readonly record: SealedRecord } {
  // Half a surrogate pair has no bytes in UTF-8: another secret would come back.
  if (Buffer.from(secret, "utf8").toString("utf8") !== secret) throw new TypeError("secret must be well-formed text")
  const changedAtMs = clock.now()
  const createdAtMs = findRecord(vault, name)?.createdAtMs ?? changedAtMs
  const record = sealSecret(vault, { name, origin, createdAtMs, changedAtMs, ...keepFacts(facts) }, secret)
  return { next: withRecords(vault, [...otherRecords(vault, name), record]), record }
}

/** @returns what stands beside the secret in clear */
export function entryOf(record: SealedRecord): VaultEntry {
  const { name, origin, fingerprint, createdAtMs, changedAtMs } = record
  return { name, origin, fingerprint, createdAtMs, changedAtMs, facts: factsOf(record) }
}

/** @returns the facts; of a plain secret, that it is one */
export function factsOf({ facts }: SealedRecord): SecretFacts {
  return facts ?? { kind: "secret" }
}

/** @throws {PosternError} `vault-origin-mismatch` */
export function checkOrigin({ name, origin }: SealedRecord, asked: string): void {
  if (origin !== asked) throw new PosternError(vaultOriginMismatch({ name, stored: origin, asked }))
}
