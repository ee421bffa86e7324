/** The command line: finds the command, runs it, and turns what it throws into text and an exit code. */
import { Command, CommanderError } from "commander"
import { PosternError } from "../core/diagnosis.ts"
import { commands, isCommand } from "./commands.ts"
import type { Context, Process } from "./context.ts"
import { createContext } from "./create-context.ts"
import { interrupted, usageWrong } from "./diagnoses.ts"
import { EXIT_CODES, errorObject, exitCodeOf, tellDiagnosis, tellFault } from "./exit.ts"

/**
 * Runs one command line.
 *
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 3 sign-in needed, 4 refused by a guard
 */
export async function main(process: Process): Promise<number> {
  let exitCode = 0
  const context = createContext(process, (code) => (exitCode = code))
  try {
    const program = await buildProgram(process.argv, context)
    await program.parseAsync([...process.argv], { from: "user" })
    return exitCode
  } catch (error) {
    return fail(process.signal.aborted ? new PosternError(interrupted({})) : error, context)
  }
}

/** Only the command that is called is loaded; help, unknown words and the completion, which tells of all, load them all. */
async function buildProgram(argv: readonly string[], context: Context): Promise<Command> {
  const program = new Command("postern")
    .description("The authentication layer between MCP clients and MCP servers.")
    .version(context.version, "-v, --version", "print the version")
    .enablePositionalOptions()
    .addHelpText(
      "after",
      `
Examples:
  $ postern add weather --transport http --header 'Authorization: Bearer -' https://api.example.com/mcp
  $ postern list
  $ postern run weather        (what a client starts; it speaks MCP on standard input and output)

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 sign-in needed, 4 refused by a guard.`,
    )
  const called = argv[0] ?? ""
  const names = isCommand(called) && called !== "completion" ? [called] : (Object.keys(commands) as (keyof typeof commands)[]) // its own keys
  for (const name of names) program.addCommand(await commands[name](context))
  for (const command of withSubcommands(program)) {
    command
      .exitOverride()
      .configureOutput({
        writeOut: (text) => void context.stdout.write(text),
        writeErr: (text) => void context.stderr.write(text),
        outputError: () => undefined, // `fail` tells it, with the way to the help
      })
      .showSuggestionAfterError()
  }
  return program
}

const withSubcommands = (command: Command): Command[] => [command, ...command.commands.flatMap(withSubcommands)]

function fail(error: unknown, context: Context): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0 // help and version were printed
    const problem = sayProblem(error.message)
    const called = context.argv.find((word) => !word.startsWith("-")) ?? ""
    const help = `postern ${isCommand(called) ? `${called} ` : ""}--help`
    // Bare `postern` and `postern vault` print their help as an error without words.
    if (error.code === "commander.help") return EXIT_CODES.usage
    return fail(new PosternError(usageWrong({ problem, help })), context)
  }
  const dashes = context.argv.indexOf("--") // what comes after it is for another program
  const asJson = context.argv.slice(0, dashes === -1 ? undefined : dashes).includes("--json")
  if (!(error instanceof PosternError)) context.note(tellFault(error, context.env["POSTERN_DEBUG"] !== undefined))
  else if (asJson) context.stdout.write(`${context.redactor.clean(JSON.stringify(errorObject(error.diagnosis), null, 2))}\n`)
  else context.note(tellDiagnosis(error.diagnosis))
  return exitCodeOf(error)
}

/** What commander says, as one of our sentences. The value of an option that it does not know may be a secret. */
function sayProblem(message: string): string {
  const problem = message
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ")
    .replace(/^(unknown option '[^'=]+)=.*'/s, "$1'")
    .replace(/\.*$/, ".")
  return `${problem.charAt(0).toUpperCase()}${problem.slice(1)}`
}
