/** `postern logout NAME`: the sign-in is revoked where that is possible, and forgotten. The entry stays. */
import { Command } from "commander"
import type { SignedOut } from "../auth/oauth/sign-out.ts"
import { findEntry } from "../config/find.ts"
import { PosternError } from "../core/diagnosis.ts"
import type { Context } from "./context.ts"
import { usageWrong } from "./diagnoses.ts"

interface Result {
  readonly server: string
  /** Null: nobody had signed in. */
  readonly forgotten: string | null
  readonly revoked: boolean
  readonly failure: SignedOut["failure"] | null
}

/** `postern logout`: a revocation that fails is a note, since the sign-in is forgotten all the same. */
export const logoutCommand = (context: Context): Command =>
  new Command("logout")
    .description("sign out of a server: revoke the sign-in, and forget it; its entry stays")
    .argument("<name>", "the server, as `postern list` shows it")
    .option("--account <label>", "whose sign-in, where one server has several accounts")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern logout linear")
    .action(async (name: string, options: { account?: string; json?: true }) => {
      const { leave } = await import("../auth/oauth/leave.ts")
      const server = findEntry(await context.configuration(), name)
      if (server.transport === "stdio") {
        const problem = `"${name}" is a local server; there is no sign-in.`
        throw new PosternError(usageWrong({ problem, help: `postern get ${name}` }))
      }
      const left = await leave(server, options.account, await context.tools(), context.signal)
      const result: Result = {
        server: name,
        forgotten: left?.name ?? null,
        revoked: left?.revoked ?? false,
        failure: left?.failure ?? null,
      }
      context.print(result, options.json, tell)
    })

function tell({ server, forgotten, revoked, failure }: Result): string {
  if (forgotten === null) return `Nobody had signed in to "${server}".`
  const lines = [`Signed out of "${server}": the vault has forgotten ${forgotten}.`]
  if (revoked) return [...lines, "  Its tokens were revoked at the authorization server."].join("\n")
  return [
    ...lines,
    `  note: ${failure?.cause ?? ""}`,
    ...(failure?.evidence ?? []).map((seen) => `    - ${seen}`),
    ...(failure?.next === undefined ? [] : [`  next: ${failure.next}`]),
  ].join("\n")
}
