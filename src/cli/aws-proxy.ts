/** What `aws-mcp-proxy` and `aws-role-mcp-proxy` do: a bridge whose server stands in variables, and in no file. */
import { MAX_FRAME_BYTES, runBridge } from "../bridge/bridge.ts"
import { stdioClient } from "../bridge/client/stdio.ts"
import { type AwsProgram, serverFromVariables } from "../config/aws-variables.ts"
import { strippedVariablesHints } from "../config/clients/claude-code.ts"
import { silentLog } from "../core/log.ts"
import type { Environment } from "../core/places.ts"
import { shellWord } from "../core/shell.ts"
import type { Process } from "./context.ts"
import { createContext } from "./create-context.ts"
import { EXIT_CODES, tellDiagnosis } from "./exit.ts"
import { pour } from "./pour.ts"

/**
 * Carries messages until the client has gone.
 *
 * @returns the exit code: that of the diagnosis, if the connection could not even be prepared
 */
export async function runAwsProxy(program: AwsProgram, process: Process): Promise<number> {
  const answer = answerWord(program, process)
  if (answer !== undefined) {
    process.stdout.write(answer)
    return 0
  }
  const context = createContext(process, () => undefined)
  const { argv, stdin, stdout, stderr, env, places, note, signal } = context
  if (argv.length > 0) note(`postern: note: ${program} takes no words; it is set up by variables (${program} --help)`)
  const refused = await runBridge({
    name: program,
    findServer: async () => serverFromVariables(program, env, strippedVariablesHints(env)),
    client: stdioClient({ input: stdin, output: stdout, maxFrameBytes: MAX_FRAME_BYTES }),
    tools: await context.tools(),
    memoryFolder: places.memory,
    // A session of SSO is begun anew as with any server; there is no entry to sign in by, and the profile stands in for it.
    signIn: { mode: "ask", prompt: false, command: `postern aws login --profile ${shellWord(profileOf(env))}` },
    log: silentLog,
    stderr: (chunk) => pour(stderr, chunk),
    onRefused: (diagnosis) => note(tellDiagnosis(diagnosis)),
    signal,
  })
  return refused === undefined ? 0 : EXIT_CODES[refused.kind]
}

/** As AWS tools choose it, where no entry does. */
const profileOf = (env: Environment): string => env["AWS_PROFILE"] || env["AWS_DEFAULT_PROFILE"] || "default"

const HELP = `
An MCP server on standard input and output that signs each request for AWS (Signature Version 4).
A client starts it; it takes no words, and is set up by variables:

  MCP_ENDPOINT     the address of the server
  ASSUME_ROLE_ARN  the role that signs (aws-role-mcp-proxy needs it)
  AWS_PROFILE      the profile that signs; else AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN
  AWS_REGION       where STS is asked, else the profile's region; what to sign for, the address tells

Example, in the configuration of a client:
`

/** What a person who types a word wants to know; undefined for any other word, which a client may have left there. */
function answerWord(program: AwsProgram, { argv: [word], version }: Process): string | undefined {
  if (word === "--version" || word === "-v") return `${version}\n`
  if (word !== "--help" && word !== "-h") return undefined
  const role = program === "aws-role-mcp-proxy" ? { ASSUME_ROLE_ARN: "arn:aws:iam::123456789012:role/mcp-finance-bot-role" } : {}
  const env = { ...role, AWS_REGION: "ap-southeast-1", MCP_ENDPOINT: "https://my-mcp.execute-api.ap-southeast-1.amazonaws.com/prod" }
  return `Usage: ${program}\n${HELP}  ${JSON.stringify({ mcpServers: { "my-mcp": { command: program, env } } })}\n`
}
