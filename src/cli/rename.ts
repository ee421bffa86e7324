/** `postern rename OLD NEW`: another name for a server; its entry stays where it is, and its secrets too. */
import { Command, Option } from "commander"
import { findInScope } from "../config/find.ts"
import type { Scope, Server } from "../config/server.ts"
import { silentLog } from "../core/log.ts"
import type { Context } from "./context.ts"
import { keepApproval } from "./project-approval.ts"
import { posternCommand } from "../core/shell.ts"

interface Renamed {
  readonly name: string
  readonly formerName: string
  readonly file: string
  readonly scope: Scope
  /** Names of the vault that the entry refers to; they stay as they are. */
  readonly secrets: readonly string[]
}

/** `postern rename`: the name only; secrets and running bridges stay. */
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
      const { copyMemory } = await import("../bridge/memory-file.ts")
      const configuration = await context.configuration({}, formerName)
      const server = findInScope(configuration, formerName, options.scope)
      const { clock, signal } = context
      const amend = { configuration, surroundings: context, clock }
      // A sign-in goes by the server's name unless the entry says otherwise; the old name stays its label.
      const account = await labelToKeep(server, context)
      const file = await keepApproval(server, context, () => renameServer(server, { name, account }, amend, signal))
      await copyMemory(context.places.memory, server, { ...server, name, file }, silentLog)
      const renamed: Renamed = { name, formerName, file, scope: server.scope, secrets: secretsOf(server) }
      context.print(renamed, options.json, tell)
    })

/** @returns the label of a sign-in that would be lost with the name; undefined if there is none */
async function labelToKeep(server: Server, context: Context): Promise<string | undefined> {
  if (server.transport === "stdio" || server.oauth?.account !== undefined) return undefined
  const { labelOf, grantPrefix } = await import("../auth/oauth/owner.ts")
  const label = labelOf(server)
  const { vault } = await context.tools()
  return (await vault.list()).some((entry) => entry.name.startsWith(grantPrefix(label))) ? label : undefined
}

function tell({ name, formerName, file, scope, secrets }: Renamed): string {
  return [
    `Renamed "${formerName}" to "${name}" in ${file} (${scope}).`,
    ...(secrets.length === 0 ? [] : [`  The names of its secrets stay: ${secrets.map((one) => `vault:${one}`).join(", ")}.`]),
    `  note: Bridges that run go on; a client that starts "${posternCommand("run", formerName)}" has to be told the new name.`,
    `  next: ${posternCommand("run", name)}, in the configuration of each client`,
  ].join("\n")
}
