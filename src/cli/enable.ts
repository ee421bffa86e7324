/** `postern enable NAME`: switches a server on again. */
import type { Command } from "commander"
import type { Context } from "./context.ts"
import { switchCommand } from "./switched.ts"

/** `postern enable`: uses an entry again. */
export const enableCommand = (context: Context): Command =>
  switchCommand(context, { verb: "enable", on: true, description: "switch a server on again" })
