/** `postern remove NAME`: the entry goes, and its secrets with it. */
import { Command, Option } from "commander"
import { unknownServer } from "../config/diagnoses.ts"
import type { Configuration } from "../config/files.ts"
import { findEntry } from "../config/find.ts"
import type { Scope, Server } from "../config/server.ts"
import { PosternError } from "../core/diagnosis.ts"
import type { Dismissed } from "../auth/dismiss.ts"
import type { Context } from "./context.ts"
import { EXIT_CODES } from "./exit.ts"
import { approveAsItIs, isNewOrApproved } from "./project-approval.ts"

export const removeCommand = (context: Context): Command =>
  new Command("remove")
    .description("remove a server, and forget its secrets")
    .argument("<name>", "the server, as `postern list` shows it")
    .addOption(new Option("--scope <scope>", "which one, where several scopes have it").choices(["user", "project", "local"]))
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern remove weather-service")
    .action(async (name: string, options: { scope?: Scope; json?: true }) => {
      const { dismissServer } = await import("../auth/dismiss.ts")
      const configuration = await context.configuration()
      const server = options.scope === undefined ? findEntry(configuration, name) : findInScope(configuration, name, options.scope)
      // Whoever may change an approved file has not made it a stranger's.
      const mayApprove = server.scope === "project" && (await isNewOrApproved(server.file, context))
      const dismissed = await dismissServer(server, { configuration, surroundings: context }, await context.tools(), context.signal)
      if (mayApprove) await approveAsItIs(server.file, context)
      context.print(dismissed, options.json, tell)
      if (dismissed.failure) context.exitWith(EXIT_CODES.failed)
    })

/** Also an entry that another scope's entry of the same name hides. */
function findInScope({ servers, shadowed }: Configuration, name: string, scope: Scope): Server {
  const inScope = [...servers, ...shadowed].filter((server) => server.scope === scope)
  const found = inScope.find((server) => server.name === name)
  if (found === undefined) throw new PosternError(unknownServer({ name, near: undefined, known: inScope.map((server) => server.name) }))
  return found
}

function tell({ server, file, removedSecrets, keptSecrets, leftSecrets, failure }: Dismissed): string {
  return [
    `Removed "${server}" from ${file}.`,
    ...removedSecrets.map((name) => `  The vault has forgotten ${name}. A key that is still valid can be revoked where it was issued.`),
    ...keptSecrets.map((name) => `  The vault keeps ${name}: another server refers to it.`),
    ...leftSecrets.map((name) => `  The vault could not forget ${name}: ${failure?.cause ?? ""}`),
    ...(failure ? [`  next: ${failure.next ?? ""}, then postern vault remove ${leftSecrets[0] ?? ""}`] : []),
  ].join("\n")
}
