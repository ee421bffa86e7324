/** `postern remove NAME`: the entry goes, and its secrets with it. */
import { Command, Option } from "commander"
import { findInScope } from "../config/find.ts"
import type { Scope } from "../config/server.ts"
import type { Dismissed } from "../auth/dismiss.ts"
import type { Context } from "./context.ts"
import { EXIT_CODES } from "./exit.ts"
import { keepApproval } from "./project-approval.ts"
import { posternCommand } from "../core/shell.ts"

/** `postern remove`: the entry, and the secrets that nothing else refers to. */
export const removeCommand = (context: Context): Command =>
  new Command("remove")
    .description("remove a server, and forget its secrets")
    .argument("<name>", "the server, as `postern list` shows it")
    .addOption(new Option("--scope <scope>", "which one, where several scopes have it").choices(["user", "project", "local"]))
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern remove weather-service")
    .action(async (name: string, options: { scope?: Scope; json?: true }) => {
      const { dismissServer } = await import("../auth/dismiss.ts")
      const configuration = await context.configuration({}, name)
      const server = findInScope(configuration, name, options.scope)
      const tools = await context.tools()
      const dismissed = await keepApproval(server, context, () =>
        dismissServer(server, { configuration, surroundings: context }, tools, context.signal),
      )
      context.print(dismissed, options.json, tell)
      if (dismissed.failure) context.exitWith(EXIT_CODES.failed)
    })

function tell({ server, file, trusted, removedSecrets, keptSecrets, leftSecrets, failure, signedOut }: Dismissed): string {
  const why = trusted ? "another server refers to it" : "the project file was not approved as it was"
  return [
    `Removed "${server}" from ${file}.`,
    ...removedSecrets.map((name) => `  The vault has forgotten ${name}. A key that is still valid can be revoked where it was issued.`),
    ...keptSecrets.map((name) => `  The vault keeps ${name}: ${why}.`),
    ...signedOut.flatMap(tellSignedOut),
    ...leftSecrets.map((name) => `  The vault could not forget ${name}: ${failure?.cause ?? ""}`),
    ...(failure ? tellFailure(failure, leftSecrets) : []),
  ].join("\n")
}

function tellFailure({ cause, next = "try again" }: NonNullable<Dismissed["failure"]>, [left]: readonly string[]): string[] {
  if (left !== undefined) return [`  next: ${next}, then ${posternCommand("vault remove", left)}`]
  return [`  Whether somebody had signed in to it could not be seen: ${cause}`, `  next: ${next}`]
}

function tellSignedOut({ name, revoked, failure }: Dismissed["signedOut"][number]): string[] {
  const forgotten = `  The vault has forgotten the sign-in ${name}`
  if (revoked) return [`${forgotten}, and its tokens were revoked at the authorization server.`]
  return [`${forgotten}. ${failure?.cause ?? ""}`, ...(failure?.next === undefined ? [] : [`  next: ${failure.next}`])]
}
