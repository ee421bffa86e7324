/** Takes a server in: its literal secrets go to the vault, its entry, with references in their place, to a configuration file. */
import { isSensitiveName } from "../config/describe.ts"
import { configInvalid, credentialEmpty, headerInvalid } from "../config/diagnoses.ts"
import { type NewServer, type Target, checkServerName, setServer } from "../config/edit.ts"
import { expandAddress, stdioOrigin } from "../config/expand.ts"
import { headerNameProblem, headerValueProblem, isCredentialHeader, isEmptyCredential } from "../config/header-rules.ts"
import { parseEntry } from "../config/schema.ts"
import type { HttpServer, Server } from "../config/server.ts"
import { references } from "../config/template.ts"
import { PosternError } from "../core/diagnosis.ts"
import type { VaultEntry } from "../vault/vault.ts"
import type { AuthTools } from "./tools.ts"

/** A server as it was taken in. */
export interface Enrolled {
  readonly server: Server
  /** What the vault keeps now, by the header or variable that refers to it. */
  readonly secrets: readonly { readonly key: string; readonly entry: VaultEntry }[]
}

/** A literal secret of an entry. */
interface Literal {
  readonly section: "headers" | "env"
  readonly key: string
  readonly value: string
}

/**
 * Adds a server in one step.
 *
 * A header or variable whose name says that it holds a credential, and whose value is no reference, is stored in the vault, bound
 * to the server's origin; the file holds the reference only. If the file cannot be written, the vault is as before.
 *
 * @param newcomer - the entry as it was given; its secrets may stand in it in clear
 * @returns the server as the file now has it
 * @throws {PosternError} `credential-empty`, `header-invalid`, `server-exists`, and what the vault and the file throw
 */
export async function enrollServer(newcomer: NewServer, target: Target, tools: AuthTools, signal: AbortSignal): Promise<Enrolled> {
  checkServerName(newcomer.name)
  const server = parse(newcomer, target)
  if (server.transport !== "stdio") checkHeaders(server)

  const literals = findLiterals(server)
  for (const { value } of literals) tools.redactor.learn(value)
  const origin = literals.length === 0 ? "" : await originOf(server, tools)
  const secrets: { key: string; entry: VaultEntry; section: Literal["section"] }[] = []
  try {
    for (const { section, key, value } of literals) {
      const name = await freeName(`${newcomer.name}.${key}`, tools)
      secrets.push({ key, section, entry: await tools.vault.write(name, origin, value) })
    }
    const entry = withReferences(newcomer.entry, secrets)
    await setServer(target, { ...newcomer, entry }, tools.clock, signal)
    return { server: parse({ ...newcomer, entry }, target), secrets: secrets.map(({ key, entry: kept }) => ({ key, entry: kept })) }
  } catch (error) {
    for (const { entry } of secrets) await tools.vault.remove(entry.name)
    throw error
  }
}

function parse({ name, entry }: NewServer, { scope, file }: Target): Server {
  const parsed = parseEntry(entry, ["mcpServers", name], { name, scope, file, trusted: true })
  if ("faults" in parsed) throw new PosternError(configInvalid({ file, faults: parsed.faults }))
  return parsed.server
}

/** What can be seen now is told now, and not when the first call fails. */
function checkHeaders({ name, file, headers }: HttpServer): void {
  for (const [header, value] of Object.entries(headers)) {
    const where = { server: name, file, key: `headers.${header}`, header }
    const problem = headerNameProblem(header) ?? headerValueProblem(value)
    if (isEmptyCredential(header, value)) throw new PosternError(credentialEmpty({ ...where, source: "the command line" }))
    if (problem !== undefined) throw new PosternError(headerInvalid({ ...where, problem }))
  }
}

function findLiterals(server: Server): readonly Literal[] {
  const section = server.transport === "stdio" ? "env" : "headers"
  const values = server.transport === "stdio" ? server.env : server.headers
  const isSecret = server.transport === "stdio" ? isSensitiveName : isCredentialHeader
  return Object.entries(values).flatMap(([key, value]) => {
    const { variables, secrets } = references(value)
    const isLiteral = value !== "" && variables.length === 0 && secrets.length === 0
    return isLiteral && isSecret(key) ? [{ section, key, value }] : []
  })
}

/** What a server's secrets are bound to. */
export async function originOf(server: Server, { env }: Pick<AuthTools, "env">): Promise<string> {
  if (server.transport === "stdio") return stdioOrigin(server)
  return (await expandAddress(server, { env, readSecret: async () => "a" })).origin // no secret may decide the origin
}

/** A name that no other entry refers to: the same server may be configured in another scope, for another address. */
async function freeName(wanted: string, { vault }: AuthTools): Promise<string> {
  const taken = new Set((await vault.list()).map(({ name }) => name))
  const base = wanted
    .toLowerCase()
    .replace(/[^a-z0-9._-]/g, "-")
    .slice(0, 100)
  let name = base
  for (let count = 2; taken.has(name); count++) name = `${base}-${count}`
  return name
}

function withReferences(
  entry: NewServer["entry"],
  secrets: readonly { key: string; section: Literal["section"]; entry: VaultEntry }[],
): NewServer["entry"] {
  let changed = entry
  for (const { key, section, entry: kept } of secrets) {
    changed = { ...changed, [section]: { ...(changed[section] as object), [key]: `\${vault:${kept.name}}` } } // parsed before: an object
  }
  return changed
}
