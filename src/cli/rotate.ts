/** `postern rotate NAME`: replaces the key of one server. */
import { Command } from "commander"
import { findEntry } from "../config/find.ts"
import { PosternError } from "../core/diagnosis.ts"
import { nobodyToAsk } from "./diagnoses.ts"
import type { Context } from "./context.ts"
import { usableBy } from "./get.ts"

export const rotateCommand = (context: Context): Command =>
  new Command("rotate")
    .description("replace the key of one server in its one place; running bridges pick it up")
    .argument("<name>", "the server, as `postern list` shows it")
    .argument("[dash]", "- reads the new key from standard input; without it you are asked")
    .option("--header <name>", "which header, or variable, where the server has several secrets")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExamples:\n  $ postern rotate weather-service\n  $ pass show weather | postern rotate weather-service -")
    .action(async (name: string, dash: string | undefined, options: { header?: string; json?: true }) => {
      const { findSecretPlace, rotateSecret } = await import("../auth/rotate.ts")
      const server = findEntry(await context.configuration(), name)
      const place = findSecretPlace(server, options.header)
      const question = `New ${place.key} for ${name} (it is not shown)`
      if (dash !== "-" && !context.interactive) throw new PosternError(nobodyToAsk({ question, instead: `postern rotate ${name} -` }))
      const tools = await context.tools()
      const entry = await rotateSecret(server, place, await context.readSecret(question), tools)
      const result = {
        server: name,
        key: place.key,
        storedIn: `vault:${entry.name}`,
        fingerprint: entry.fingerprint,
        usableBy: usableBy(await tools.vault.status()),
      }
      context.print(
        result,
        options.json,
        (r) =>
          `${r.server}: ${r.key} is now key ${r.fingerprint} in ${r.storedIn}; running bridges use it from their next message. Usable by ${r.usableBy}.`,
      )
    })
