/** What `postern run` does, apart from reading its words: apart, because a client waits for it, and the library that reads words costs a tenth of the start. */
import { openSync, writeSync } from "node:fs"
import { MAX_FRAME_BYTES, runBridge } from "../bridge/bridge.ts"
import { stdioClient } from "../bridge/client/stdio.ts"
import { findServer } from "../config/find.ts"
import { type Log, jsonLog, silentLog } from "../core/log.ts"
import type { Context } from "./context.ts"
import { EXIT_CODES, tellDiagnosis } from "./exit.ts"

/** The options of `run`; each takes a value. */
export const RUN_OPTIONS = {
  config: { value: "<file>", about: "read this file of the mcpServers shape, and no other" },
  log: { value: "<file>", about: "append events to this file, without secrets and payloads" },
} as const

export type RunOptions = { readonly [Name in keyof typeof RUN_OPTIONS]?: string }

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
    const known = Object.keys(RUN_OPTIONS).find((one) => option === `--${one}`)
    if (known === undefined || value.startsWith("-")) return undefined
    options[known] = value
  }
  return { name, options }
}

/** Carries messages until the client has gone. */
export async function runServer(name: string, options: RunOptions, context: Context): Promise<void> {
  const { stdin, stdout, stderr, signal, note } = context
  const refused = await runBridge({
    name,
    findServer: async () => findServer(await context.configuration(options), name),
    client: stdioClient({ input: stdin, output: stdout, maxFrameBytes: MAX_FRAME_BYTES }),
    tools: await context.tools(),
    memoryFolder: context.places.memory,
    log: options.log === undefined ? silentLog : logTo(options.log, context),
    stderr: (chunk) => void stderr.write(chunk),
    onRefused: (diagnosis) => note(tellDiagnosis(diagnosis)),
    signal,
  })
  if (refused) context.exitWith(EXIT_CODES[refused.kind])
}

/** Each event is written before the next step: what led to an end must not be lost with it. */
function logTo(file: string, { clock, redactor, note }: Context): Log {
  let descriptor: number | undefined
  let failed = false
  const write = (line: string): void => {
    try {
      descriptor ??= openSync(file, "a", 0o600)
      writeSync(descriptor, line)
    } catch (error) {
      // A wrong path or a full disk must not end the bridge; it is told once.
      if (!failed) note(`postern: note: the log cannot be written: ${error instanceof Error ? error.message : String(error)}`)
      failed = true
    }
  }
  return jsonLog(write, { clock, redactor })
}
