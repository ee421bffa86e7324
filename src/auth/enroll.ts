/** Takes a server in: its literal secrets go to the vault, its entry, with references in their place, to a configuration file. */
import { configInvalid } from "../config/diagnoses.ts"
import { credentialEmpty, headerInvalid, secretMisplaced, templateInvalid } from "../config/expand-diagnoses.ts"
import { isSensitiveName } from "../config/describe.ts"
import { type NewServer, type Target, checkServerName, setServer } from "../config/edit.ts"
import { expandTlsFiles } from "../config/expand-files.ts"
import { headerNameProblem, headerValueProblem, isEmptyCredential, repeatedHeaderNames } from "../config/header-rules.ts"
import { parseEntry } from "../config/schema.ts"
import type { HttpServer, Server } from "../config/server.ts"
import { parseTemplate } from "../config/template.ts"
import { quote } from "../core/redact.ts"
import { shellWord } from "../core/shell.ts"
import type { VaultEntry } from "../vault/vault.ts"
import { asGiven } from "./as-given.ts"
import { findLiterals, secretParameters } from "./literals.ts"
import { originOf } from "./server-address.ts"
import type { AuthTools } from "./tools.ts"

/** A server to be taken in. */
export interface Newcomer extends NewServer {
  /** Headers or variables that hold a secret whatever they are named: what was typed at a hidden prompt. */
  readonly secretKeys?: readonly string[]
}

/** A server as it was taken in. */
export interface Enrolled {
  readonly server: Server
  /** What the vault keeps now, by the header or variable that refers to it. */
  readonly secrets: readonly { readonly key: string; readonly entry: VaultEntry }[]
}

/**
 * Adds a server in one step.
 *
 * A header, variable or parameter of the address whose name says that it holds a credential, and whose value is no reference, is
 * stored in the vault, bound to the server's origin; the file holds the reference only. If the file cannot be written, the vault
 * is as before.
 *
 * @param newcomer - the entry as it was given; its secrets may stand in it in clear
 * @returns the server as the file now has it
 * @throws {PosternError} `config-invalid`, `credential-empty`, `header-invalid`, `template-invalid` for what was given, as wrong usage;
 *   `aws-endpoint-unknown`, `certificate-unusable`, `server-exists`, and what the vault and the file throw
 */
export async function enrollServer(newcomer: Newcomer, target: Target, tools: AuthTools, signal: AbortSignal): Promise<Enrolled> {
  checkServerName(newcomer.name)
  const server = parse(newcomer, target)
  const literals = findLiterals(server, newcomer.secretKeys)
  if (server.transport !== "stdio") {
    checkHeaders(server)
    if (server.aws !== undefined) await checkFrontDoor(server)
    await checkCertificates(server, tools)
  }
  checkTemplates(server, newcomer.secretKeys)
  checkPlaces(server)
  checkNotEmpty(server)
  for (const { value } of literals) tools.redactor.learn(value)

  const origin = literals.length === 0 ? "" : await originOf(server, tools)
  const secrets: { key: string; entry: VaultEntry }[] = []
  let { entry } = newcomer
  try {
    for (const { key, value, replaceIn } of literals) {
      const kept = await tools.vault.create(secretName(newcomer.name, key), origin, value)
      secrets.push({ key, entry: kept })
      entry = replaceIn(entry, `\${vault:${kept.name}}`)
    }
    await setServer(target, { ...newcomer, entry }, tools.clock, signal)
    return { server: parse({ ...newcomer, entry }, target), secrets }
  } catch (error) {
    for (const { entry: kept } of secrets) await tools.vault.remove(kept.name)
    throw error
  }
}

function parse({ name, entry }: NewServer, { scope, file }: Target): Server {
  const parsed = parseEntry(entry, [name], { name, scope, file, trusted: true })
  if ("server" in parsed) return parsed.server
  const evidence = parsed.faults.map(({ key, found, right }) => `${quote(key)}: found ${quote(found)}, right would be ${right}`)
  throw asGiven(configInvalid({ file, faults: parsed.faults }), { evidence })
}

