/** `postern logs FILE`: what `run --log FILE` wrote, for a person to read. */
import { once } from "node:events"
import { resolve } from "node:path"
import { Command } from "commander"
import { PosternError } from "../core/diagnosis.ts"
import type { FileLine } from "../core/file-lines.ts"
import type { Context } from "./context.ts"
import { logMissing, logUnreadable } from "./diagnoses.ts"

interface LogsOptions {
  readonly follow?: true
  readonly json?: true
}

/** `postern logs`: what `run --log` wrote, for a person. */
export const logsCommand = (context: Context): Command =>
  new Command("logs")
    .description("show the events that a bridge wrote with run --log FILE; there are neither secrets nor payloads in them")
    .argument("<file>", "the file that the bridge was given with --log")
    .option("--follow", "go on with what the bridge writes, until Ctrl-C")
    .option("--json", "print the lines as they are: one JSON object each")
    .addHelpText(
      "after",
      `
Examples:
  $ postern logs /tmp/weather.log
  $ postern logs /tmp/weather.log --follow

Such a log is written by a bridge that was started with it, in the configuration of a client:
  {"mcpServers": {"weather": {"command": "postern", "args": ["run", "weather", "--log", "/tmp/weather.log"]}}}`,
    )
    .action(async (given: string, options: LogsOptions) => {
      const { openLines } = await import("../core/file-lines.ts")
      const file = resolve(context.cwd, given)
      const { clock } = context
      const reader = new AbortController()
      context.stdout.once("error", () => reader.abort()) // whoever read it has gone, for example `head`
      const signal = AbortSignal.any([context.signal, reader.signal])
      const lines = await openLines(file, { follow: options.follow ?? false, clock }, signal)
      if (lines === undefined) throw await missing(context, given, file)
      const seen = await show(lines, options, context, signal)
      if (signal.aborted) return
      if (seen.others > 0 && seen.events === 0) throw new PosternError(logUnreadable({ file }))
      tellRest(seen, file, context)
    })

interface Seen {
  events: number
  /** Lines of something else. */
  others: number
  /** Whether the file ends in the middle of a line. */
  cut: boolean
}

async function show(lines: AsyncIterable<FileLine>, { json }: LogsOptions, context: Context, signal: AbortSignal): Promise<Seen> {
  const { readLogLine, tellLogEvent } = await import("../inspect/log-lines.ts")
  const { stdout, redactor } = context
  const seen: Seen = { events: 0, others: 0, cut: false }
  for await (const { text, whole } of lines) {
    const event = readLogLine(text)
    if (event !== undefined) {
      seen.events++
      const hasRoom = stdout.write(`${redactor.clean(json ? text : tellLogEvent(event))}\n`)
      if (!hasRoom) await once(stdout, "drain", { signal }).catch(() => undefined) // an end is seen by the loop
    } else if (!whole) seen.cut = true
    else if (text.trim() !== "") seen.others++
  }
  return seen
}

function tellRest({ events, others, cut }: Seen, file: string, { note }: Context): void {
  if (events === 0 && !cut) note(`postern: note: ${file} holds no event yet`)
  if (others > 0)
    note(
      `postern: note: ${others === 1 ? "one line was left out, since it is" : `${others} lines were left out, since they are`} no event of Postern`,
    )
  if (cut) note("postern: note: the last line is not finished, and was left out")
}

/** Whoever gives the name of a server here looks for a log that nobody has asked for. */
async function missing(context: Context, given: string, file: string): Promise<PosternError> {
  const { servers } = await context.configuration().catch((error: unknown) => {
    if (error instanceof PosternError) return { servers: [] } // that the log is missing is told, whatever else is wrong
    throw error
  })
  const isServer = servers.some(({ name }) => name === given)
  return new PosternError(logMissing({ file: isServer ? `${file}.log` : file, server: isServer ? given : undefined }))
}
