/** The command that lets a person in, or says that an identity is meant, for one server. */
import { IN_VARIABLES } from "../config/aws-variables.ts"
import { type Findable, serverCommand } from "../config/server-command.ts"

/** @returns undefined for a server that stands in no file, but in the variables of a program or the words of a command: none is for it */
export function signInCommand({ name, scope, file }: Findable): string | undefined {
  if (name === "") return undefined
  return file === IN_VARIABLES ? undefined : serverCommand("auth", { name, scope, file })
}
