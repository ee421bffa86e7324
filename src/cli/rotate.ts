/** `postern rotate NAME`: replaces the key of one server. */
import { Command } from "commander"
import { findEntry } from "../config/find.ts"
import { PosternError } from "../core/diagnosis.ts"
import { posternCommand } from "../core/shell.ts"
import { nobodyToAsk } from "../auth/diagnoses.ts"
import { refuseTyped } from "./typed-secret.ts"
import type { Context } from "./context.ts"
import { keptSecret, tellLifeAndReach } from "./kept-secret.ts"

/** `postern rotate`: a new key in the place of the old one. */
export const rotateCommand = (context: Context): Command =>
  new Command("rotate")
    .description("replace the key of one server in its one place; running bridges pick it up")
    .argument("<name>", "the server, as `postern list` shows it")
    .argument("[dash]", "- reads the new key from standard input; without it you are asked")
    .option("--header <name>", "which header, variable or parameter, where the server has several secrets")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExamples:\n  $ postern rotate weather-service\n  $ pass show weather | postern rotate weather-service -")
    .action(async (name: string, dash: string | undefined, options: { header?: string; json?: true }) => {
      const { findSecretPlace, rotateSecret } = await import("../auth/rotate.ts")
      const server = findEntry(await context.configuration({}, name), name)
      const place = findSecretPlace(server, options.header)
      const question = `New ${place.key} for ${name} (it is not shown)`
      refuseTyped(dash, `${posternCommand("rotate", name)} -`)
      if (dash !== "-" && !context.interactive)
        throw new PosternError(nobodyToAsk({ question, instead: `${posternCommand("rotate", name)} -` }))
      const tools = await context.tools()
      const entry = await rotateSecret(server, place, await context.readSecret(question), tools)
      const result = { server: name, ...keptSecret(place.key, entry, await tools.vault.status()) }
      // An address and a process are what they are from the start of a connection on.
      const when = place.kind === "header" ? "running bridges use it from their next message" : "bridges use it from their next start"
      context.print(
        result,
        options.json,
        (r) => `${r.server}: ${r.key} is now key ${r.fingerprint} in ${r.storedIn}; ${when}. ${tellLifeAndReach(r)}`,
      )
    })
