/** `postern aws login`: signs in to AWS SSO. */
import { Command } from "commander"
import type { AwsLogin } from "../auth/aws/login.ts"
import type { Context } from "./context.ts"
import { timeLeft } from "./time-left.ts"

interface LoginOptions {
  readonly profile?: string
  readonly browser: boolean
  readonly json?: true
}

/** `postern aws login`: a new session of AWS SSO, which the AWS CLI and the SDKs use too. */
export const loginCommand = (context: Context): Command =>
  new Command("login")
    .description("sign in to AWS SSO for a profile; the AWS CLI and SDKs use the same session")
    .option("--profile <name>", "the profile of ~/.aws/config; else AWS_PROFILE, or default")
    .option("--no-browser", "start no browser: print a link and a code, for any machine")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExamples:\n  $ postern aws login --profile dev\n  $ postern aws login --profile dev --no-browser")
    .action(async ({ profile, browser, json }: LoginOptions) => {
      const { loginSso } = await import("../auth/aws/login.ts")
      const { env, clock, redactor, signal } = context
      const name = profile ?? (env["AWS_PROFILE"] || "default")
      const interaction = browser ? context.interaction : context.interactionWithoutBrowser
      const settings = { tools: { env, clock, redactor }, options: { deviceCode: !browser, insists: true } }
      const result = await loginSso(name, interaction, settings, signal)
      context.print(result, json, (one) => tell(one, clock.now()))
    })

function tell({ profile, startUrl, expiresAt, renewsItself, storedIn }: AwsLogin, nowMs: number): string {
  const renewal = renewsItself ? ", and renews itself until AWS ends the session" : ""
  return [
    `Signed in to ${startUrl} for the profile ${profile}.`,
    `  where: ${storedIn}, in clear, as all AWS tools keep it`,
    `  how long: ${timeLeft(expiresAt, nowMs)} (until ${expiresAt})${renewal}`,
    "  who can use it: programs of this user, the AWS CLI and SDKs among them",
  ].join("\n")
}
