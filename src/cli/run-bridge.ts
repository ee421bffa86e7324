/** What `postern run` does, apart from reading its words: apart, because a client waits for it, and the library that reads words costs a tenth of the start. */
import { constants, openSync, writeSync } from "node:fs"
import { MAX_FRAME_BYTES, runBridge } from "../bridge/bridge.ts"
import { stdioClient } from "../bridge/client/stdio.ts"
import { findServer } from "../config/find.ts"
import { type Log, jsonLog, silentLog } from "../core/log.ts"
import { posternCommand, shellWord } from "../core/shell.ts"
import type { Context } from "./context.ts"
import { EXIT_CODES, tellDiagnosis } from "./exit.ts"
import { serverWords } from "./server-words.ts"

/** The options of `run`, by the names that commander gives them. Each takes a value: any, or one of `words`, of which the first is meant where it is left out. */
export const RUN_OPTIONS = {
  config: { flag: "--config <file>", about: "read this file of the mcpServers shape, and no other" },
  log: { flag: "--log <file>", about: "append events to this file, without secrets and payloads" },
  signIn: {
    flag: "--sign-in <when>",
    words: ["ask", "eager", "never"],
    about: "have a person sign in when a call needs it, at the start too, or never: then only the command is told",
  },
  authPrompt: {
    flag: "--auth-prompt <offer>",
    words: ["on", "off"],
    about: "add a prompt auth to those of a server that one can sign in to",
  },
} as const

type Value<Option> = Option extends { readonly words: readonly (infer Word)[] } ? Word : string

/** One of them. */
export interface RunOption {
  readonly flag: string
  readonly words?: readonly string[]
  readonly about: string
}

/** The options of `run`. */
export type RunOptions = { readonly [Name in keyof typeof RUN_OPTIONS]?: Value<(typeof RUN_OPTIONS)[Name]> }

/**
 * Reads the words after `run`, where they are as a client's configuration has them: a name, and options apart from their values.
 *
 * @returns undefined for everything else, `--help` and typing errors included: the command in run.ts reads it, and tells of it
 */
export function readPlainRun(words: readonly string[]): { readonly name: string; readonly options: RunOptions } | undefined {
  const [name, ...rest] = words
  if (name === undefined || name.startsWith("-") || rest.length % 2 !== 0) return undefined
  const options: Record<string, string> = {}
  for (let at = 0; at < rest.length; at += 2) {
    const [option = "", value = ""] = [rest[at], rest[at + 1]]
    const [key, known] = Object.entries<RunOption>(RUN_OPTIONS).find(([, { flag }]) => flag.startsWith(`${option} `)) ?? []
    if (!key || value.startsWith("-") || known?.words?.includes(value) === false) return undefined
    options[key] = value
  }
  return { name, options }
}

/** Carries messages until the client has gone. */
export async function runServer(name: string, options: RunOptions, context: Context): Promise<void> {
  const { stdin, stdout, stderr, signal, note } = context
  // A client has pipes. Whoever types this by hand would look at a silent line.
  if (stdin.isTTY) {
    const look = posternCommand("tools", name, options.config === undefined ? "" : `--config ${shellWord(options.config)}`)
    note(`postern: note: a client starts this, and speaks MCP with it; Ctrl-D ends it. To look at the server: ${look}`)
  }
  await using words = serverWords(context, stderr.isTTY === true)
  const refused = await runBridge({
    name,
    findServer: async () => findServer(await context.configuration(options, name), name),
    client: stdioClient({ input: stdin, output: stdout, maxFrameBytes: MAX_FRAME_BYTES }),
    tools: await context.tools(),
    memoryFolder: context.places.memory,
    signIn: { mode: options.signIn ?? "ask", prompt: options.authPrompt !== "off" },
    log: options.log === undefined ? silentLog : logTo(options.log, context),
    stderr: words.hear,
    onRefused: (diagnosis) => note(tellDiagnosis(diagnosis)),
    signal,
  })
  if (refused) context.exitWith(EXIT_CODES[refused.kind])
}

/** A pipe that nobody reads is not waited for; Windows has no such flag, and no such pipe. */
const APPEND = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | (constants.O_NONBLOCK ?? 0)

/** Each event is written before the next step: what led to an end must not be lost with it. */
function logTo(file: string, { clock, redactor, note }: Context): Log {
  let descriptor: number | undefined
  let failed = false
  const write = (line: string): void => {
    try {
      descriptor ??= openSync(file, APPEND, 0o600)
      writeSync(descriptor, line)
    } catch (error) {
      // A wrong path or a full disk must not end the bridge; it is told once.
      if (!failed) note(`postern: note: the log cannot be written: ${error instanceof Error ? error.message : String(error)}`)
      failed = true
    }
  }
  return jsonLog(write, { clock, redactor })
}
