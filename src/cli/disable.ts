/** `postern disable NAME`: switches a server off; its entry and its secrets stay. */
import type { Command } from "commander"
import type { Context } from "./context.ts"
import { switchCommand } from "./switched.ts"

/** `postern disable`: keeps an entry, and uses it no more. */
export const disableCommand = (context: Context): Command =>
  switchCommand(context, { verb: "disable", on: false, description: "switch a server off; its entry and its secrets stay" })
