/** One `mcpServers` object of a file: its servers, what is wrong with some, and remarks. */
import type { Diagnosis } from "../core/diagnosis.ts"
import { isObject } from "../core/json.ts"
import { unencryptedHost } from "./address.ts"
import { foreignClients } from "./clients/registry.ts"
import { insecureAddress, keyNotUsed, serverTwice, unknownKey } from "./remarks.ts"
import { type ConfigDocument, invalid } from "./document.ts"
import { type KeyPath, showKeyPath } from "./key-path.ts"
import { nearest } from "./nearest.ts"
import { OAUTH_KEYS } from "./oauth-schema.ts"
import { ENTRY_KEYS, type EntryPlace, parseEntry } from "./schema.ts"
import type { Scope, Server } from "./server.ts"

/** Which object of a file, and what holds for all that stands in it. */
export interface SectionPlace extends Omit<EntryPlace, "name" | "file"> {
  /** Of the object, for example `["mcpServers"]`. */
  readonly path: KeyPath
  /** Of another client: its own keys need no remark. */
  readonly foreign: boolean
}

/** An entry with a wrong value. It holds its name against servers of other scopes, and cannot be used. */
export interface InvalidServer {
  readonly name: string
  readonly scope: Scope
  readonly file: string
  readonly trusted: boolean
  readonly diagnosis: Diagnosis
}

/** What came of one `mcpServers` object. */
export interface Section {
  readonly servers: readonly Server[]
  readonly invalid: readonly InvalidServer[]
  readonly warnings: readonly Warning[]
}

/** A wrong value, or a remark. */
export interface Warning extends Diagnosis {
  /** The one server that it is about; it matters to nobody who uses another. */
  readonly server?: string
}

const LONGEST_NAME = 256
/** To look for the place of a name costs a second reading; larger files are other clients' history. */
const LARGEST_FOR_PLACES = 256 * 1024
// oxlint-disable-next-line no-control-regex -- a name with such a character could pretend to be another
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/

/**
 * Reads the servers of one object. One wrong entry does not stop the others.
 *
 * @throws {PosternError} `config-invalid` if the object itself is none
 */
export async function readSection(document: ConfigDocument, place: SectionPlace): Promise<Section> {
  const object = place.path.reduce<unknown>(
    (value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined),
    document.root,
  )
  if (object === undefined) return { servers: [], invalid: [], warnings: [] }
  if (!isObject(object)) {
    throw await invalid(document, [
      {
        path: place.path,
        key: showKeyPath(place.path),
        found: "no object",
        right: 'an object of servers, such as {"weather": {"url": "https://..."}}',
      },
    ])
  }
  const entries = await Promise.all(Object.entries(object).map(([name, entry]) => readEntry(document, place, { name, entry })))
  return {
    servers: entries.flatMap(({ servers }) => servers),
    invalid: entries.flatMap((one) => one.invalid),
    warnings: [...entries.flatMap(({ warnings }) => warnings), ...(await repeatedKeys(document, place.path))],
  }
}

async function readEntry(
  document: ConfigDocument,
  { path: sectionPath, foreign, ...common }: SectionPlace,
  { name, entry }: { readonly name: string; readonly entry: unknown },
): Promise<Section> {
  const { file } = document
  const path = [...sectionPath, name]
  const isReadable = isReadableName(name)
  const parsed = isReadable
    ? parseEntry(entry, path, { ...common, name, file })
    : {
        faults: [
          { path, key: showKeyPath(path), found: "a name that cannot be used", right: "a name without control characters" },
        ] as const,
      }
  if ("faults" in parsed) {
    const { diagnosis } = await invalid(document, parsed.faults)
    const { scope, trusted } = common
    const warning = isReadable ? { ...diagnosis, server: name } : diagnosis // nobody asks for a name that cannot be used
    return { servers: [], invalid: [{ name, scope, file, trusted, diagnosis }], warnings: [warning] }
  }
  const remarks = await keyRemarks(document, parsed.server, { path, foreign, entry: entry as object }) // only an object passes parseEntry
  const warnings = [...remarks, ...addressRemarks(parsed.server, path)].map((remark) => ({ ...remark, server: name }))
  return { servers: [parsed.server], invalid: [], warnings }
}

