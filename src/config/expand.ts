/**
 * Replaces references when a connection starts, and not before: the result lives in memory only.
 *
 * A reference that cannot be replaced is an error that names it, its server and its file, before anything is sent. A literal
 * `${` never reaches a wire or a process.
 */
import { dirname } from "node:path"
import { PosternError } from "../core/diagnosis.ts"
import type { Environment } from "../core/places.ts"
import { addressProblem } from "./address.ts"
import { strippedVariablesHints } from "./clients/claude-code.ts"
import {
  addressInvalid,
  credentialEmpty,
  headerInvalid,
  processInvalid,
  secretMisplaced,
  secretMissing,
  templateInvalid,
  variableNotSet,
  type Where,
} from "./expand-diagnoses.ts"
import { requireTrusted } from "./guard.ts"
import { headerNameProblem, headerValueProblem, isEmptyCredential, repeatedHeaderNames } from "./header-rules.ts"
import type { HttpServer, Server, StdioServer } from "./server.ts"
import { type Part, parseTemplate, references } from "./template.ts"

/** Where values come from. */
export interface Sources {
  readonly env: Environment
  /** As `Vault.read`: undefined means that the vault was read and has none of that name. */
  readSecret(name: string, origin: string): Promise<string | undefined>
}

/** One header, ready to be sent. */
export interface ExpandedHeader {
  /** As it is written in the configuration. */
  readonly name: string
  readonly value: string
  /** Where the value came from, for an error: `vault:weather`, `the variable APP_API_TOKEN`, or the file. */
  readonly source: string
}

/** A local server, ready to be started. */
export interface ExpandedProcess {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Where to start it, see `startFolder`. */
  readonly cwd?: string
}

/** A value with the piece of text that it replaces. */
interface Resolved {
  readonly part: Part
  readonly value: string
}

/**
 * Replaces the references of one text. An empty variable counts as unset where there is a default, as in a shell.
 *
 * @param readSecret - gets the name of a vault reference
 * @throws {PosternError} `template-invalid`, `variable-not-set`, `secret-missing`, and what `readSecret` throws
 */
export async function expand(
  template: string,
  sources: { readonly env: Environment; readSecret(name: string): Promise<string | undefined> },
  where: Where,
): Promise<string> {
  return join(await resolve(template, sources, where))
}

/**
 * The address of a server, its references replaced.
 *
 * @returns the address; its origin is what secrets are bound to
 * @throws {PosternError} `project-not-trusted`, `address-invalid`, `secret-misplaced`, and as `expand` does
 */
export async function expandAddress(server: HttpServer, sources: Sources): Promise<URL> {
  requireTrusted(server)
  const where = placeOf(server, "url")
  // A secret is given out for one origin. So the origin has to be known before the first secret is read, and no secret may change it.
  const withSecretsAs = async (stand: string): Promise<URL> =>
    toAddress(await resolve(server.url, { env: sources.env, readSecret: async () => stand }, where), where)
  const secret = references(server.url).secrets[0]
  const { origin } = await withSecretsAs("a")
  if (secret !== undefined && (await withSecretsAs("b")).origin !== origin) {
    throw new PosternError(secretMisplaced({ ...where, secret, reason: "it would decide which host it is sent to" }))
  }

  const address = toAddress(await resolve(server.url, boundTo(sources, origin), where), where)
  if (address.origin === origin) return address
  throw new PosternError(addressInvalid({ ...where, problem: "a secret in it changes the host that it is sent to" }))
}

/**
 * The headers of a server, references replaced, each fit to be sent.
 *
 * @param origin - of the expanded address: what the secrets are bound to
 * @throws {PosternError} `project-not-trusted`, `header-invalid`, `credential-empty`, and as `expand` does
 */
export async function expandHeaders(server: HttpServer, origin: string, sources: Sources): Promise<readonly ExpandedHeader[]> {
  requireTrusted(server)
  const names = Object.keys(server.headers)
  const repeated = repeatedHeaderNames(names)[0]
  for (const header of names) {
    const problem = header === repeated ? "its name stands twice (upper and lower case are the same)" : headerNameProblem(header)
    if (problem !== undefined) throw new PosternError(headerInvalid({ ...placeOf(server, `headers.${header}`), header, problem }))
  }
  const expanded: ExpandedHeader[] = []
  for (const [name, template] of Object.entries(server.headers)) {
    expanded.push(await expandHeader({ name, template, where: placeOf(server, `headers.${name}`) }, boundTo(sources, origin)))
  }
  return expanded
}

/**
 * Command, arguments and variables of a local server, references replaced.
 *
 * @throws {PosternError} `project-not-trusted`, `secret-misplaced` (arguments can be seen by every user of the machine),
 *   `process-invalid`, and as `expand` does
 */
