/** All commands: one line each. The key is the word that a person types; each is loaded when it is called. */
import type { Command } from "commander"
import type { Context } from "./context.ts"

type MakeCommand = (context: Context) => Promise<Command>

/** All commands, each loaded when it is called. */
export const commands = {
  add: async (context) => (await import("./add.ts")).addCommand(context),
  "add-json": async (context) => (await import("./add-json.ts")).addJsonCommand(context),
  list: async (context) => (await import("./list.ts")).listCommand(context),
  get: async (context) => (await import("./get.ts")).getCommand(context),
  remove: async (context) => (await import("./remove.ts")).removeCommand(context),
  rename: async (context) => (await import("./rename.ts")).renameCommand(context),
  enable: async (context) => (await import("./enable.ts")).enableCommand(context),
  disable: async (context) => (await import("./disable.ts")).disableCommand(context),
  run: async (context) => (await import("./run.ts")).runCommand(context),
  logs: async (context) => (await import("./logs.ts")).logsCommand(context),
  tools: async (context) => (await import("./tools.ts")).toolsCommand(context),
  call: async (context) => (await import("./call.ts")).callCommand(context),
  headers: async (context) => (await import("./headers.ts")).headersCommand(context),
  auth: async (context) => (await import("./auth.ts")).authCommand(context),
  login: async (context) => (await import("./auth.ts")).authCommand(context, "login"),
  logout: async (context) => (await import("./logout.ts")).logoutCommand(context),
  oauth: async (context) => (await import("./oauth.ts")).oauthCommand(context),
  rotate: async (context) => (await import("./rotate.ts")).rotateCommand(context),
  trust: async (context) => (await import("./trust.ts")).trustCommand(context),
  aws: async (context) => (await import("./aws.ts")).awsCommand(context),
  completion: async (context) => (await import("./completion.ts")).completionCommand(context),
  vault: async (context) => (await import("./vault.ts")).vaultCommand(context),
} satisfies Record<string, MakeCommand>

/** Whether a word is a command. */
export function isCommand(word: string): word is keyof typeof commands {
  return Object.hasOwn(commands, word)
}
