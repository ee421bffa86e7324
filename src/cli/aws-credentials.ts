/** `postern aws credentials NAME`: a `credential_process` of the AWS tools. Prints keys for them, so nothing else, and never asks. */
import { Command } from "commander"
import { PosternError } from "../core/diagnosis.ts"
import { posternCommand } from "../core/shell.ts"
import { awsServer } from "./aws-server.ts"
import type { Context } from "./context.ts"
import { usageWrong } from "./diagnoses.ts"
import { EXIT_CODES } from "./exit.ts"

/** `postern aws credentials`: keys on standard output, as the AWS tools read them; a failure is one line on stderr. */
export const credentialsCommand = (context: Context): Command =>
  new Command("credentials")
    .description("print the keys that a server's entry signs with, as credential_process wants them (~/.aws/config)")
    .argument("<name>", "the server, as `postern list` shows it")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "the keys are JSON with and without it; errors are then, too")
    .addHelpText(
      "after",
      "\nExample, in ~/.aws/config:\n  [profile finance]\n  credential_process = postern aws credentials finance-mcp\n\nWhat it prints are secrets: let no terminal keep it.",
    )
    .action(async (name: string, options: { config?: string; json?: true }) => {
      try {
        const keys = await keysFor(name, options, context)
        context.stdout.write(`${JSON.stringify(keys)}\n`)
      } catch (error) {
        if (!(error instanceof PosternError) || options.json) throw error
        // The tools that call it show one line of it at most.
        const { cause, next, kind } = error.diagnosis
        context.note(`postern: ${cause}${next === undefined ? "" : ` next: ${next}`}`)
        context.exitWith(EXIT_CODES[kind])
      }
    })

/** The members of the contract (AWS CLI user guide, "Sourcing credentials with an external process"). */
interface ProcessCredentials {
  readonly Version: 1
  readonly AccessKeyId: string
  readonly SecretAccessKey: string
  readonly SessionToken?: string
  readonly Expiration?: string
  readonly AccountId: string
}

async function keysFor(name: string, options: { config?: string }, context: Context): Promise<ProcessCredentials> {
  if (context.env["POSTERN_AWS_CREDENTIALS"] !== undefined) {
    const problem = `The entry "${name}" signs by a profile whose credential_process asks Postern for the keys of an entry: a circle.`
    throw new PosternError(usageWrong({ problem, help: `name another profile in the entry: ${posternCommand("get", name)}` }))
  }
  const { openAccess } = await import("../auth/aws/access.ts")
  const { passPins } = await import("../auth/aws/pins.ts")
  await using access = await openAccess(await awsServer(name, options, context), {}, await context.tools())
  const found = await access.source.find(context.signal)
  const caller = await access.callerOf(found, context.signal)
  passPins(access.server, caller, found.source)
  const { accessKeyId, secretAccessKey, sessionToken, expiresAtMs } = found.credentials
  return {
    Version: 1,
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    ...(sessionToken === undefined ? {} : { SessionToken: sessionToken }),
    ...(expiresAtMs === undefined ? {} : { Expiration: new Date(expiresAtMs).toISOString() }),
    AccountId: caller.account,
  }
}