export async function expandProcess(server: StdioServer, sources: Sources): Promise<ExpandedProcess> {
  requireTrusted(server)
  const secrets = boundTo(sources, stdioOrigin(server))
  const plain = async (template: string, key: string): Promise<string> => {
    const where = placeOf(server, key)
    const secret = references(template).secrets[0]
    if (secret !== undefined) {
      throw new PosternError(
        secretMisplaced({ ...where, secret, reason: "other users of the machine can see it there; env is the place for it" }),
      )
    }
    return fitForProcess(await expand(template, secrets, where), where)
  }

  const command = await plain(server.command, "command")
  if (command === "") throw new PosternError(processInvalid({ ...placeOf(server, "command"), problem: "its command is empty" }))
  const args: string[] = []
  for (const [index, template] of server.args.entries()) args.push(await plain(template, `args[${index}]`))
  const env: [string, string][] = []
  for (const [name, template] of Object.entries(server.env)) {
    const where = placeOf(server, `env.${name}`)
    env.push([name, fitForProcess(await expand(template, secrets, where), where)])
  }
  const cwd = startFolder(server)
  return { command, args, env: Object.fromEntries(env), ...(cwd === undefined ? {} : { cwd }) }
}

/**
 * The folder in which a process of a server is started, its headers command included.
 *
 * @returns for a project file its own folder: an approval covers the files that it names from there, and the same name in another
 *   folder of the clone may be another program. For all others undefined, the folder one stands in.
 */
export function startFolder(server: Server): string | undefined {
  return server.scope === "project" ? dirname(server.file) : undefined
}

/** @returns what the secrets of a local server are bound to: its command line as it is written, word by word */
export function stdioOrigin(server: StdioServer): string {
  return `stdio:${[server.command, ...server.args].map((word) => JSON.stringify(word)).join(" ")}`
}

async function expandHeader(
  { name, template, where }: { readonly name: string; readonly template: string; readonly where: Where },
  sources: Parameters<typeof expand>[1],
): Promise<ExpandedHeader> {
  const resolved = await resolve(template, sources, where)
  const value = join(resolved)
  const source = describeSource(resolved, where.file)
  const { variables } = suspects(resolved)
  if (isEmptyCredential(name, value)) throw new PosternError(credentialEmpty({ ...where, variables, header: name, source }))

  const blank = resolved.find(({ part, value: one }) => part.kind !== "text" && one !== one.trim())
  const problem =
    headerValueProblem(value) ?? (blank && `what ${describeSource([blank], where.file)} holds has white space at the beginning or the end`)
  if (problem !== undefined)
    throw new PosternError(headerInvalid({ ...where, variables, header: name, problem: `${problem} (from ${source})` }))
  return { name, value, source }
}

async function resolve(template: string, sources: Parameters<typeof expand>[1], where: Where): Promise<readonly Resolved[]> {
  const resolved: Resolved[] = []
  for (const part of parseTemplate(template)) resolved.push({ part, value: await valueOf(part, sources, where) })
  return resolved
}

async function valueOf(part: Part, { env, readSecret }: Parameters<typeof expand>[1], where: Where): Promise<string> {
  switch (part.kind) {
    case "text":
      return part.written
    case "broken":
      throw new PosternError(templateInvalid({ ...where, part: part.written }))
    case "secret": {
      const secret = await readSecret(part.name)
      if (secret === undefined) throw new PosternError(secretMissing({ ...where, secret: part.name }))
      return secret
    }
    case "variable":
      return valueOfVariable(part, env, where)
  }
}

/**
 * @returns what stands in the place of `${NAME}` or `${NAME:-default}`
 * @throws {PosternError} `variable-not-set`
 */
export function valueOfVariable({ name, fallback }: Extract<Part, { kind: "variable" }>, env: Environment, where: Where): string {
  // A variable named like something that every object inherits is still unset.
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  const chosen = fallback === undefined ? value : value || fallback
  if (chosen === undefined) throw new PosternError(variableNotSet({ ...where, variable: name, hints: strippedVariablesHints(env) }))
  return chosen
}

const join = (resolved: readonly Resolved[]): string => resolved.map(({ value }) => value).join("")

const placeOf = (server: Server, key: string): Where => ({ server: server.name, file: server.file, scope: server.scope, key })

const boundTo = ({ env, readSecret }: Sources, origin: string): Parameters<typeof expand>[1] => ({
  env,
  readSecret: (name) => readSecret(name, origin),
})

function describeSource(resolved: readonly Resolved[], file: string): string {
  const names = resolved.flatMap(({ part }) => {
    if (part.kind === "secret") return [`vault:${part.name}`]
    return part.kind === "variable" ? [`the variable ${part.name}`] : []
  })
  return names.length === 0 ? file : [...new Set(names)].join(" and ")
}

function fitForProcess(value: string, where: Where): string {
  if (!value.includes("\0")) return value
  throw new PosternError(processInvalid({ ...where, problem: `${where.key} holds a NUL character` }))
}

/** Which variables to look at where a text is of no use: the empty ones, or else all. */
function suspects(resolved: readonly Resolved[]): { readonly variables: readonly string[]; readonly areEmpty: boolean } {
  const found = resolved.flatMap(({ part, value }) => (part.kind === "variable" ? [{ name: part.name, isEmpty: value === "" }] : []))
  const areEmpty = found.some(({ isEmpty }) => isEmpty)
  const named = found.filter(({ isEmpty }) => isEmpty === areEmpty).map(({ name }) => name)
  return { variables: [...new Set(named)], areEmpty }
}

function toAddress(resolved: readonly Resolved[], where: Where): URL {
  const text = join(resolved)
  const problem = addressProblem(text)
  if (problem === undefined) return new URL(text)
  const { variables, areEmpty } = suspects(resolved)
  const cause = areEmpty ? `${problem} (empty: ${variables.join(", ")})` : problem
  throw new PosternError(addressInvalid({ ...where, variables, problem: cause }))
}
