/** Lets a server go: its entry, and the secrets that nothing else refers to. */
import { unknownServer } from "../config/diagnoses.ts"
import { removeServer, targetsOf } from "../config/edit.ts"
import type { Configuration, Surroundings } from "../config/files.ts"
import type { Server } from "../config/server.ts"
import { references } from "../config/template.ts"
import type { Clock } from "../core/clock.ts"
import { type Diagnosis, PosternError } from "../core/diagnosis.ts"
import { readTextFile } from "../core/read-file.ts"
import type { Vault } from "../vault/vault.ts"
import { grantPrefix, labelOf } from "./oauth/owner.ts"
import type { SignedOut } from "./oauth/sign-out.ts"
import type { AuthTools } from "./tools.ts"

/** What went. */
export interface Dismissed {
  readonly server: string
  readonly file: string
  /** Names of the vault that were removed. */
  readonly removedSecrets: readonly string[]
  /** Names that stay: another entry refers to them, or the entry was not trusted. */
  readonly keptSecrets: readonly string[]
  /** False: nobody has approved its project file as it is, so what the entry says of the vault was left alone. */
  readonly trusted: boolean
  /** Names that nothing refers to any more, and that the vault could not forget. */
  readonly leftSecrets: readonly string[]
  /** Why it could not; absent when it did. */
  readonly failure?: Diagnosis
  /** Sign-ins that were forgotten, and revoked where that was possible. */
  readonly signedOut: readonly SignedOut[]
}

/**
 * Removes one server from its file, then its secrets from the vault: an entry without its secret would be broken, a secret
 * without an entry is only left over.
 *
 * @throws {PosternError} what the file throws; a vault that fails is told in the result, since the entry is gone by then
 */
export async function dismissServer(
  server: Server,
  { configuration, surroundings }: { readonly configuration: Configuration; readonly surroundings: Surroundings },
  tools: AuthTools,
  signal: AbortSignal,
): Promise<Dismissed> {
  const file = await removeEntry(server, surroundings, tools.clock, signal)
  const entry = { server: server.name, file, trusted: server.trusted }
  // What a stranger's project refers to may be the secret, or the sign-in, of a project that is not seen from here.
  if (!server.trusted) return { ...entry, removedSecrets: [], keptSecrets: secretsOf(server), leftSecrets: [], signedOut: [] }

  const others = [...configuration.servers, ...configuration.shadowed].filter((other) => other !== server)
  const elsewhere = new Set(others.flatMap(secretsOf))
  // Entries for other folders are not part of this configuration, but stand in the same file.
  const userFile = (await readTextFile(surroundings.places.config)) ?? ""
  const isStillUsed = (name: string): boolean => elsewhere.has(name) || userFile.includes(`\${vault:${name}}`)

  const leaving = await toldOf(leaveUnlessShared(server, others, tools, signal))
  const keptSecrets = secretsOf(server).filter(isStillUsed)
  const forgotten = await forget(
    secretsOf(server).filter((name) => !isStillUsed(name)),
    tools.vault,
  )
  return { ...entry, keptSecrets, ...leaving, ...forgotten }
}

/** The entry is gone by now, so what keeps a sign-in from being forgotten is told, and ends nothing. */
async function toldOf(leaving: Promise<readonly SignedOut[]>): Promise<Pick<Dismissed, "signedOut" | "failure">> {
  try {
    return { signedOut: await leaving }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    return { signedOut: [], failure: error.diagnosis }
  }
}

/** A sign-in goes with its server, unless another one has the same label. */
async function leaveUnlessShared(
  server: Server,
  others: readonly Server[],
  tools: AuthTools,
  signal: AbortSignal,
): Promise<readonly SignedOut[]> {
  if (server.transport === "stdio") return []
  const label = labelOf(server)
  const isShared = others.some((other) => other.transport !== "stdio" && labelOf(other) === label)
  const hasSome = (await tools.vault.list()).some(({ name }) => name.startsWith(grantPrefix(label)))
  if (isShared || !hasSome) return []
  const { leave } = await import("./oauth/leave.ts")
  return leave(server, undefined, tools, signal)
}

async function removeEntry(server: Server, surroundings: Surroundings, clock: Clock, signal: AbortSignal): Promise<string> {
  const { name } = server
  for (const target of await targetsOf(server, surroundings)) if (await removeServer(target, name, clock, signal)) return target.file
  throw new PosternError(unknownServer({ name, near: undefined, known: [] }))
}

async function forget(names: readonly string[], vault: Vault): Promise<Pick<Dismissed, "removedSecrets" | "leftSecrets" | "failure">> {
  const removedSecrets: string[] = []
  for (const [index, name] of names.entries()) {
    try {
      if (await vault.remove(name)) removedSecrets.push(name)
    } catch (error) {
      if (!(error instanceof PosternError)) throw error
      return { removedSecrets, leftSecrets: names.slice(index), failure: error.diagnosis }
    }
  }
  return { removedSecrets, leftSecrets: [] }
}

/** The names of the vault that an entry refers to. */
export function secretsOf(server: Server): readonly string[] {
  const remote = server.transport === "stdio" ? [] : [server.url, ...Object.values(server.headers), server.oauth?.clientSecret ?? ""]
  const templates = server.transport === "stdio" ? Object.values(server.env) : remote
  return [...new Set(templates.flatMap((template) => references(template).secrets))]
}
