/** What `aws-mcp-proxy` and `aws-role-mcp-proxy` do: a bridge whose server stands in variables, and in no file. */
import { MAX_FRAME_BYTES, runBridge } from "../bridge/bridge.ts"
import { stdioClient } from "../bridge/client/stdio.ts"
import { type AwsProgram, serverFromVariables } from "../config/aws-variables.ts"
import { strippedVariablesHints } from "../config/clients/claude-code.ts"
import { shellWord } from "../core/file-diagnoses.ts"
import { silentLog } from "../core/log.ts"
import type { Environment } from "../core/places.ts"
import type { Process } from "./context.ts"
import { createContext } from "./create-context.ts"
import { EXIT_CODES, tellDiagnosis } from "./exit.ts"

/**
 * Carries messages until the client has gone.
 *
 * @returns the exit code: that of the diagnosis, if the connection could not even be prepared
 */
export async function runAwsProxy(program: AwsProgram, process: Process): Promise<number> {
  const context = createContext(process, () => undefined)
  const { stdin, stdout, stderr, env, places, note, signal } = context
  const refused = await runBridge({
    name: program,
    findServer: async () => serverFromVariables(program, env, strippedVariablesHints(env)),
    client: stdioClient({ input: stdin, output: stdout, maxFrameBytes: MAX_FRAME_BYTES }),
    tools: await context.tools(),
    memoryFolder: places.memory,
    // A session of SSO is begun anew as with any server; there is no entry to sign in by, and the profile stands in for it.
    signIn: { mode: "ask", prompt: false, command: `postern aws login --profile ${shellWord(profileOf(env))}` },
    log: silentLog,
    stderr: (chunk) => void stderr.write(chunk),
    onRefused: (diagnosis) => note(tellDiagnosis(diagnosis)),
    signal,
  })
  return refused === undefined ? 0 : EXIT_CODES[refused.kind]
}

/** As AWS tools choose it, where no entry does. */
const profileOf = (env: Environment): string => env["AWS_PROFILE"] || env["AWS_DEFAULT_PROFILE"] || "default"
