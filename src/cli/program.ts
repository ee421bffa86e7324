/** The words of a command line, read by commander: which command is called, with which arguments and options. */
import { Command, CommanderError } from "commander"
import { PosternError } from "../core/diagnosis.ts"
import { commands, isCommand } from "./commands.ts"
import type { Context } from "./context.ts"
import { usageWrong } from "./diagnoses.ts"
import { EXIT_CODES } from "./exit.ts"

/**
 * Runs the command that the words call.
 *
 * @returns the exit code where commander had the last word: it printed help or the version
 * @throws {PosternError} `usage-wrong` for words that no command takes; what the command throws
 */
export async function runCommandLine(context: Context): Promise<number | undefined> {
  const program = await buildProgram(context.argv, context)
  const { words, path, command } = readCall(program, context.argv)
  try {
    await program.parseAsync([...words], { from: "user" })
    return undefined
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return 0
    // Bare `postern` and `postern vault` print their help as an error without words.
    if (error.code === "commander.help") return EXIT_CODES.usage
    throw new PosternError(usageWrong({ problem: sayProblem(error.message, command), help: ["postern", ...path, "--help"].join(" ") }))
  }
}

/** What commander is to read, and the command that it calls, word by word. */
interface Call {
  readonly words: readonly string[]
  readonly path: readonly string[]
  readonly command: Command
}

/** `help X` is `X --help`. A word that is no command is told as that, and not passed over for the sake of a `--help` behind it. */
function readCall(program: Command, argv: readonly string[]): Call {
  const path: string[] = []
  let command = program
  for (const [at, word] of argv.entries()) {
    if (command.commands.length === 0 || word.startsWith("-")) break
    if (word === "help") return readCall(program, [...path, ...argv.slice(at + 1), "--help"])
    const called = command.commands.find((one) => one.name() === word)
    if (called === undefined) return { words: [...path, word], path, command }
    path.push(word)
    command = called
  }
  return { words: argv, path, command }
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
      .helpCommand(false) // `readCall` knows it
      .exitOverride()
      .configureOutput({
        writeOut: (text) => void context.stdout.write(text),
        writeErr: (text) => void context.stderr.write(text),
        outputError: () => undefined, // `main` tells it, with the way to the help
      })
      .showSuggestionAfterError()
  }
  return program
}

const withSubcommands = (command: Command): Command[] => [command, ...command.commands.flatMap(withSubcommands)]

/** What commander says, as one of our sentences. The value of an option that it does not know may be a secret. */
function sayProblem(message: string, { options }: Command): string {
  const [, valued] = /^error: unknown option '([^'=]+)=/.exec(message) ?? []
  if (valued !== undefined && options.some(({ long }) => long === valued)) return `The option '${valued}' takes no value.`
  const problem = message
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ")
    .replace(/^(unknown option '[^'=]+)=.*'/s, "$1'")
    .replace(/\.*$/, ".")
  return `${problem.charAt(0).toUpperCase()}${problem.slice(1)}`
}
