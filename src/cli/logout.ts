/** `postern logout NAME`: the sign-in is revoked where that is possible, and forgotten. The entry stays. */
import { Command } from "commander"
import type { SignedOut } from "../auth/oauth/sign-out.ts"
import { findEntry } from "../config/find.ts"
import { PosternError } from "../core/diagnosis.ts"
import { silentLog } from "../core/log.ts"
import { posternCommand } from "../core/shell.ts"
import type { Context } from "./context.ts"
import { usageWrong } from "./diagnoses.ts"

interface Result {
  readonly server: string
  /** Each sign-in that the server had; none: nobody had signed in. */
  readonly signedOut: readonly SignedOut[]
}

/** `postern logout`: a revocation that fails is a note, since the sign-in is forgotten all the same. */
export const logoutCommand = (context: Context): Command =>
  new Command("logout")
    .description("sign out of a server: revoke the sign-in, and forget it; its entry stays")
    .argument("<name>", "the server, as `postern list` shows it")
    .option("--account <label>", "whose sign-in, where one server has several accounts")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern logout linear")
    .action(async (name: string, options: { account?: string; config?: string; json?: true }) => {
      const { leave } = await import("../auth/oauth/leave.ts")
      const server = findEntry(await context.configuration(options, name), name)
      if (server.transport === "stdio") {
        const problem = `"${name}" is a local server; there is no sign-in.`
        throw new PosternError(usageWrong({ problem, help: posternCommand("get", name) }))
      }
      const signedOut = await leave(server, options.account, await context.tools(), context.signal)
      if (signedOut.length > 0) {
        const { keepLocked } = await import("../bridge/door-memory.ts")
        const { memoryFile } = await import("../bridge/memory-file.ts")
        await keepLocked(memoryFile(context.places.memory, server, silentLog))
      }
      context.print({ server: name, signedOut } satisfies Result, options.json, tell)
    })

function tell({ server, signedOut }: Result): string {
  if (signedOut.length === 0) return `Nobody had signed in to "${server}".`
  return [`Signed out of "${server}".`, ...signedOut.flatMap(tellOne)].join("\n")
}

function tellOne({ name, revoked, failure }: SignedOut): string[] {
  const forgotten = `  The vault has forgotten ${name}`
  if (revoked) return [`${forgotten}, and its tokens were revoked at the authorization server.`]
  return [
    `${forgotten}.`,
    `  note: ${failure?.cause ?? ""}`,
    ...(failure?.evidence ?? []).map((seen) => `    - ${seen}`),
    ...(failure?.next === undefined ? [] : [`  next: ${failure.next}`]),
  ]
}