/** What can be seen now is told now, and not when the first call fails. */
function checkHeaders({ name, file, headers }: HttpServer): void {
  const repeated = repeatedHeaderNames(Object.keys(headers))[0]
  for (const [header, value] of Object.entries(headers)) {
    const where = { server: name, file, key: `headers.${header}`, header }
    const evidence = [`header: ${quote(header)}`]
    if (isEmptyCredential(header, value)) {
      const { next = "", ...diagnosis } = credentialEmpty({ ...where, source: "the command line" })
      throw asGiven(diagnosis, { evidence, next })
    }
    const problem = header === repeated ? "it is given twice" : (headerNameProblem(header) ?? headerValueProblem(value))
    if (problem !== undefined) throw asGiven(headerInvalid({ ...where, problem }), { evidence })
  }
}

/** What to sign for cannot be guessed later either. An address with references is known only when the connection starts. */
async function checkFrontDoor(server: HttpServer): Promise<void> {
  if (server.url.includes("${")) return
  const { frontDoorOf } = await import("./aws/endpoint.ts")
  frontDoorOf(server, new URL(server.url))
}

/** Files that cannot be used now would stop the first call. One behind a variable is known only when the connection starts. */
async function checkCertificates(server: HttpServer, { env }: AuthTools): Promise<void> {
  if (server.tls === undefined || Object.values(server.tls).some((file) => file.includes("${"))) return
  const { readCertificates } = await import("../core/http-tls.ts")
  await readCertificates(expandTlsFiles(server, env) ?? {}, env).forServer()
}

/** What every start would refuse: a secret where it can be seen, or where it would decide the address. */
function checkPlaces(server: Server): void {
  const { name, file } = server
  const [texts, reason]: [[string, string][], string] =
    server.transport === "stdio"
      ? [
          [["command", server.command], ...server.args.map((arg, at): [string, string] => [`args[${at}]`, arg])],
          "other users of the machine can see it there; --env is the place for it",
        ]
      : [[["url", /^(?:[^:/?#]+:\/\/)?[^/?#]*/.exec(server.url)?.[0] ?? ""]], "it would decide which host it is sent to"]
  for (const [key, text] of texts) {
    const [, secret] = /\$\{vault:([^}]*)/.exec(text) ?? []
    if (secret !== undefined)
      throw asGiven(secretMisplaced({ server: name, file, key, secret, reason }), { evidence: [`stands in: ${key}`] })
  }
}

/** What an unset variable in double quotes leaves of a credential outside of headers. */
function checkNotEmpty(server: Server): void {
  const where = { server: server.name, file: server.file, source: "the command line" }
  if (server.transport === "stdio") {
    const key = Object.keys(server.env).find((name) => isSensitiveName(name) && server.env[name]?.trim() === "")
    if (key === undefined) return
    const next = `write it in single quotes: --env ${shellWord(`${key}=\${APP_API_TOKEN}`)}, or give - as the value to be asked for it`
    throw asGiven(credentialEmpty({ ...where, key, header: key, kind: "variable" }), { evidence: [`variable: ${quote(key)}`], next })
  }
  const key = secretParameters(server.url).find(({ value }) => value === "")?.key
  if (key === undefined) return
  const next = `write the address in single quotes, with ${key}=\${APP_API_TOKEN}`
  throw asGiven(credentialEmpty({ ...where, key, header: key, kind: "parameter" }), { evidence: [`parameter: ${quote(key)}`], next })
}

/** A `${` that begins no reference would be stored as a secret, or refused when the connection starts. */
function checkTemplates(server: Server, secretKeys: readonly string[] = []): void {
  const { name, file } = server
  const texts: readonly (readonly [string, string])[] =
    server.transport === "stdio"
      ? [["command", server.command], ...server.args.map((arg, at) => [`args[${at}]`, arg] as const), ...Object.entries(server.env)]
      : [["url", server.url], ...Object.entries(server.headers)]
  for (const [key, text] of texts) {
    const broken = secretKeys.includes(key) ? undefined : parseTemplate(text).find(({ kind }) => kind === "broken")
    if (broken === undefined) continue
    const evidence = [`stands in: ${quote(key)}`, "known: ${VARIABLE}, ${VARIABLE:-default}, ${vault:NAME}"]
    throw asGiven(templateInvalid({ server: name, file, key, part: broken.written }), { evidence })
  }
}

const secretName = (server: string, key: string): string =>
  `${server}.${key}`
    .toLowerCase()
    .replace(/[^a-z0-9._-]/g, "-")
    .slice(0, 100)
