/** A project file as its owner sees it before approving: everything, untruncated, nothing expanded. */
import type { Diagnosis } from "../core/diagnosis.ts"
import { PosternError } from "../core/diagnosis.ts"
import { isObject } from "../core/json.ts"
import { inOneLine } from "../core/redact.ts"
import { configMissing } from "./diagnoses.ts"
import { type ConfigDocument, readDocument } from "./document.ts"
import { digestProject, type NamedFile } from "./project-digest.ts"
import { ENTRY_KEYS } from "./schema.ts"
import { readSection } from "./section.ts"
import type { EnvironmentLabel, Server } from "./server.ts"
import { references } from "./template.ts"

/** Every text is escaped: none of it can act on a terminal or hide another. */
export interface ProjectDescription {
  readonly file: string
  /** What an approval is given for: `TrustStore.approve` refuses another. */
  readonly digest: string
  readonly servers: readonly ServerDescription[]
  /** Files that the entries name; a change to one of them asks again. What these load in turn is not covered. */
  readonly files: readonly NamedFile[]
  /** Wrong values and remarks. */
  readonly warnings: readonly Diagnosis[]
}

/** One server of a project file, word by word, with what would go where. */
export interface ServerDescription {
  readonly name: string
  readonly transport: Server["transport"]
  readonly enabled: boolean
  /** Exactly what would be started, word by word. */
  readonly command?: readonly string[]
  /** The variables that the process would be given. */
  readonly env?: Readonly<Record<string, string>>
  readonly url?: string
  readonly headers?: Readonly<Record<string, string>>
  /** A command line that would be run to get headers. */
  readonly headersHelper?: string
  /** As whom requests would be signed for AWS, as JSON. */
  readonly aws?: string
  /** How one would sign in, as JSON. */
  readonly oauth?: string
  /** The identity that it must be, as JSON. */
  readonly pin?: string
  /** Files with further authorities, our own certificate and its key, as JSON. */
  readonly tls?: string
  /** It may lead to private addresses. */
  readonly allowPrivate?: true
  /** Keys that this version does not use, as JSON. */
  readonly otherKeys: Readonly<Record<string, string>>
  /** The label for a person, and limits in milliseconds. */
  readonly environment?: EnvironmentLabel
  readonly timeoutMs?: number
  readonly resumeTimeoutMs?: number
  /** What of this machine would go where. */
  readonly flows: readonly Flow[]
}

/** One variable or secret, and who would get it. */
interface Flow {
  readonly kind: "variable" | "secret"
  readonly name: string
  /** For example `headers.Authorization`. */
  readonly key: string
  /** The address, or the command that is started. */
  readonly to: string
  /** A name that by custom holds a credential; every secret of the vault is one. */
  readonly sensitive: boolean
}

const SENSITIVE_NAME = /(^|_)(token|secret|key|apikey|password|passwd|passphrase|pass|credentials?|auth|pat|cookie|session)(_|$)/i

/** @returns whether a variable of this name holds a credential, by custom */
export function isSensitiveName(name: string): boolean {
  return SENSITIVE_NAME.test(name)
}

/**
 * Describes a project file. Reads it and the files that it names; sends nothing, starts nothing, replaces no reference.
 *
 * @throws {PosternError} `config-missing`, `config-unreadable`, `config-invalid` if the whole of it cannot be read;
 *   `project-too-large`
 */
export async function describeProject(file: string): Promise<ProjectDescription> {
  const document = await readDocument(file)
  if (document === undefined) throw new PosternError(configMissing({ file }))
  const { digest, files } = await digestProject(document)
  const { servers, warnings } = await readSection(document, { path: ["mcpServers"], scope: "project", foreign: false, trusted: false })
  return {
    file: visible(file),
    digest,
    servers: servers.map((server) => describeServer(server, document)),
    files: files.map((named) => ({ ...named, path: visible(named.path) })),
    warnings: warnings.map((one) => ({ ...one, cause: visible(one.cause), evidence: one.evidence.map(visible) })),
  }
}

/** The text on one line, with escapes for what acts on a terminal and for what nobody would see: two names could look the same. */
const visible = (text: string): string =>
  inOneLine(text).replace(/\p{Default_Ignorable_Code_Point}/gu, (hidden) => `\\u{${hidden.codePointAt(0)?.toString(16)}}`)

function describeServer(server: Server, document: ConfigDocument): ServerDescription {
  const { name, transport, enabled, environment, timeoutMs } = server
  const common = {
    name: visible(name),
    transport,
    enabled,
    ...(environment === undefined ? {} : { environment }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    otherKeys: otherKeys(server, document),
    flows: flowsOf(server),
  }
  if (server.transport === "stdio") {
    return { ...common, command: [server.command, ...server.args].map(visible), env: escapeAll(server.env) }
  }
  const { url, headers, headersHelper, aws, oauth, pin, tls, allowPrivate, resumeTimeoutMs } = server
  return {
    ...common,
    url: visible(url),
    headers: escapeAll(headers),
    ...(headersHelper === undefined ? {} : { headersHelper: visible(headersHelper) }),
    ...(aws === undefined ? {} : { aws: visible(JSON.stringify(aws)) }),
    ...(oauth === undefined ? {} : { oauth: visible(JSON.stringify(oauth)) }),
    ...(pin === undefined ? {} : { pin: visible(JSON.stringify(pin)) }),
    ...(tls === undefined ? {} : { tls: visible(JSON.stringify(tls)) }),
    ...(allowPrivate ? { allowPrivate } : {}),
    ...(resumeTimeoutMs === undefined ? {} : { resumeTimeoutMs }),
  }
}

function flowsOf(server: Server): readonly Flow[] {
  const texts: readonly (readonly [string, string])[] =
    server.transport === "stdio"
      ? [["command", server.command], ...server.args.map((arg, index) => [`args[${index}]`, arg] as const), ...keyed("env", server.env)]
      : [
          ["url", server.url],
          ...keyed("headers", server.headers),
          ["oauth.clientSecret", server.oauth?.clientSecret ?? ""],
          ...keyed("tls", { ...server.tls }),
        ]
  const to = visible(server.transport === "stdio" ? server.command : server.url)
  return texts.flatMap(([key, template]) => {
    const { variables, secrets } = references(template)
    const flow = (kind: Flow["kind"], name: string): Flow => ({
      kind,
      name,
      key: visible(key),
      to,
      sensitive: kind === "secret" || isSensitiveName(name),
    })
    return [...variables.map((name) => flow("variable", name)), ...secrets.map((name) => flow("secret", name))]
  })
}

const keyed = (key: string, texts: Readonly<Record<string, string>>): readonly (readonly [string, string])[] =>
  Object.entries(texts).map(([name, text]) => [`${key}.${name}`, text])

const escapeAll = (texts: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [visible(name), visible(text)]))

function otherKeys(server: Server, { root }: ConfigDocument): Readonly<Record<string, string>> {
  const servers = root["mcpServers"]
  const entry = isObject(servers) ? servers[server.name] : undefined
  const known: ReadonlySet<string> = new Set([...ENTRY_KEYS.any, ...(server.transport === "stdio" ? ENTRY_KEYS.stdio : ENTRY_KEYS.http)])
  const others = Object.entries(isObject(entry) ? entry : {}).filter(([key]) => !known.has(key))
  return Object.fromEntries(others.map(([key, value]) => [visible(key), visible(JSON.stringify(value))]))
}
