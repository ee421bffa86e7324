/** `postern add-json NAME JSON`: takes in an entry as other clients' documentation prints it. */
import { Command, Option } from "commander"
import { nestingProblem } from "../config/nesting.ts"
import { PosternError } from "../core/diagnosis.ts"
import { isObject, parseJson } from "../core/json.ts"
import type { Context } from "./context.ts"
import { usageWrong } from "./diagnoses.ts"
import { enrollAndTell, type EnrollOptions } from "./enrolled.ts"

/** `projects`, a folder in it, `mcpServers`, and the file itself. */
const MOST_LEVELS_AROUND = 4

/** `postern add-json`: takes a server in as a documentation prints it. */
export const addJsonCommand = (context: Context): Command =>
  new Command("add-json")
    .description("add a server from its JSON entry; literal secrets go to the vault")
    .argument("<name>", "letters, digits, - _ .")
    .argument("<json>", "the entry, or - to read it from standard input")
    .addOption(new Option("--scope <scope>", "who has it").choices(["user", "project", "local"]).default("user"))
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `\nExample:\n  $ postern add-json data-tool '{"type":"http","url":"https://api.example.com/mcp","headers":{"X-Org-Id":"org-888"}}'`,
    )
    .action(async (name: string, json: string, options: EnrollOptions) => {
      const entry = parseEntryText(json === "-" ? await context.readJson("The JSON entry") : json, name)
      await enrollAndTell(context, { name, entry }, options, json === "-" ? "pipe" : "json")
    })

/** Takes the entry itself, and forgives the whole `mcpServers` block around it. What it says is never repeated: it may hold secrets. */
function parseEntryText(text: string, name: string): Readonly<Record<string, unknown>> {
  const fail = (problem: string): never => {
    throw new PosternError(usageWrong({ problem, help: "postern add-json --help" }))
  }
  const parsed = parseJson(text)
  if (parsed === undefined) return fail("The entry is not JSON; in most shells it stands in single quotes.")
  if (!isObject(parsed)) return fail("The entry is not a JSON object.")
  const problem = nestingProblem(text, MOST_LEVELS_AROUND)
  if (problem !== undefined) return fail(`The entry cannot stand in a configuration: ${problem}.`)
  const { mcpServers } = parsed
  if (!isObject(mcpServers)) return parsed
  const inner = mcpServers[name]
  return isObject(inner) ? inner : fail(`The JSON is a whole mcpServers block without an entry named "${name}".`)
}
