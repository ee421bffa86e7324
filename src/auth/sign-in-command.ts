/** The command that lets a person in, or says that an identity is meant, for one server. */
import { IN_VARIABLES } from "../config/aws-variables.ts"
import type { Server } from "../config/server.ts"
import { posternCommand, shellWord } from "../core/shell.ts"

/** @returns undefined for a server that stands in no file, but in the variables of a program or the words of a command: none is for it */
export function signInCommand({ name, scope, file }: Pick<Server, "name" | "scope" | "file">): string | undefined {
  if (name === "") return undefined
  if (scope !== "file") return posternCommand("auth", name)
  return file === IN_VARIABLES ? undefined : posternCommand("auth", name, `--config ${shellWord(file)}`)
}
