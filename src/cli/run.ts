/** `postern run NAME`: the bridge that a client starts as a local server. What it does stands in run-bridge.ts. */
import { Command, Option } from "commander"
import type { Context } from "./context.ts"
import { RUN_OPTIONS, type RunOption, type RunOptions, runServer } from "./run-bridge.ts"

/** `postern run`: what a client starts. */
export const runCommand = (context: Context): Command => {
  const command = new Command("run")
    .description("carry MCP messages between a client (standard input and output) and a server, with proof of identity")
    .argument("<name>", "the server, as `postern list` shows it")
  for (const { flag, words, about } of Object.values<RunOption>(RUN_OPTIONS)) {
    const option = new Option(flag, about)
    command.addOption(words ? option.choices(words) : option)
  }
  return command
    .addHelpText(
      "after",
      '\nExample, in the configuration of a client:\n  {"mcpServers": {"weather": {"command": "postern", "args": ["run", "weather"]}}}',
    )
    .action((name: string, options: RunOptions) => runServer(name, options, context))
}
