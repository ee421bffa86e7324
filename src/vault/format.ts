/**
 * The vault as bytes: one JSON file, in which everything but the secrets is readable and nothing can be changed unseen.
 *
 * From the one master key come three by HKDF (RFC 5869), salted with the vault's id: one seals the records (AES-256-GCM, each
 * with its own facts as associated data), one authenticates the file as a whole, so that a record that is removed, renamed,
 * swapped or put back from yesterday is seen, and one makes fingerprints. A whole file put back from yesterday is a restored
 * backup, and is not told from one.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto"
import * as v from "valibot"
import { areEqual } from "../core/constant-time.ts"
import { PosternError } from "../core/diagnosis.ts"
import { vaultCorrupt, vaultKeyWrong, vaultNewerFormat } from "./diagnoses.ts"
import { factsSchema, spellFacts } from "./facts.ts"
import type { KeyParams, KeySource, MasterKey } from "./keys/key-source.ts"

const FORMAT = "postern-vault"
/** The keys, and the seals of plain secrets, are as in the first version for ever. */
const FIRST_VERSION = 1
/** Since version 2 a record may have facts. A vault without any is still written as version 1, which an older Postern reads. */
const VERSION = 2

const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const recordSchema = v.strictObject({
  name: v.string(),
  origin: v.string(),
  createdAtMs: time,
  changedAtMs: time,
  fingerprint: v.string(),
  facts: v.exactOptional(factsSchema),
  nonce: v.string(),
  sealed: v.string(),
})
const vaultSchema = v.strictObject({
  format: v.literal(FORMAT),
  version: v.picklist([FIRST_VERSION, VERSION]),
  id: v.string(),
  revision: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  key: v.strictObject({ source: v.string(), params: v.record(v.string(), v.union([v.string(), v.number()])), check: v.string() }),
  records: v.array(recordSchema),
  mac: v.string(),
})

/** The vault as it stands in its file: parsed, not yet believed. */
export type VaultFile = v.InferOutput<typeof vaultSchema>
/** One secret, sealed, with the facts that stand beside it in clear. */
export type SealedRecord = v.InferOutput<typeof recordSchema>
/** What is known of a secret when it is sealed. */
export type RecordHead = Pick<SealedRecord, "name" | "origin" | "createdAtMs" | "changedAtMs" | "facts">

interface VaultKeys {
  readonly records: Buffer
  readonly mac: Buffer
  readonly fingerprint: Buffer
}

/** A vault whose key fits and whose every byte is as it was written. */
export interface OpenedVault {
  readonly file: VaultFile
  readonly keys: VaultKeys
}

/**
 * Parses a vault.
 *
 * @throws {PosternError} `vault-newer-format`; `vault-corrupt` if it is not a vault
 */
export function parseVault(path: string, bytes: Buffer): VaultFile {
  const json = parseJson(path, bytes)
  const version = v.safeParse(v.object({ format: v.literal(FORMAT), version: v.pipe(v.number(), v.integer()) }), json)
  if (!version.success) throw corrupt(path, "it does not begin as a vault of Postern")
  if (version.output.version > VERSION) throw new PosternError(vaultNewerFormat({ path, found: `version ${version.output.version}` }))
  const vault = v.safeParse(vaultSchema, json)
  if (!vault.success) throw corrupt(path, `${v.getDotPath(vault.issues[0]) ?? "the file"} is not what it should be`)
  return vault.output
}

/** @returns what is written to the file */
export function formatVault({ file }: OpenedVault): string {
  return `${JSON.stringify(file, undefined, 2)}\n`
}

/** @returns an id that no other vault has */
export function newVaultId(): string {
  return randomBytes(16).toString("hex")
}

/** What a vault is made with. */
export interface VaultOrigin {
  readonly id: string
  /** The name of the key's source. */
  readonly source: string
  readonly params: KeyParams
  readonly key: MasterKey
}

/** A vault with nothing in it, of revision 0: `withRecords` makes the first that can be written. */
export function newVault({ id, source, params, key: master }: VaultOrigin): OpenedVault {
  const key = { source, params, check: checkValue(master, id) }
  return { file: { format: FORMAT, version: FIRST_VERSION, id, revision: 0, key, records: [], mac: "" }, keys: deriveKeys(master, id) }
}

/**
 * Opens a parsed vault with its key.
 *
 * @param source - where the key came from
 * @throws {PosternError} `vault-key-wrong`; `vault-corrupt` if any part of the file is not as it was written
 */
