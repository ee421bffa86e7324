/** What `enable` and `disable` have in common. */
import { Command, Option } from "commander"
import { findInScope } from "../config/find.ts"
import type { Scope } from "../config/server.ts"
import type { Context } from "./context.ts"
import { keepApproval } from "./project-approval.ts"
import { posternCommand } from "../core/shell.ts"

interface Switched {
  readonly name: string
  readonly file: string
  readonly scope: Scope
  readonly enabled: boolean
  /** False: it was so before. */
  readonly changed: boolean
}

interface Switch {
  readonly verb: "enable" | "disable"
  readonly on: boolean
  readonly description: string
}

/** The command that switches servers on, or the one that switches them off. */
export const switchCommand = (context: Context, { verb, on, description }: Switch): Command =>
  new Command(verb)
    .description(description)
    .argument("<name>", "the server, as `postern list` shows it")
    .addOption(new Option("--scope <scope>", "which one, where several scopes have it").choices(["user", "project", "local"]))
    .option("--json", "print the result as JSON")
    .addHelpText("after", `\nExample:\n  $ postern ${verb} weather-service`)
    .action(async (name: string, options: { scope?: Scope; json?: true }) => {
      const { switchServer } = await import("../config/amend.ts")
      const configuration = await context.configuration({}, name)
      const server = findInScope(configuration, name, options.scope)
      const { clock, signal } = context
      const { file, changed } = await keepApproval(server, context, () =>
        switchServer(server, on, { configuration, surroundings: context, clock }, signal),
      )
      const switched: Switched = { name, file, scope: server.scope, enabled: on, changed }
      context.print(switched, options.json, tell)
    })

function tell({ name, file, scope, enabled, changed }: Switched): string {
  const state = enabled ? "enabled" : "disabled"
  if (!changed) return `"${name}" was ${state} before, in ${file} (${scope}).`
  const then = enabled
    ? [`  next: ${posternCommand("tools", name)}`]
    : ["  note: Bridges that run go on until their client ends them; a new one is refused.", `  next: ${posternCommand("enable", name)}`]
  return [`"${name}" is ${state} now, in ${file} (${scope}).`, ...then].join("\n")
}
