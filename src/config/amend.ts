/** Changes to a server that is there: its name, and whether it is switched on. Its entry is edited in place, where it was found. */
import type { Clock } from "../core/clock.ts"
import { PosternError } from "../core/diagnosis.ts"
import { isObject } from "../core/json.ts"
import { serverExists, unknownServer } from "./diagnoses.ts"
import { type Change, checkServerName, editConfigFile, serverPath, targetsOf, valueAt } from "./edit.ts"
import type { Configuration, Surroundings } from "./files.ts"
import type { KeyPath } from "./key-path.ts"
import type { Server } from "./server.ts"

/** What an amendment works with. */
export interface AmendTools {
  /** As it was read; the file itself is read again under its lock. */
  readonly configuration: Pick<Configuration, "servers" | "shadowed" | "invalid">
  readonly surroundings: Surroundings
  readonly clock: Clock
}

/** An entry as it stands at the moment of the change. */
interface Found {
  readonly entry: Readonly<Record<string, unknown>>
  readonly path: KeyPath
  readonly root: unknown
}

/** What a server is called from now on. */
export interface NewName {
  readonly name: string
  /** The label of its sign-in from now on, where that went by the old name. */
  readonly account?: string | undefined
}

/**
 * Gives a server another name, in its scope and file, in one step with the label. The names of its secrets stay, so its references and
 * their origins hold.
 *
 * @returns the file
 * @throws {PosternError} `server-name-invalid`; `server-exists` if any scope has the name, since one of the two would hide the other;
 *   `unknown-server` if the entry is gone by now; and as `editConfigFile` does
 */
export async function renameServer(
  server: Server,
  { name: newName, account }: NewName,
  tools: AmendTools,
  signal: AbortSignal,
): Promise<string> {
  checkServerName(newName)
  const { servers, shadowed, invalid } = tools.configuration
  const taken = [...servers, ...shadowed, ...invalid].find(({ name }) => name === newName)
  if (taken !== undefined) throw new PosternError(serverExists({ name: newName, scope: taken.scope, file: taken.file, renaming: true }))
  const decide = (found: Found): readonly Change[] => {
    const { path, root } = found
    const present = valueAt(root, [...path.slice(0, -1), newName])
    if (present !== undefined)
      throw new PosternError(serverExists({ name: newName, scope: server.scope, file: server.file, renaming: true }))
    return [...(account === undefined ? [] : [toAccount(found, account)]), { path, newKey: newName }]
  }
  return amendEntry(server, decide, tools, signal)
}

/**
 * Switches a server on or off: `enabled: false`, and `disabled: true` as other clients spell it, are taken out or put in.
 *
 * @returns the file, and whether it had to be changed
 * @throws {PosternError} as `renameServer` does for an entry that is gone, and as `editConfigFile` does
 */
export async function switchServer(
  server: Server,
  on: boolean,
  tools: AmendTools,
  signal: AbortSignal,
): Promise<{ readonly file: string; readonly changed: boolean }> {
  let changed = false
  const decide = ({ entry, path }: Found): readonly Change[] => {
    const off = [["enabled", false] as const, ["disabled", true] as const].filter(([key, value]) => entry[key] === value)
    changed = on === off.length > 0
    if (!changed) return []
    return on ? off.map(([key]) => ({ path: [...path, key], value: undefined })) : [{ path: [...path, "enabled"], value: false }]
  }
  const file = await amendEntry(server, decide, tools, signal)
  return { file, changed }
}

/**
 * Says whose sign-in a server uses: the label of an account.
 *
 * @returns the file
 * @throws {PosternError} as `switchServer`
 */
export async function chooseAccount(server: Server, label: string, tools: AmendTools, signal: AbortSignal): Promise<string> {
  return amendEntry(server, (found) => [toAccount(found, label)], tools, signal)
}

const toAccount = ({ entry, path }: Found, label: string): Change =>
  isObject(entry["oauth"]) ? { path: [...path, "oauth", "account"], value: label } : { path: [...path, "oauth"], value: { account: label } }

async function amendEntry(
  server: Server,
  decide: (found: Found) => readonly Change[],
  { surroundings, clock }: AmendTools,
  signal: AbortSignal,
): Promise<string> {
  for (const target of await targetsOf(server, surroundings)) {
    const path = serverPath(target, server.name)
    let wasThere = false
    const change = ({ root }: { readonly root: unknown }): readonly Change[] => {
      const entry = valueAt(root, path)
      wasThere = isObject(entry)
      return isObject(entry) ? decide({ entry, path, root }) : []
    }
    await editConfigFile(target.file, change, { clock, followSymlink: target.scope !== "project" }, signal)
    if (wasThere) return target.file
  }
  throw new PosternError(unknownServer({ name: server.name, near: undefined, known: [] }))
}
