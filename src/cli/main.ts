/** The command line: runs what it asks for, and turns what is thrown into text and an exit code. */
import type { Writable } from "node:stream"
import { orAborted } from "../core/abort.ts"
import { type Diagnosis, PosternError } from "../core/diagnosis.ts"
import type { Redactor } from "../core/redact.ts"
import type { Context, Process } from "./context.ts"
import { createContext } from "./create-context.ts"
import { interrupted, outputLost } from "./diagnoses.ts"
import { errorObject, exitCodeOf, tellDiagnosis, tellFault } from "./exit.ts"
import { readPlainRun, runServer } from "./run-bridge.ts"

/**
 * Runs one command line.
 *
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 3 sign-in needed, 4 refused by a guard
 */
export async function main(process: Process): Promise<number> {
  let exitCode = 0
  const output = watchOutput(process.stdout)
  const context = createContext(process, (code) => (exitCode = code))
  try {
    const [called, ...words] = process.argv
    const plain = called === "run" ? readPlainRun(words) : undefined
    if (plain !== undefined) await runServer(plain.name, plain.options, context)
    else exitCode = (await (await import("./program.ts")).runCommandLine(context)) ?? exitCode
    // A client has its time to read the last words of a bridge; a person at a pager has all the time there is.
    if (called !== "run") await output.taken(process.signal)
    const errno = output.lostBy()
    if (errno !== undefined) throw new PosternError(outputLost({ errno }))
    return exitCode
  } catch (error) {
    return fail(process.signal.aborted ? new PosternError(interrupted({})) : error, context, output)
  }
}

/** What becomes of standard output. */
interface Output {
  /** @returns why it takes nothing, as a code of the system; undefined while it does, and where its reader has gone (`| head`) */
  lostBy(): string | undefined
  /**
   * Waits until all that was written is taken, or nobody is left to take it; not at all where the signal has aborted before.
   *
   * @throws the signal's reason when it aborts meanwhile
   */
  taken(signal: AbortSignal): Promise<void>
}

/** A disk that is full is a failure, also for a script that looks at the exit code only. */
function watchOutput(stdout: Writable): Output {
  let failure: NodeJS.ErrnoException | undefined // what a stream fails with is of the system
  stdout.once("error", (error) => (failure = error)) // Node.js takes a standard stream for whole again a moment later
  return {
    lostBy() {
      const { code = "unknown" } = failure ?? (stdout.errored as NodeJS.ErrnoException | null) ?? { code: "EPIPE" }
      return code === "EPIPE" ? undefined : code
    },
    async taken(signal) {
      if (signal.aborted) return
      const taken = new Promise<void>((resolve) => stdout.write("", () => resolve())) // called when all before it is out, or is lost
      await orAborted(taken, signal)
    },
  }
}

function fail(error: unknown, context: Context, output: Output): number {
  const dashes = context.argv.indexOf("--") // what comes after it is for another program
  const asJson = context.argv.slice(0, dashes === -1 ? undefined : dashes).includes("--json")
  if (!(error instanceof PosternError)) context.note(tellFault(error, context.env["POSTERN_DEBUG"] !== undefined))
  else {
    if (asJson) context.stdout.write(`${errorText(error.diagnosis, context.redactor)}\n`)
    if (!asJson || output.lostBy() !== undefined) context.note(tellDiagnosis(error.diagnosis))
  }
  return exitCodeOf(error)
}

/** Each text is cleaned before it is encoded: JSON writes a secret with a quote or a backslash in another way. */
function errorText(diagnosis: Diagnosis, { clean }: Redactor): string {
  return JSON.stringify(errorObject(diagnosis), (_, value: unknown) => (typeof value === "string" ? clean(value) : value), 2)
}