export function unlockVault(path: string, file: VaultFile, key: MasterKey, source: KeySource): OpenedVault {
  if (!areEqual(file.key.check, checkValue(key, file.id))) {
    throw new PosternError(vaultKeyWrong({ ...source, fault: `it is not the one that ${path} was written with` }))
  }
  const keys = deriveKeys(key, file.id)
  if (!areEqual(file.mac, macOf(file, keys))) throw corrupt(path, "its content does not fit its seal")
  return { file, keys }
}

/** @returns the vault of the next revision, with these records and no others */
export function withRecords({ file, keys }: OpenedVault, records: readonly SealedRecord[]): OpenedVault {
  const version = records.some(({ facts }) => facts !== undefined) ? VERSION : FIRST_VERSION
  const next = { ...file, version, revision: file.revision + 1, records: records.toSorted((a, b) => (a.name < b.name ? -1 : 1)) } as const
  return { keys, file: { ...next, mac: macOf(next, keys) } }
}

/** Seals one secret. @param known - the fingerprint that it has already */
export function sealSecret({ file, keys }: OpenedVault, head: RecordHead, secret: string, known?: string): SealedRecord {
  const nonce = randomBytes(12)
  const fingerprint = known ?? createHmac("sha256", keys.fingerprint).update(secret).digest("hex").slice(0, 8)
  const record = { ...head, fingerprint }
  const cipher = createCipheriv("aes-256-gcm", keys.records, nonce)
  cipher.setAAD(boundFacts(file.id, record))
  const sealed = Buffer.concat([cipher.update(secret, "utf8"), cipher.final(), cipher.getAuthTag()])
  return { ...record, nonce: nonce.toString("base64"), sealed: sealed.toString("base64") }
}

/** @throws {PosternError} `vault-corrupt` if the record was not sealed with these facts in this vault */
export function unsealSecret(path: string, { file, keys }: OpenedVault, record: SealedRecord): string {
  const sealed = Buffer.from(record.sealed, "base64")
  try {
    const decipher = createDecipheriv("aes-256-gcm", keys.records, Buffer.from(record.nonce, "base64"), { authTagLength: 16 })
    decipher.setAAD(boundFacts(file.id, record))
    decipher.setAuthTag(sealed.subarray(-16))
    return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString("utf8")
  } catch (error) {
    throw corrupt(path, `the record "${record.name}" does not open`, { cause: error })
  }
}

/** JSON of an array of texts and numbers has one reading: no two sets of facts give the same bytes. */
function boundFacts(id: string, record: Omit<SealedRecord, "nonce" | "sealed">): Buffer {
  const { name, origin, createdAtMs, changedAtMs, fingerprint, facts } = record
  const bound = [FORMAT, FIRST_VERSION, id, name, origin, createdAtMs, changedAtMs, fingerprint, ...spellFacts(facts)]
  return Buffer.from(JSON.stringify(bound))
}

/** Over every member of the file but itself, named one by one: the order in the file says nothing. */
function macOf({ version, id, revision, key, records }: VaultFile, keys: VaultKeys): string {
  const params = Object.entries(key.params).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const content = [
    [FORMAT, version, id, revision, key.source, params, key.check],
    records.map((r) => [r.name, r.origin, r.createdAtMs, r.changedAtMs, r.fingerprint, r.nonce, r.sealed, ...spellFacts(r.facts)]),
  ]
  return createHmac("sha256", keys.mac).update(JSON.stringify(content)).digest("base64")
}

function deriveKeys(master: MasterKey, id: string): VaultKeys {
  return { records: derive(master, id, "records"), mac: derive(master, id, "mac"), fingerprint: derive(master, id, "fingerprint") }
}

/** Tells a wrong key from a damaged file, and says nothing of the key. */
function checkValue(master: MasterKey, id: string): string {
  return derive(master, id, "check").toString("base64")
}

function derive(master: MasterKey, id: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", master, id, `${FORMAT} ${FIRST_VERSION} ${purpose}`, 32))
}

function parseJson(path: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"))
  } catch {
    throw corrupt(path, bytes.length === 0 ? "it is empty" : "it is not JSON") // the error of JSON.parse quotes the text
  }
}

function corrupt(path: string, fault: string, options?: ErrorOptions): PosternError {
  return new PosternError(vaultCorrupt({ path, fault }), options)
}
