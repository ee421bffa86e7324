/** One server by its name. */
import { PosternError } from "../core/diagnosis.ts"
import { serverDisabled, unknownServer } from "./diagnoses.ts"
import type { Configuration } from "./files.ts"
import { nearest } from "./nearest.ts"
import type { Server } from "./server.ts"

/**
 * Finds a server that may be used.
 *
 * @param name - compared exactly
 * @returns the server; whether it is trusted is asked by whoever uses it (`requireTrusted`)
 * @throws {PosternError} `server-disabled`, and as `findEntry` does
 */
export function findServer(configuration: Pick<Configuration, "servers" | "invalid">, name: string): Server {
  const server = findEntry(configuration, name)
  if (!server.enabled) throw new PosternError(serverDisabled({ name, file: server.file }))
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
