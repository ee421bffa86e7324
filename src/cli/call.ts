/** `postern call NAME TOOL`: one tool call through the bridge. */
import { Command } from "commander"
import { PosternError } from "../core/diagnosis.ts"
import { isObject, parseJson } from "../core/json.ts"
import type { Context } from "./context.ts"
import { toolFailed, usageWrong } from "./diagnoses.ts"
import { askServer } from "./one-shot.ts"
import { splitPair } from "./pairs.ts"

/** A result as it should be; a server may send anything in its place, and in that of its parts. */
interface ToolResult {
  readonly content?: unknown
  readonly isError?: unknown
}

/** `postern call`: one call of a tool. */
export const callCommand = (context: Context): Command =>
  new Command("call")
    .description("call one tool of a server")
    .argument("<name>", "the server, as `postern list` shows it")
    .argument("<tool>", "the tool, as `postern tools NAME` shows it")
    .argument("[arguments...]", "key=value pairs (a value that is JSON counts as that), one JSON object, or - for standard input")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "print the whole result as JSON")
    .addHelpText(
      "after",
      '\nExamples:\n  $ postern call weather-service forecast city=Hanoi days=3\n  $ postern call weather-service forecast \'{"city": "Hanoi"}\'',
    )
    .action(async (name: string, tool: string, words: readonly string[], options: { config?: string; json?: true }) => {
      const toolArguments = await parseArguments(words, context)
      const text = await askServer(context, { name, config: options.config }, (bridge) =>
        bridge.requestText("tools/call", `{"name":${JSON.stringify(tool)},"arguments":${toolArguments}}`),
      )
      const answer = parseJson(text)
      const result: ToolResult = isObject(answer) ? answer : {}
      if (result.isError === true && !options.json) throw new PosternError(toolFailed({ server: name, tool, said: tell(result) }))
      context.print(result, options.json, tell, text)
      if (result.isError === true) context.exitWith(1)
    })

/** @returns an object of JSON, in which each value stands as it was typed: no number is rounded */
async function parseArguments(words: readonly string[], context: Context): Promise<string> {
  const [first] = words
  if (words.length === 1 && first !== undefined && (first === "-" || first.trimStart().startsWith("{"))) {
    return checkObject(first === "-" ? await context.readJson("The arguments as JSON") : first)
  }
  const values = new Map<string, string>()
  for (const word of words) {
    const pair = splitPair(word)
    if (!pair) throw new PosternError(usageWrong({ problem: `"${word}" is not key=value.`, help: "postern call --help" }))
    const [name, value] = pair
    // `3` and `true` are what they look like; whoever wants a text writes `"3"`.
    values.set(name, parseJson(value) === undefined ? JSON.stringify(value) : value)
  }
  return `{${Array.from(values, ([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`
}

function checkObject(text: string): string {
  if (isObject(parseJson(text))) return text
  throw new PosternError(usageWrong({ problem: "The arguments are not a JSON object.", help: "postern call --help" }))
}

function tell({ content }: ToolResult): string {
  return (Array.isArray(content) ? content : []).map(tellPart).join("\n")
}

function tellPart(part: unknown): string {
  const { type, text } = isObject(part) ? part : {}
  if (typeof text === "string") return text
  return `[${typeof type === "string" ? type : "unknown"}]`
}
