/** `postern remove NAME`: the entry goes, and its secrets with it. */
import { Command } from "commander"
import { findEntry } from "../config/find.ts"
import type { Dismissed } from "../auth/dismiss.ts"
import type { Context } from "./context.ts"

export const removeCommand = (context: Context): Command =>
  new Command("remove")
    .description("remove a server, and forget its secrets")
    .argument("<name>", "the server, as `postern list` shows it")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern remove weather-service")
    .action(async (name: string, options: { json?: true }) => {
      const { dismissServer } = await import("../auth/dismiss.ts")
      const configuration = await context.configuration()
      const server = findEntry(configuration, name)
      const dismissed = await dismissServer(server, { configuration, surroundings: context }, await context.tools(), context.signal)
      context.print(dismissed, options.json, tell)
    })

function tell({ server, file, removedSecrets, keptSecrets }: Dismissed): string {
  return [
    `Removed "${server}" from ${file}.`,
    ...removedSecrets.map((name) => `  The vault has forgotten ${name}. A key that is still valid can be revoked where it was issued.`),
    ...keptSecrets.map((name) => `  The vault keeps ${name}: another server refers to it.`),
  ].join("\n")
}
