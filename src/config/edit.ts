/**
 * Changes to a configuration file: under a lock, read again, and only the characters that have to change. Comments, order,
 * indentation, line ends and what we do not know stay as they are.
 */
import { access, realpath, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { ensurePrivateFolder, writeFileAtomic } from "../core/atomic-file.ts"
import type { Clock } from "../core/clock.ts"
import { PosternError } from "../core/diagnosis.ts"
import { lockFile } from "../core/file-lock.ts"
import { isObject } from "../core/json.ts"
import type { Environment, Places } from "../core/places.ts"
import { readTextFile } from "../core/read-file.ts"
import { configInvalid, homeNoProject, type Position, serverExists, serverNameInvalid } from "./diagnoses.ts"
import { type ConfigDocument, parseDocument } from "./document.ts"
import { changeJsonc, renameJsonc } from "./jsonc-edit.ts"
import { parseJsonc, placesOf } from "./jsonc.ts"
import { type KeyPath, showKeyPath } from "./key-path.ts"
import { findProject, PROJECT_FILE } from "./project.ts"
import { parseEntry } from "./schema.ts"
import type { Server } from "./server.ts"

/** One value to set (undefined removes the key), or another name for its key. */
export type Change = { readonly path: KeyPath; readonly value: unknown } | { readonly path: KeyPath; readonly newKey: string }

/** Where a server is written. */
export type Target =
  | { readonly scope: "user" | "project"; readonly file: string }
  | { readonly scope: "local"; readonly file: string; readonly folder: string }

/** A server to be written. */
export interface NewServer {
  readonly name: string
  /** As it will stand in the file. */
  readonly entry: Readonly<Record<string, unknown>>
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/

/**
 * Finds where a scope is written: `user` and `local` in Postern's own file, `project` in the `.postern.json` of the project.
 *
 * @throws {PosternError} `home-no-project` for `project` in the home folder, where such a file is never read
 */
export async function findTarget(
  scope: Target["scope"],
  { cwd, env, places }: { readonly cwd: string; readonly env: Environment; readonly places: Places },
): Promise<Target> {
  if (scope === "user") return { scope, file: places.config }
  const { root, file, isHome } = await findProject(cwd, env)
  if (scope === "project" && isHome) throw new PosternError(homeNoProject({ folder: root }))
  return scope === "local" ? { scope, file: places.config, folder: root } : { scope, file: file ?? join(root, PROJECT_FILE) }
}

/**
 * Finds where an entry that was read may stand. A local one may belong to any folder above the one that one stands in: the nearest
 * comes first, as it does when it is read.
 */
export async function targetsOf(
  { scope }: Pick<Server, "scope">,
  surroundings: Parameters<typeof findTarget>[1],
): Promise<readonly Target[]> {
  const target = await findTarget(scope === "file" ? "user" : scope, surroundings)
  if (target.scope !== "local") return [target]
  const { folders } = await findProject(surroundings.cwd, surroundings.env)
  return folders.map((folder) => ({ ...target, folder }))
}

/** @throws {PosternError} `server-name-invalid` if a new server cannot have this name */
export function checkServerName(name: string): void {
  if (!NAME.test(name) || name === "__proto__") throw new PosternError(serverNameInvalid({ name }))
}

/**
 * Writes one server that is not there yet.
 *
 * @throws {PosternError} `server-name-invalid`, `config-invalid` (the entry is checked as it is when read), `server-exists`, and as
 *   `editConfigFile` does
 */
export async function setServer(target: Target, { name, entry }: NewServer, clock: Clock, signal: AbortSignal): Promise<void> {
  checkServerName(name)
  const { file, scope } = target
  const path = serverPath(target, name)
  const parsed = parseEntry(entry, path, { name, scope, file, trusted: true })
  if ("faults" in parsed) throw new PosternError(configInvalid({ file, faults: parsed.faults }))

  const change = ({ root }: ConfigDocument): readonly Change[] => {
    if (valueAt(root, path) !== undefined) throw new PosternError(serverExists({ name, scope, file }))
    return [{ path, value: entry }]
  }
  await editConfigFile(file, change, { clock, followSymlink: scope !== "project" }, signal)
}

/**
 * Removes one server. Its secrets stay in the vault; removing them is the caller's decision.
 *
 * @returns whether there was one of that name in this scope
 * @throws {PosternError} as `editConfigFile` does
 */
export async function removeServer(target: Target, name: string, clock: Clock, signal: AbortSignal): Promise<boolean> {
  const { file, scope } = target
  const path = serverPath(target, name)
  let wasThere = false
  const change = ({ root }: ConfigDocument): readonly Change[] => {
    wasThere = valueAt(root, path) !== undefined
    return wasThere ? [{ path, value: undefined }] : []
  }
  await editConfigFile(file, change, { clock, followSymlink: scope !== "project" }, signal)
  return wasThere
}

/**
 * Changes a file as it stands at that moment. A missing file is made (0600), with its folder; one that cannot be parsed is
 * never touched. Writers wait for each other, in this process and in others.
 *
 * @param decide - gets the file as it is now, and returns what to change; what it throws leaves the file as it is
 * @param options - `followSymlink` (default true): a person's own configuration may be a link into a dotfiles repository; a link
 *   in a clone must not lead a write elsewhere
 * @param signal - stops the wait for the lock; a write that has begun is finished
 * @throws {PosternError} `config-unreadable`, `config-invalid`, and what the lock and the write throw
 */
export async function editConfigFile(
  file: string,
  decide: (document: ConfigDocument) => readonly Change[],
  { clock, followSymlink = true }: { readonly clock: Clock; readonly followSymlink?: boolean },
  signal: AbortSignal,
): Promise<void> {
  const present = await presentFile(file, followSymlink)
  await ensureFolder(dirname(present.path))
  await using lock = await lockFile(present.path, { clock }, signal)
  const written = await readTextFile(present.path)
  const document = await parseDocument(file, written ?? "{}\n")
  const changes = decide(document)
  if (changes.length === 0) return
  const text = changeText(document, changes)
  const mark = written?.startsWith("\uFEFF") ? "\uFEFF" : ""
  await writeFileAtomic(present.path, mark + text, {
    mode: present.mode ?? 0o600,
    followSymlink,
    beforeRename: () => lock.assertHeld(),
  })
}

/** A folder that is there may be open to others: no secret stands in a configuration. */
async function ensureFolder(folder: string): Promise<void> {
  try {
    await access(folder)
  } catch {
    await ensurePrivateFolder(folder) // says what is in the way, if something is
  }
}

/** The same file by two names must have one lock, so links are followed before it is taken. */
async function presentFile(file: string, followSymlink: boolean): Promise<{ readonly path: string; readonly mode: number | undefined }> {
  try {
    const path = followSymlink ? await realpath(file) : file
    return { path, mode: (await stat(path)).mode & 0o777 }
  } catch {
    return { path: file, mode: undefined } // whatever it is that is in the way, reading it says so
  }
}

function changeText(document: ConfigDocument, changes: readonly Change[]): string {
  let { text } = document
  let wanted: unknown = document.root
  for (const change of changes) {
    const { path } = change
    refuseAmbiguous(document, path)
    if ("newKey" in change) {
      text = renameJsonc(text, path, change.newKey)
      wanted = withKey(wanted, path, change.newKey)
    } else {
      text = changeJsonc(text, path, change.value)
      wanted = withValue(wanted, path, change.value)
    }
  }
  // The last look before somebody's file is replaced: it says what was asked for, and all else as before.
  const result = parseJsonc(text)
  if (!("value" in result) || !isDeepStrictEqual(result.value, wanted)) {
    throw new Error(`the change of ${document.file} would have changed more than was asked; nothing was written`)
  }
  return text
}

/** Of two equal keys, readers use the last and editors the first. */
function refuseAmbiguous({ file, text, root }: ConfigDocument, path: KeyPath): void {
  const { locate, repeatedKeys } = placesOf(text)
  const repeated = repeatedKeys().find((one) => isDeepStrictEqual(one.path, path.slice(0, one.path.length)))
  if (repeated !== undefined) throw wrongAt(repeated.path, "the same key more than once", "one of them", repeated.at)
  for (const depth of path.keys()) {
    const around = path.slice(0, depth)
    const container = valueAt(root, around)
    if (container !== undefined && !isObject(container)) throw wrongAt(around, "no object", "an object", locate(around))
  }
  function wrongAt(at: KeyPath, found: string, right: string, position: Position | undefined): PosternError {
    return new PosternError(configInvalid({ file, at: position, faults: [{ key: showKeyPath(at), found, right }] }))
  }
}

/** Where a server stands in its file. */
export const serverPath = (target: Target, name: string): KeyPath =>
  target.scope === "local" ? ["projects", target.folder, "mcpServers", name] : ["mcpServers", name]

/** @returns the value at a path of keys, or undefined */
export function valueAt(root: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>((value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined), root)
}

function withValue(root: unknown, [key, ...rest]: KeyPath, value: unknown): unknown {
  if (key === undefined) return value
  const before = isObject(root) ? root : {}
  const inside = withValue(Object.hasOwn(before, key) ? before[key] : undefined, rest, value)
  const others = Object.entries(before).filter(([name]) => name !== key)
  return Object.fromEntries(inside === undefined ? others : [...others, [key, inside]])
}

function withKey(root: unknown, path: KeyPath, newKey: string): unknown {
  return withValue(withValue(root, path, undefined), [...path.slice(0, -1), newKey], valueAt(root, path))
}
