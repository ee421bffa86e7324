/** One server by its name. */
import { PosternError } from "../core/diagnosis.ts"
import { serverDisabled, unknownServer } from "./diagnoses.ts"
import type { Configuration } from "./files.ts"
import { nearest } from "./nearest.ts"
import type { Scope, Server } from "./server.ts"

/**
 * Finds a server that may be used.
 *
 * @param name - compared exactly
 * @returns the server; whether it is trusted is asked by whoever uses it (`requireTrusted`)
 * @throws {PosternError} `server-disabled`, and as `findEntry` does
 */
export function findServer(configuration: Pick<Configuration, "servers" | "invalid">, name: string): Server {
  const server = findEntry(configuration, name)
  if (!server.enabled) throw new PosternError(serverDisabled({ name, file: server.file, scope: server.scope }))
  return server
}

/**
 * Finds a server, also one that is switched off: to show, change or remove it.
 *
 * @throws {PosternError} `unknown-server` with the nearest name; what is wrong with its entry, if something is
 */
export function findEntry({ servers, invalid }: Pick<Configuration, "servers" | "invalid">, name: string): Server {
  const broken = invalid.find((entry) => entry.name === name)
  if (broken !== undefined) throw new PosternError(broken.diagnosis)
  const server = servers.find((entry) => entry.name === name)
  if (server !== undefined) return server
  const known = [...servers, ...invalid].map((entry) => entry.name)
  throw new PosternError(unknownServer({ name, near: nearest(name, known), known }))
}

/**
 * Finds an entry in one scope, also one that another scope's entry of the same name hides.
 *
 * @param scope - left out: the entry that counts
 * @throws {PosternError} as `findEntry` does
 */
export function findInScope(configuration: Pick<Configuration, "servers" | "shadowed" | "invalid">, name: string, scope?: Scope): Server {
  if (scope === undefined) return findEntry(configuration, name)
  const servers = [...configuration.servers, ...configuration.shadowed].filter((server) => server.scope === scope)
  return findEntry({ servers, invalid: configuration.invalid.filter((entry) => entry.scope === scope) }, name)
}
