/** Commands about one server, for the next step of a diagnosis. */
import { posternCommand, shellWord } from "../core/shell.ts"
import type { Server } from "./server.ts"

/**
 * The command that stores a secret, for whoever refers to it.
 *
 * @param configFile - where the reference stands, if that file was named by `--config`
 */
export function storeCommand(secret: string, configFile?: string): string {
  return `${posternCommand("vault set", secret)} -${configFile === undefined ? "" : ` --config ${shellWord(configFile)}`}`
}

/** What a command needs to find a server again. */
export type Findable = Pick<Server, "name" | "scope" | "file">

/**
 * A command of those that take `--config`. A server of a file that was named by it is found in no other way.
 *
 * @param verb - for example `get`
 * @param options - more of them, each word quoted for a shell
 */
export function serverCommand(verb: string, { name, scope, file }: Findable, options = ""): string {
  const where = scope === "file" ? `--config ${shellWord(file)}` : ""
  return posternCommand(verb, name, [options, where].filter(Boolean).join(" "))
}
