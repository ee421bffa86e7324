/** `postern aws …`: who one is to AWS, and what that identity may do. One file for each command. */
import { Command } from "commander"
import { credentialsCommand } from "./aws-credentials.ts"
import { loginCommand } from "./aws-login.ts"
import { policyCommand } from "./aws-policy.ts"
import { trustCommand } from "./aws-trust.ts"
import { whoamiCommand } from "./aws-whoami.ts"
import type { Context } from "./context.ts"

/** `postern aws`: a word for the commands below it. */
export const awsCommand = (context: Context): Command =>
  new Command("aws")
    .description("say who you are to AWS, sign in, and give a role the least it needs")
    .addHelpText("after", "\nExamples:\n  $ postern aws whoami\n  $ postern aws policy my-mcp")
    .addCommand(whoamiCommand(context))
    .addCommand(loginCommand(context))
    .addCommand(trustCommand(context))
    .addCommand(policyCommand(context))
    .addCommand(credentialsCommand(context))
