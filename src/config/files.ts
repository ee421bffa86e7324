/** Which files are read, and which entry of a name wins: local over project, project over user, the whole entry. */
import { basename, resolve } from "node:path"
import { type Diagnosis, PosternError } from "../core/diagnosis.ts"
import { isObject } from "../core/json.ts"
import type { Environment, Places } from "../core/places.ts"
import { foreignClients } from "./clients/registry.ts"
import { configMissing } from "./diagnoses.ts"
import { type ConfigDocument, readDocument } from "./document.ts"
import type { KeyPath } from "./key-path.ts"
import { findProject, PROJECT_FILE } from "./project.ts"
import { clientIgnoresFile, noServersInFile } from "./remarks.ts"
import { type InvalidServer, readSection, type Section, unknownKeys, type Warning } from "./section.ts"
import type { Scope, Server } from "./server.ts"

/** What a configuration is looked for from. */
export interface Surroundings {
  readonly cwd: string
  readonly env: Environment
  readonly places: Places
  /** Read this file and no other, as it is; a relative path starts at `cwd`. Naming it is the approval. */
  readonly configFile?: string
}

/** All that is configured where one stands. */
export interface Configuration {
  /** One winner a name. */
  readonly servers: readonly Server[]
  /** Entries that another scope's entry of the same name hides. */
  readonly shadowed: readonly Server[]
  /** Entries with a wrong value; each holds its name, and its diagnosis stands in `warnings` too. */
  readonly invalid: readonly InvalidServer[]
  readonly warnings: readonly Warning[]
}

interface UserSections {
  readonly local: readonly Section[]
  readonly everywhere: readonly Section[]
}
const NO_SECTIONS: UserSections = { local: [], everywhere: [] }

/**
 * Reads the configuration. Nothing is expanded, and servers of a project file that nobody approved come with `trusted: false`.
 *
 * @throws {PosternError} `config-missing` if `configFile` is not there; `config-unreadable` or `config-invalid` if a whole file
 *   cannot be used (a single wrong entry stops only itself); `trust-unreadable`
 */
export async function loadConfiguration({ cwd, env, places, configFile }: Surroundings): Promise<Configuration> {
  const project = await findProject(cwd, env)
  if (configFile !== undefined) return merge(await readNamedFile(resolve(cwd, configFile), { env, places, folders: project.folders }))

  const user = await readDocument(places.config)
  const { local, everywhere } = user === undefined ? NO_SECTIONS : await readUserFile(user, project.folders, ["local", "user"])
  const projectSections = project.file === undefined ? [] : [await readProjectFile(project.file, places.trust)]
  return merge([...local, ...projectSections, ...everywhere])
}

/** Sections in the order of precedence. */
function merge(sections: readonly Section[]): Configuration {
  const taken = new Set<string>()
  const winners = sections.map((section) => {
    const servers = section.servers.filter(({ name }) => !taken.has(name))
    const invalid = section.invalid.filter(({ name }) => !taken.has(name))
    for (const { name } of [...servers, ...invalid]) taken.add(name)
    return { servers, invalid, shadowed: section.servers.filter((server) => !servers.includes(server)) }
  })
  return {
    servers: winners.flatMap(({ servers }) => servers),
    shadowed: winners.flatMap(({ shadowed }) => shadowed),
    invalid: winners.flatMap(({ invalid }) => invalid),
    warnings: sections.flatMap(({ warnings }) => warnings),
  }
}

/** A file of the shape of `~/.claude.json` and of our own: servers for single folders (the nearest first), and some for everywhere. */
async function readUserFile(
  document: ConfigDocument,
  folders: readonly string[],
  [local, everywhere]: readonly [Scope, Scope],
  foreign = false,
): Promise<UserSections> {
  const paths = folders.flatMap((folder) => projectKeys(document, folder).map((key): KeyPath => ["projects", key, "mcpServers"]))
  const read = (path: KeyPath, scope: Scope): Promise<Section> => readSection(document, { path, scope, foreign, trusted: true })
  return {
    local: await Promise.all(paths.map((path) => read(path, local))),
    everywhere: [
      await read(["mcpServers"], everywhere),
      ...(foreign ? [] : [remarks(await topLevelRemarks(document, ["mcpServers", "projects"]))]),
    ],
  }
}

async function readProjectFile(file: string, trustFile: string): Promise<Section> {
  const document = await readDocument(file)
  // It was there a moment ago; whoever removed it wants it gone.
  if (document === undefined) return remarks([])
  const { trustStateOf } = await import("./trust.ts") // most folders have no project file
  const state = await trustStateOf(document, trustFile)
  const section = await readSection(document, {
    path: ["mcpServers"],
    scope: "project",
    foreign: false,
    trusted: state === "trusted",
    ...(state === "changed" ? { changedSinceApproval: true } : {}),
  })
  return { ...section, warnings: [...(await topLevelRemarks(document, ["mcpServers"])), ...section.warnings] }
}

async function readNamedFile(
  file: string,
  { env, places, folders }: { env: Environment; places: Places; folders: readonly string[] },
): Promise<readonly Section[]> {
  const document = await readDocument(file)
  if (document === undefined) throw new PosternError(configMissing({ file }))
  const foreign = file !== places.config && basename(file) !== PROJECT_FILE
  const { local, everywhere } = await readUserFile(document, folders, ["file", "file"], foreign)
  const sections = [...local, ...everywhere]
  const isEmpty = sections.every(({ servers, invalid }) => servers.length === 0 && invalid.length === 0)
  if (!isEmpty) return [remarks(ignoredByClient(file, env)), ...sections]
  const other = ["servers", "mcp", "context_servers"].find((key) => Object.hasOwn(document.root, key))
  return Object.hasOwn(document.root, "mcpServers") ? sections : [remarks([noServersInFile({ file, other })]), ...sections]
}

/** On Windows, clients write the same folder with either slash. */
function projectKeys({ root }: ConfigDocument, folder: string): readonly string[] {
  const { projects } = root
  if (!isObject(projects)) return []
  return Object.keys(projects).filter((key) => comparable(key) === comparable(folder))
}

const comparable = (folder: string): string => (process.platform === "win32" ? folder.replaceAll("\\", "/").toLowerCase() : folder)

function ignoredByClient(file: string, env: Environment): readonly Diagnosis[] {
  return foreignClients.flatMap((client) => {
    const reads = client.readsInstead?.(file, env)
    return reads === undefined ? [] : [clientIgnoresFile({ file, client: client.name, reads })]
  })
}

function topLevelRemarks(document: ConfigDocument, known: readonly string[]): Promise<readonly Diagnosis[]> {
  const unknown = Object.keys(document.root).filter((key) => key !== "$schema" && !known.includes(key))
  return unknownKeys(document, { path: [], names: unknown, known })
}

const remarks = (warnings: readonly Diagnosis[]): Section => ({ servers: [], invalid: [], warnings })
