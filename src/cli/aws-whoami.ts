/** `postern aws whoami [NAME]`: who AWS takes one for. */
import { Command } from "commander"
import type { AwsWhoami } from "../auth/aws/whoami.ts"
import { awsServer } from "./aws-server.ts"
import type { Context } from "./context.ts"
import { timeLeft } from "./time-left.ts"

interface WhoamiOptions {
  readonly profile?: string
  readonly region?: string
  readonly config?: string
  readonly json?: true
}

/** `postern aws whoami`: asks STS; fails if a pin of the entry does not hold. */
export const whoamiCommand = (context: Context): Command =>
  new Command("whoami")
    .description("ask AWS who you are: to a server as its entry says, or by your profile or environment")
    .argument("[name]", "the server; without it, what the environment or --profile names")
    .option("--profile <name>", "act by this profile of ~/.aws/config")
    .option("--region <region>", "ask in this region")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExamples:\n  $ postern aws whoami\n  $ postern aws whoami my-mcp --json")
    .action(async (name: string | undefined, options: WhoamiOptions) => {
      const { openAccess } = await import("../auth/aws/access.ts")
      const { whoami } = await import("../auth/aws/whoami.ts")
      await using access = await openAccess(await awsServer(name, options, context), options, await context.tools())
      const result = await whoami(access, context.signal)
      context.print(result, options.json, (one) => tell(one, context.clock.now()))
    })

function tell({ server, arn, account, source, region, expiresAt, pinned }: AwsWhoami, nowMs: number): string {
  const pins = [pinned?.account, pinned?.role].filter((one) => one !== undefined).join(", ")
  return [
    ...(server === null ? [] : [`server        ${server}`]),
    `who           ${arn}`,
    `account       ${account}`,
    `from          ${source}`,
    `asked in      ${region}`,
    `time left     ${expiresAt === null ? "it does not end by itself" : `${timeLeft(expiresAt, nowMs)} (until ${expiresAt})`}`,
    ...(pins === "" ? [] : [`pinned        ${pins}: met`]),
  ].join("\n")
}
