/** `postern add`: takes a server in, in one step. */
import { Command, Option } from "commander"
import { PosternError } from "../core/diagnosis.ts"
import { quote } from "../core/redact.ts"
import { usageWrong } from "./diagnoses.ts"
import type { Context } from "./context.ts"
import { enrollAndTell, type EnrollOptions } from "./enrolled.ts"

interface AddOptions extends EnrollOptions {
  readonly transport?: "http" | "stdio"
  readonly header: readonly string[]
  readonly env: readonly string[]
  readonly headersCommand?: string
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value]

export const addCommand = (context: Context): Command =>
  new Command("add")
    .description("add a server; literal secrets go to the vault, the file holds references")
    .usage("[options] NAME URL\n       postern add [options] NAME -- COMMAND [ARGS...]")
    .argument("<name>", "letters, digits, - _ .")
    .argument("[words...]", "the address, or after -- the command and its arguments")
    .addOption(new Option("--transport <transport>", "how the server is reached").choices(["http", "stdio"]))
    .option("--header <header>", "a header, 'Name: value'; again and again. - as the credential asks for it", collect, [])
    .option("--env <assignment>", "a variable for a local server, NAME=value; again and again", collect, [])
    .option("--headers-command <command>", "a command line that prints the headers as a JSON object")
    .addOption(
      new Option("--scope <scope>", "who has it: you everywhere, everybody in this project, you in this project")
        .choices(["user", "project", "local"])
        .default("user"),
    )
    .addOption(new Option("--environment <label>", "a label for a person").choices(["dev", "staging", "prod"]))
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ postern add weather --transport http --header 'Authorization: Bearer -' https://api.example.com/mcp
  $ postern add weather --header 'Authorization: Bearer \${APP_API_TOKEN}' https://api.example.com/mcp
  $ postern add files --env LOG_LEVEL=debug -- node /path/to/server.js

In single quotes \${APP_API_TOKEN} is replaced when the connection starts; in double quotes your shell would put its value here.`,
    )
    .action(async (name: string, words: readonly string[], options: AddOptions) => {
      const entry = isLocal(context, words, options) ? localEntry(words, options) : await remoteEntry(context, words, options)
      await enrollAndTell(context, { name, entry }, options, options.header.some(isTypedSecret) || options.env.length > 0)
    })

const fail = (problem: string): never => {
  throw new PosternError(usageWrong({ problem, help: "postern add --help" }))
}

function isLocal({ argv }: Context, words: readonly string[], { transport }: AddOptions): boolean {
  const dashes = argv.indexOf("--")
  if (dashes !== -1 || transport === "stdio") {
    if (transport === "http") fail("A server of the transport http has an address, not a command.")
    if (words.length === 0) fail("After -- the command is missing.")
    return true
  }
  if (words.length === 0) fail("The address of the server is missing, or -- and its command.")
  if (words.length > 1 || !words[0]?.includes(":")) fail(`"${quote(words.join(" "), 60)}" is not an address; a command stands after --.`)
  return false
}

function localEntry([command = "", ...args]: readonly string[], options: AddOptions): Record<string, unknown> {
  if (options.header.length > 0 || options.headersCommand !== undefined) fail("A local server takes no headers; --env gives it variables.")
  const env = Object.fromEntries(
    options.env.map((assignment) => {
      const at = assignment.indexOf("=")
      if (at < 1) fail(`--env "${quote(at === -1 ? assignment : "", 40)}" is not NAME=value.`)
      return [assignment.slice(0, at), assignment.slice(at + 1)]
    }),
  )
  return { type: "stdio", command, args, ...(options.env.length > 0 ? { env } : {}), ...label(options) }
}

async function remoteEntry(context: Context, [url = ""]: readonly string[], options: AddOptions): Promise<Record<string, unknown>> {
  if (options.env.length > 0) fail("A server with an address takes no --env; --header gives it headers.")
  const headers: Record<string, string> = {}
  for (const header of options.header) {
    const [, name, value] = /^([^:]+):(.*)$/s.exec(header) ?? []
    // The text may hold a secret even where it is no header, so it is not repeated.
    if (name === undefined || value === undefined) return fail("A --header is not 'Name: value' (a colon is missing).")
    if (Object.hasOwn(headers, name.trim())) fail(`The header ${quote(name.trim(), 40)} is given twice.`)
    headers[name.trim()] = await askedFor(context, name.trim(), value.trim())
  }
  return {
    type: "http",
    url,
    ...(options.header.length > 0 ? { headers } : {}),
    ...(options.headersCommand === undefined ? {} : { headersHelper: options.headersCommand }),
    ...label(options),
  }
}

const label = ({ environment }: AddOptions): { environment?: string } => (environment === undefined ? {} : { environment })

/** `-`, or a scheme and `-`, stands for a secret that is asked for. */
async function askedFor(context: Context, name: string, value: string): Promise<string> {
  const [, scheme = "", dash] = /^(?:(\S+) +)?(-)$/.exec(value) ?? []
  if (dash === undefined) return value
  const secret = await context.readSecret(`${name} (it is not shown)`)
  // Whoever pastes the whole header value means the same.
  return scheme === "" || secret.toLowerCase().startsWith(`${scheme.toLowerCase()} `) ? secret : `${scheme} ${secret}`
}

/** Whether a header was given with its value, so that the shell's history may hold it. */
const isTypedSecret = (header: string): boolean => !/(^|[:\s])-$/.test(header)
