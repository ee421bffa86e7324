/** `postern tools NAME`: what a server offers, asked through the bridge. */
import { Command } from "commander"
import type { OpenBridge } from "../bridge/connect.ts"
import { isObject } from "../core/json.ts"
import type { Context } from "./context.ts"
import { askServer } from "./one-shot.ts"
import { table } from "./table.ts"

interface Tool {
  readonly name: string
  readonly description?: string
}

/** A server that always names a next page must not keep us for ever. */
const MOST_PAGES = 1_000

/** `postern tools`: what a server offers, which also shows that the key is accepted. */
export const toolsCommand = (context: Context): Command =>
  new Command("tools")
    .description("list the tools of a server; a way to see that the key is accepted")
    .argument("<name>", "the server, as `postern list` shows it")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "print the result as JSON, schemas included")
    .addHelpText("after", "\nExample:\n  $ postern tools weather-service")
    .action(async (name: string, options: { config?: string; json?: true }) => {
      const tools = await askServer(context, { name, config: options.config }, listTools)
      context.print({ tools }, options.json, (result) =>
        result.tools.length === 0
          ? `"${name}" offers no tools.`
          : table(
              [["TOOL", "DESCRIPTION"], ...result.tools.map((tool) => [tool.name, firstLine(tool.description)])],
              context.stdout.columns,
            ),
      )
    })

async function listTools(bridge: OpenBridge): Promise<readonly Tool[]> {
  const tools: Tool[] = []
  let cursor: string | undefined
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const result = await bridge.request("tools/list", cursor === undefined ? {} : { cursor })
    const { tools: page, nextCursor } = isObject(result) ? result : {}
    if (Array.isArray(page)) tools.push(...page.filter(isTool))
    if (typeof nextCursor !== "string" || nextCursor === cursor) break
    cursor = nextCursor
  }
  return tools
}

function isTool(value: unknown): value is Tool {
  return typeof value === "object" && value !== null && "name" in value && typeof value.name === "string"
}

function firstLine(text: unknown): string {
  const line = typeof text === "string" ? (text.trim().split("\n")[0] ?? "") : ""
  return line.length > 100 ? `${line.slice(0, 99)}…` : line
}
