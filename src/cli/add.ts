/** `postern add`: takes a server in, in one step. */
import { Command, Option } from "commander"
import { CLIENT_SECRET } from "../auth/literals.ts"
import { checkServerName } from "../config/edit.ts"
import { PosternError } from "../core/diagnosis.ts"
import { quote } from "../core/redact.ts"
import { type OAuthOptions, hasOAuthOptions, oauthKeys, withOAuthOptions } from "./add-oauth-options.ts"
import { awsKeys, type AwsOptions, hasAwsOptions, withAwsOptions } from "./add-aws-options.ts"
import { tlsKeys, type TlsOptions, withTlsOptions } from "./add-tls-options.ts"
import { usageWrong } from "./diagnoses.ts"
import type { Context } from "./context.ts"
import { collect, splitPair } from "./pairs.ts"
import { enrollAndTell, type EnrollOptions } from "./enrolled.ts"

interface AddOptions extends EnrollOptions, AwsOptions, OAuthOptions, TlsOptions {
  readonly transport?: "http" | "sse" | "stdio"
  readonly header?: readonly string[]
  readonly env?: readonly string[]
  readonly headersCommand?: string
  readonly resumeTimeout?: string
}

/** `postern add`: parses, and hands over to `enrollServer`. */
export const addCommand = (context: Context): Command =>
  withTlsOptions(withAwsOptions(withOAuthOptions(withOwnOptions(new Command("add")))))
    .description("add a server; literal secrets go to the vault, the file holds references")
    .usage("[options] NAME URL\n       postern add [options] NAME -- COMMAND [ARGS...]")
    .argument("<name>", "letters, digits, - _ .")
    .argument("[words...]", "the address, or after -- the command and its arguments")
    .addHelpText(
      "after",
      `
Examples:
  $ postern add weather --transport http --header 'Authorization: Bearer -' https://api.example.com/mcp
  $ postern add weather --header 'Authorization: Bearer \${APP_API_TOKEN}' https://api.example.com/mcp
  $ postern add linear https://mcp.linear.app/mcp        (what it asks for is found out; then: postern auth linear)
  $ postern add files --env LOG_LEVEL=debug -- node /path/to/server.js
  $ postern add finance --aws --profile dev --pin-account 123456789012 https://abc123.execute-api.ap-southeast-1.amazonaws.com/prod/mcp

In single quotes \${APP_API_TOKEN} is replaced when the connection starts; in double quotes your shell would put its value here.`,
    )
    .action(async (name: string, words: readonly string[], options: AddOptions) => {
      checkServerName(name)
      const given = isLocal(context, words, options)
        ? await localEntry(context, words, options)
        : await remoteEntry(context, words, options)
      await enrollAndTell(context, { name, ...given }, options)
    })

const withOwnOptions = (command: Command): Command =>
  command
    .addOption(new Option("--transport <transport>", "how the server is reached").choices(["http", "sse", "stdio"]))
    .option("--header <header>", "a header, 'Name: value'; again and again. - as the credential asks for it", collect)
    .option("--env <assignment>", "a variable for a local server, NAME=value; again and again. - as the value asks for it", collect)
    .option("--headers-command <command>", "a command line that prints the headers as a JSON object")
    .option("--resume-timeout <seconds>", "how long the rest of a cut answer may be silent before it is given up (300 unless said)")
    .addOption(
      new Option("--scope <scope>", "who has it: you everywhere, everybody in this project, you in this project")
        .choices(["user", "project", "local"])
        .default("user"),
    )
    .addOption(new Option("--environment <label>", "a label for a person").choices(["dev", "staging", "prod"]))
    .option("--json", "print the result as JSON")

const fail = (problem: string): never => {
  throw new PosternError(usageWrong({ problem, help: "postern add --help" }))
}

function isLocal({ argv }: Context, words: readonly string[], { transport }: AddOptions): boolean {
  const dashes = argv.indexOf("--")
  if (dashes !== -1 || transport === "stdio") {
    if (transport === "http" || transport === "sse") fail(`A server of the transport ${transport} has an address, not a command.`)
    if (words.length === 0) fail("After -- the command is missing.")
    if (dashes !== -1 && words.length > argv.length - dashes - 1)
      fail("Before -- stands the name only: a server has an address, or a command after --.")
    return true
  }
  if (words.length === 0) fail("The address of the server is missing, or -- and its command.")
  // The surplus words are not repeated: they may be a secret that was not quoted.
  if (words.length > 1) fail("There are words after the address; a header stands in quotes, and a command after --.")
  if (!words[0]?.includes(":")) fail(`"${quote(words[0] ?? "", 60)}" is not an address; a command stands after --.`)
  return false
}

