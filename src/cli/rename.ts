/** `postern rename OLD NEW`: another name for a server; its entry stays where it is, and its secrets too. */
import { Command, Option } from "commander"
import { findInScope } from "../config/find.ts"
import type { Scope } from "../config/server.ts"
import type { Context } from "./context.ts"
import { keepApproval } from "./project-approval.ts"

interface Renamed {
  readonly name: string
  readonly formerName: string
  readonly file: string
  readonly scope: Scope
  /** Names of the vault that the entry refers to; they stay as they are. */
  readonly secrets: readonly string[]
}

export const renameCommand = (context: Context): Command =>
  new Command("rename")
    .description("give a server another name; its entry and its secrets stay where they are")
    .argument("<old>", "the server, as `postern list` shows it")
    .argument("<new>", "its new name: letters, digits, - _ .")
    .addOption(new Option("--scope <scope>", "which one, where several scopes have it").choices(["user", "project", "local"]))
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern rename weather-service weather")
    .action(async (formerName: string, name: string, options: { scope?: Scope; json?: true }) => {
      const { renameServer } = await import("../config/amend.ts")
      const { secretsOf } = await import("../auth/dismiss.ts")
      const configuration = await context.configuration()
      const server = findInScope(configuration, formerName, options.scope)
      const { clock, signal } = context
      const file = await keepApproval(server, context, () =>
        renameServer(server, name, { configuration, surroundings: context, clock }, signal),
      )
      const renamed: Renamed = { name, formerName, file, scope: server.scope, secrets: secretsOf(server) }
      context.print(renamed, options.json, tell)
    })

function tell({ name, formerName, file, scope, secrets }: Renamed): string {
  return [
    `Renamed "${formerName}" to "${name}" in ${file} (${scope}).`,
    ...(secrets.length === 0 ? [] : [`  The names of its secrets stay: ${secrets.map((one) => `vault:${one}`).join(", ")}.`]),
    `  note: Bridges that run go on; a client that starts "postern run ${formerName}" has to be told the new name.`,
    `  next: postern run ${name}, in the configuration of each client`,
  ].join("\n")
}