const isReadableName = (name: string): boolean => name !== "" && name.length <= LONGEST_NAME && !CONTROL.test(name)

async function keyRemarks(
  document: ConfigDocument,
  server: Server,
  { path, foreign, entry }: { readonly path: KeyPath; readonly foreign: boolean; readonly entry: object },
): Promise<readonly Diagnosis[]> {
  const { file } = document
  const own: ReadonlySet<string> = new Set([...ENTRY_KEYS.any, ...(server.transport === "stdio" ? ENTRY_KEYS.stdio : ENTRY_KEYS.http)])
  const others: ReadonlySet<string> = new Set(server.transport === "stdio" ? ENTRY_KEYS.http : ENTRY_KEYS.stdio)
  const harmless = new Set(foreign ? foreignClients.flatMap(({ harmlessKeys }) => harmlessKeys) : [])
  const unused = new Map(foreignClients.flatMap(({ unusedKeys }) => Object.entries(unusedKeys)))
  const whyNotUsed = (name: string): string | undefined =>
    others.has(name) ? `it says nothing about a server of the type ${server.transport}` : unused.get(name)
  const names = Object.keys(entry).filter((name) => !own.has(name) && !harmless.has(name))
  const unknown = names.filter((name) => whyNotUsed(name) === undefined)
  const oauth = server.transport === "stdio" || !("oauth" in entry) ? {} : entry.oauth
  return [
    ...(await unknownKeys(document, { path, names: unknown, known: own })),
    ...(await unknownKeys(document, { path: [...path, "oauth"], names: namesBeyond(OAUTH_KEYS, oauth), known: OAUTH_KEYS })),
    ...names.flatMap((name) => {
      const why = whyNotUsed(name)
      return why === undefined ? [] : [keyNotUsed({ file, key: showKeyPath([...path, name]), why })]
    }),
  ]
}

const namesBeyond = (known: readonly string[], object: unknown): readonly string[] =>
  isObject(object) ? Object.keys(object).filter((name) => !known.includes(name)) : []

/** Remarks on keys that nobody knows, each with its place and the key that it was most likely meant to be. */
export async function unknownKeys(
  { file, text, places }: ConfigDocument,
  { path, names, known }: { readonly path: KeyPath; readonly names: readonly string[]; readonly known: Iterable<string> },
): Promise<readonly Diagnosis[]> {
  if (names.length === 0) return []
  const found = text.length > LARGEST_FOR_PLACES ? undefined : await places()
  return names.map((name) => {
    const at = found?.locate([...path, name])
    return unknownKey({ file, at, key: showKeyPath([...path, name]), near: nearest(name, known) })
  })
}

function addressRemarks(server: Server, path: KeyPath): readonly Diagnosis[] {
  if (server.transport === "stdio" || !URL.canParse(server.url)) return []
  const host = unencryptedHost(new URL(server.url))
  // A host that is a reference is known only once it is expanded.
  if (host === undefined || /^http:\/\/[^/]*\$\{/i.test(server.url)) return []
  return [insecureAddress({ file: server.file, key: showKeyPath([...path, "url"]), host })]
}

/**
 * `JSON.parse` hides the first of two equal keys. The text has more quotes then than what was read of it, and is worth a closer look.
 *
 * @param section - told are keys that lead to it, and those inside of it
 */
async function repeatedKeys({ file, text, root, places }: ConfigDocument, section: KeyPath): Promise<readonly Diagnosis[]> {
  if (text.length > LARGEST_FOR_PLACES || countQuotes(text) === countQuotes(JSON.stringify(root))) return []
  const repeated = (await places())
    .repeatedKeys()
    .filter(({ path }) => path.every((key, at) => at >= section.length || key === section[at]))
  return repeated.map(({ path, at }) => serverTwice({ file, at, key: showKeyPath(path) }))
}

const countQuotes = (text: string): number => text.split('"').length
