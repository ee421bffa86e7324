/** Secrets on their way from one vault to another: under a new key, into an export, out of one. */
import { PosternError, failedWith } from "../core/diagnosis.ts"
import { quote } from "../core/redact.ts"
import { exportUnreadable, vaultCorrupt, vaultEmpty, vaultNewerFormat } from "./diagnoses.ts"
import {
  type OpenedVault,
  type RecordHead,
  type VaultFile,
  formatVault,
  newVault,
  newVaultId,
  parseVault,
  sealSecret,
  unlockVault,
  unsealSecret,
  withRecords,
} from "./format.ts"
import type { KeySource } from "./keys/key-source.ts"
import { isName, isOrigin } from "./names.ts"
import type { VaultStore } from "./store.ts"
import type { VaultExport, VaultImport } from "./vault.ts"

/** A secret in clear, with its facts. */
export interface OpenSecret {
  readonly head: RecordHead
  readonly secret: string
  /** What it is known by; absent: it gets one under the key that it is sealed with. */
  readonly fingerprint?: string
}

/** @throws {PosternError} `vault-corrupt` if one does not open */
export function openSecrets(path: string, vault: OpenedVault): readonly OpenSecret[] {
  return vault.file.records.map((record) => {
    const { name, origin, createdAtMs, changedAtMs, facts, fingerprint } = record
    const head = { name, origin, createdAtMs, changedAtMs, ...(facts ? { facts } : {}) }
    return { head, fingerprint, secret: unsealSecret(path, vault, record) }
  })
}

/** A fingerprint belongs to the vault that a secret was stored in, and not to where it goes. */
function openForeign(path: string, vault: OpenedVault): readonly OpenSecret[] {
  return openSecrets(path, vault).map(({ head, secret }) => ({ head, secret }))
}

/** @returns the vault of the next revision, with these secrets and no others */
export function withSecrets(vault: OpenedVault, secrets: readonly OpenSecret[]): OpenedVault {
  return withRecords(
    vault,
    secrets.map(({ head, secret, fingerprint }) => sealSecret(vault, head, secret, fingerprint)),
  )
}

/** See `Vault.exportAll`. @param source - what opens the file */
export async function exportVault({ path, opener }: VaultStore, source: KeySource): Promise<VaultExport> {
  const vault = await opener.open()
  // A sign-in stays where it was made: two machines that renew one refresh token lose it both (RFC 9700 section 4.14.2).
  const secrets = vault ? openForeign(path, vault).filter(({ head }) => head.facts === undefined) : []
  if (secrets.length === 0) throw new PosternError(vaultEmpty({ path }))
  return { text: await sealExport(secrets, source), key: `the ${source.key ?? source.place}`, names: secrets.map(({ head }) => head.name) }
}

/** See `Vault.importAll`. @param source - what opens the file */
export async function importVault(
  { path, change, begin }: VaultStore,
  file: { readonly path: string; readonly bytes: Buffer },
  source: KeySource,
  { replace }: { readonly replace: boolean },
): Promise<VaultImport> {
  const incoming = await openExport(file.path, file.bytes, source)
  return change(async (present) => {
    const vault = present ?? (await begin())
    const { secrets, result } = mergeSecrets(openSecrets(path, vault), incoming, replace)
    if (result.added.length + result.replaced.length === 0) return { result }
    return { next: withSecrets(vault, secrets), result }
  })
}

/** @returns the secrets as a file of their own, opened by what `source` asks for */
async function sealExport(secrets: readonly OpenSecret[], source: KeySource): Promise<string> {
  await source.verify()
  const id = newVaultId()
  const vault = newVault({ id, source: source.name, ...(await source.create(id)) })
  return formatVault(withSecrets(vault, secrets))
}

/** @throws {PosternError} `vault-export-unreadable`; `vault-newer-format`; `vault-key-wrong` for a wrong passphrase */
async function openExport(path: string, bytes: Buffer, source: KeySource): Promise<readonly OpenSecret[]> {
  const fail = (fault: string, options?: ErrorOptions): PosternError => new PosternError(exportUnreadable({ path, fault }), options)
  try {
    const file = parseVault(path, bytes)
    const secrets = openForeign(path, await unlockExport(path, file, source))
    // Whoever made the file knew the passphrase; that does not make its names and origins fit for a terminal.
    for (const { head } of secrets) if (!isName(head.name) || !isOrigin(head.origin)) throw fail(`the name ${quote(head.name, 40)}`)
    if (new Set(secrets.map(({ head }) => head.name)).size < secrets.length) throw fail("a name stands in it twice")
    return secrets
  } catch (error) {
    // The same damage, with other steps to mend it.
    if (!failedWith(error, vaultCorrupt)) throw error
    throw fail(error.diagnosis.cause.replace(`The vault ${path} is damaged: `, "").replace(/\.$/, ""), { cause: error })
  }
}

async function unlockExport(path: string, file: VaultFile, source: KeySource): Promise<OpenedVault> {
  if (file.key.source !== source.name) {
    throw new PosternError(exportUnreadable({ path, fault: `its key comes from a ${file.key.source}, which is not in the file` }))
  }
  const key = await source.load(file.key.params)
  if (key === undefined) throw new PosternError(vaultNewerFormat({ path, found: "an export without a passphrase" }))
  return unlockVault(path, file, key, source)
}

/**
 * Brings two sets of secrets together by name.
 *
 * @param present - what the vault has
 * @param incoming - what is to be taken in
 * @param replace - whether a name that differs is overwritten
 */
function mergeSecrets(
  present: readonly OpenSecret[],
  incoming: readonly OpenSecret[],
  replace: boolean,
): { readonly secrets: readonly OpenSecret[]; readonly result: VaultImport } {
  const merged = new Map(present.map((one) => [one.head.name, one]))
  const result = { added: [] as string[], replaced: [] as string[], unchanged: [] as string[], kept: [] as string[] }
  for (const one of incoming) {
    const { name, origin } = one.head
    const old = merged.get(name)
    const isSame = old?.secret === one.secret && old.head.origin === origin
    const fate = old === undefined ? "added" : isSame ? "unchanged" : replace ? "replaced" : "kept"
    result[fate].push(name)
    if (fate === "added" || fate === "replaced") merged.set(name, one)
  }
  return { secrets: [...merged.values()], result }
}
