/** `postern run NAME`: the bridge that a client starts as a local server. */
import { openSync, writeSync } from "node:fs"
import { Command } from "commander"
import { findServer } from "../config/find.ts"
import { type Log, jsonLog, silentLog } from "../core/log.ts"
import { EXIT_CODES, tellDiagnosis } from "./exit.ts"
import type { Context } from "./context.ts"

interface RunOptions {
  readonly config?: string
  readonly log?: string
}

export const runCommand = (context: Context): Command =>
  new Command("run")
    .description("carry MCP messages between a client (standard input and output) and a server, with proof of identity")
    .argument("<name>", "the server, as `postern list` shows it")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--log <file>", "append events to this file, without secrets and payloads")
    .addHelpText(
      "after",
      '\nExample, in the configuration of a client:\n  {"mcpServers": {"weather": {"command": "postern", "args": ["run", "weather"]}}}',
    )
    .action(async (name: string, options: RunOptions) => {
      const { stdin, stdout, stderr, signal, note } = context
      const { runBridge, MAX_FRAME_BYTES } = await import("../bridge/bridge.ts")
      const { stdioClient } = await import("../bridge/client/stdio.ts")
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
    })

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
