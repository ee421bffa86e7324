/** Makes the context of a command from its process. */
import { resolve } from "node:path"
import { nobodyToAsk } from "../auth/diagnoses.ts"
import { openTools } from "../auth/open-tools.ts"
import type { AuthTools } from "../auth/tools.ts"
import { loadConfiguration } from "../config/files.ts"
import { systemClock } from "../core/clock.ts"
import { type Diagnosis, PosternError } from "../core/diagnosis.ts"
import { findPlaces } from "../core/places.ts"
import { createRedactor, escapeControls, inOneLine } from "../core/redact.ts"
import type { Context, Process } from "./context.ts"
import { MOST_JSON_BYTES, MOST_SECRET_BYTES, readPipe, terminalInteraction } from "./terminal.ts"

/** @param onExitCode - hears the exit code of a command that did its work and still has something to say */
export function createContext(process: Process, onExitCode: (code: number) => void): Context {
  const places = findPlaces(process.env)
  const redactor = createRedactor()
  const interactive = process.stdin.isTTY === true && process.stderr.isTTY === true
  const note = (text: string): void => void process.stderr.write(`${redactor.clean(text)}\n`)
  const { stdin, stderr, env } = process
  const terminal = { stdin, stderr, env, interactive, note }
  const interaction = terminalInteraction(terminal, { browser: true })
  let pipeWasRead = false
  /** One for each command: a passphrase is asked for once. */
  let tools: AuthTools | undefined

  const makeTools = (): AuthTools => {
    const { clock, signal } = process
    const person = interactive ? { askSecret: (question: string) => interaction.askSecret(question, signal) } : {}
    const tell = ({ cause, next }: Diagnosis): void => note(inOneLine(`postern: note: ${cause}${next === undefined ? "" : ` (${next})`}`))
    return openTools({ env, places, clock, redactor, note, tell, signal, ...person })
  }

  const readPiped = async (question: string, mostBytes: number): Promise<string> => {
    // A second secret from the same pipe would be empty, and a terminal without stderr cannot hide what is typed.
    if (pipeWasRead || process.stdin.isTTY) {
      throw new PosternError(
        nobodyToAsk({ question, instead: "write ${vault:NAME} for the others, and store each with postern vault set NAME -" }),
      )
    }
    pipeWasRead = true
    return readPipe(process.stdin, mostBytes, process.signal)
  }

  return {
    ...process,
    places,
    redactor,
    interaction,
    interactionWithoutBrowser: terminalInteraction(terminal, { browser: false }),
    interactive,
    note,
    exitWith: onExitCode,

    async tools() {
      tools ??= makeTools()
      return tools
    },

    async configuration({ config } = {}, about) {
      const { cwd } = process
      const configuration = await loadConfiguration({ cwd, env, places, ...(config === undefined ? {} : { configFile: config }) })
      const told = configuration.warnings.filter(({ server }) => about === undefined || server === undefined || server === about)
      for (const { cause, evidence } of told) note(inOneLine(`postern: note: ${cause} (${evidence.join("; ")})`))
      return configuration
    },

    async readSecret(question) {
      return interactive ? interaction.askSecret(question, process.signal) : readPiped(question, MOST_SECRET_BYTES)
    },

    async readJson(question) {
      if (!interactive) return readPiped(question, MOST_JSON_BYTES)
      return (await import("./prompt.ts")).promptJson(question, process, process.signal)
    },

    print(result, asJson, text, json) {
      // Inside of a JSON text, what steers a terminal stands in strings only, where an escape means the same.
      const shown = asJson ? escapeControls(json ?? JSON.stringify(result, null, 2)) : redactor.clean(text(result))
      process.stdout.write(`${shown}\n`)
    },
  }
}

/** The process as it really is. */
export function thisProcess(version: string, signal: AbortSignal): Process {
  const { argv, env, stdin, stdout, stderr } = process
  // Whoever reads us may go at any time. A pipe that breaks is no fault of ours, and ends nothing by itself.
  for (const stream of [stdout, stderr]) stream.on("error", () => undefined)
  return { argv: argv.slice(2), env, cwd: workingFolder(), stdin, stdout, stderr, signal, clock: systemClock, version }
}

/** A folder that was removed under whoever stands in it has no name for the system any more; the shell still knows the one that it had. */
function workingFolder(): string {
  try {
    return process.cwd()
  } catch {
    return resolve("/", process.env["PWD"] ?? "")
  }
}