interface Given {
  readonly entry: Readonly<Record<string, unknown>>
  /** Headers or variables whose value was asked for. */
  readonly secretKeys: readonly string[]
}

async function localEntry(context: Context, [command = "", ...args]: readonly string[], options: AddOptions): Promise<Given> {
  if (options.header ?? options.headersCommand) fail("A local server takes no headers; --env gives it variables.")
  if (hasOAuthOptions(options)) fail("A local server takes no options for a sign-in.")
  if (options.ca ?? options.cert ?? options.key ?? options.allowPrivate)
    fail("A local server makes its own connections; --ca, --cert, --key and --allow-private are for one with an address.")
  if (hasAwsOptions(options)) fail("A local server takes no options of AWS; --env AWS_PROFILE=NAME tells it as whom to sign.")
  if (options.resumeTimeout !== undefined) fail("A local server has no streams to resume; --resume-timeout is for one with an address.")
  const pairs = (options.env ?? []).map((assignment): Pair => {
    const pair = splitPair(assignment)
    if (pair !== undefined && /\s/.test(pair[0])) fail(`"${quote(pair[0], 40)}" is not the name of a variable.`)
    // After an equals sign may stand a secret.
    return pair ?? fail(`--env "${quote(assignment.includes("=") ? "" : assignment, 40)}" is not NAME=value.`)
  })
  refuseTwice(pairs.map(([name]) => name))
  const { values: env, secretKeys } = await withAsked(context, pairs)
  return { entry: { type: "stdio", command, args, ...(pairs.length > 0 ? { env } : {}), ...label(options) }, secretKeys }
}

async function remoteEntry(context: Context, [url = ""]: readonly string[], options: AddOptions): Promise<Given> {
  if (options.env) fail("A server with an address takes no --env; --header gives it headers.")
  const pairs = (options.header ?? []).map((header): Pair => {
    const [, name, value] = /^([^:]+):(.*)$/s.exec(header) ?? []
    // The text may hold a secret even where it is no header, so it is not repeated.
    if (name === undefined || value === undefined) return fail("A --header is not 'Name: value' (a colon is missing).")
    return [name.trim(), value.trim()]
  })
  refuseTwice(pairs.map(([name]) => name.toLowerCase()))
  const { pin: awsPin, ...aws } = awsKeys(options, fail)
  const tls = await tlsKeys(options, context)
  const { pin: signInPin, ...oauth } = await oauthKeys(options, context, fail)
  const { values: headers, secretKeys } = await withAsked(context, pairs)
  const pin = { ...awsPin, ...signInPin }
  const entry = {
    type: options.transport ?? "http",
    url,
    ...(pairs.length > 0 ? { headers } : {}),
    ...(options.headersCommand === undefined ? {} : { headersHelper: options.headersCommand }),
    ...aws,
    ...oauth,
    ...(Object.keys(pin).length === 0 ? {} : { pin }),
    ...(options.resumeTimeout === undefined ? {} : { resumeTimeout: Number(options.resumeTimeout) }),
    ...tls,
    ...label(options),
  }
  // It comes from a prompt or from MCP_CLIENT_SECRET, and never from the command line.
  return { entry, secretKeys: options.clientSecret ? [...secretKeys, CLIENT_SECRET] : secretKeys }
}

const label = ({ environment }: AddOptions): { environment?: string } => (environment === undefined ? {} : { environment })

/** A header or a variable, and its value. */
type Pair = readonly [string, string]

function refuseTwice(names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) fail(`${quote(twice, 40)} is given twice.`)
}

/** `-`, or a scheme and `-`, stands for a secret that is asked for, once nothing else is wrong with the command line. */
async function withAsked(context: Context, pairs: readonly Pair[]): Promise<{ values: Record<string, string>; secretKeys: string[] }> {
  const values: Pair[] = []
  const secretKeys: string[] = []
  for (const [name, value] of pairs) {
    const [, scheme = "", dash] = /^(?:(\S+) +)?(-)$/.exec(value) ?? []
    if (dash !== undefined) secretKeys.push(name)
    values.push([name, dash === undefined ? value : withScheme(scheme, await context.readSecret(`${name} (it is not shown)`))])
  }
  return { values: Object.fromEntries(values), secretKeys }
}

/** Whoever pastes the whole header value means the same. */
const withScheme = (scheme: string, secret: string): string =>
  scheme === "" || secret.toLowerCase().startsWith(`${scheme.toLowerCase()} `) ? secret : `${scheme} ${secret}`
