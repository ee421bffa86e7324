/** `postern aws policy NAME`: the least that a role needs to reach one server. */
import { Command } from "commander"
import type { AwsAccess } from "../auth/aws/access.ts"
import { awsServer } from "./aws-server.ts"
import type { Context } from "./context.ts"

interface PolicyOptions {
  readonly resource?: string
  readonly account?: string
  readonly config?: string
  readonly json?: true
}

/** `postern aws policy`: JSON on standard output, fit for `aws iam put-role-policy`; changes nothing. */
export const policyCommand = (context: Context): Command =>
  new Command("policy")
    .description("print the least-privilege policy for one server: its action on its own ARN, and nothing else")
    .argument("<name>", "the server, as `postern list` shows it")
    .option("--resource <arn>", "the ARN of what answers, where the address does not tell it (a Lambda function, a custom domain)")
    .option("--account <id>", "whose endpoint it is; else the role's, the pinned one, or yours")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "the policy is JSON with and without it; errors are then, too")
    .addHelpText(
      "after",
      "\nExample:\n  $ postern aws policy my-mcp > policy.json\n  $ aws iam put-role-policy --role-name mcp-reader --policy-name my-mcp --policy-document file://policy.json",
    )
    .action(async (name: string, options: PolicyOptions) => {
      const { openAccess } = await import("../auth/aws/access.ts")
      const { endpointPolicy } = await import("../auth/aws/endpoint-policy.ts")
      const { serverAddress } = await import("../auth/server-address.ts")
      const tools = await context.tools()
      const server = await awsServer(name, options, context)
      await using access = await openAccess(server, {}, tools)
      const { service, region, partition } = access.door
      const url = await serverAddress(access.server, tools)
      const account = options.account ?? (await accountOf(access, options.resource, context.signal))
      const policy = endpointPolicy({ url, service, region, partition, account, resource: options.resource }, name)
      context.print(policy, true, () => "")
    })

/** Whose endpoint it is: nobody is asked where the entry tells. */
async function accountOf({ server, source, callerOf }: AwsAccess, resource: string | undefined, signal: AbortSignal): Promise<string> {
  const known = [resource, server.aws?.assumeRole].map((arn) => arn?.split(":")[4]).find((account) => account) ?? server.pin?.account
  return known ?? (await callerOf(await source.findOwn(signal), signal)).account
}
