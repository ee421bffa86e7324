/** The options of `add` for servers that requests are signed for (the keys `aws` and `pin` of an entry). */
import type { Command } from "commander"
import { collect, splitPair } from "./pairs.ts"

/** As typed. What the texts may be is checked with the entry that they become (`config/aws-schema.ts`). */
export interface AwsOptions {
  readonly aws?: true
  readonly profile?: string
  readonly region?: string
  readonly service?: string
  readonly assumeRole?: string
  readonly externalId?: string
  readonly sessionName?: string
  readonly duration?: string
  readonly sessionPolicy?: string
  readonly sourceIdentity?: string
  readonly tag?: readonly string[]
  readonly pinAccount?: string
  readonly pinRole?: string
}

/** Adds the options to a command; `awsKeys` reads what they gave. */
export function withAwsOptions(command: Command): Command {
  return command
    .optionsGroup("Where requests are signed for AWS:")
    .option("--aws", "sign the requests for AWS (Signature Version 4)")
    .option("--profile <name>", "the AWS profile that signs; else AWS_PROFILE, or the keys in the environment")
    .option("--region <region>", "what to sign for, where the host does not tell it")
    .option("--service <service>", "what to sign for, where the host does not tell it: execute-api for a custom domain")
    .option("--assume-role <arn>", "the role that signs, assumed by the profile")
    .option("--external-id <id>", "the external id that the role asks for")
    .option("--session-name <name>", "what the role's session is called in CloudTrail; else it tells you and the server")
    .option("--duration <seconds>", "how long a session of the role lasts")
    .option("--session-policy <file>", "a policy that narrows the session, or read-only")
    .option("--source-identity <name>", "the source identity of the session")
    .option("--tag <tag>", "a tag of the session, KEY=VALUE; again and again", collect)
    .option("--pin-account <id>", "the AWS account that must be signing; any other is refused before anything is sent")
    .option("--pin-role <arn>", "the role or user that must be signing")
}

/** Whether any of them was given. */
export function hasAwsOptions(options: AwsOptions): boolean {
  const { aws, profile, region, service, assumeRole, externalId, sessionName, duration } = options
  const { sessionPolicy, sourceIdentity, tag, pinAccount, pinRole } = options
  const identity = [aws, profile, region, service, pinAccount, pinRole]
  const session = [assumeRole, externalId, sessionName, duration, sessionPolicy, sourceIdentity, tag]
  return [...identity, ...session].some((value) => value !== undefined)
}

/**
 * The keys of the entry that the options stand for.
 *
 * @param fail - tells what is wrong with the command line
 */
export function awsKeys(options: AwsOptions, fail: (problem: string) => never): { readonly aws?: object; readonly pin?: object } {
  if (!hasAwsOptions(options)) return {}
  if (options.aws === undefined) fail("The options of AWS go with --aws.")
  const { profile, region, service, assumeRole, externalId, sessionName, sessionPolicy, sourceIdentity } = options
  const texts = { profile, region, service, assumeRole, externalId, sessionName, sessionPolicy, sourceIdentity }
  const given = Object.entries(texts).filter(([, value]) => value !== undefined)
  const tags = (options.tag ?? []).map((tag) => splitPair(tag) ?? fail("A --tag is not KEY=VALUE."))
  const aws = {
    ...Object.fromEntries(given),
    ...(options.duration === undefined ? {} : { duration: toSeconds(options.duration, fail) }),
    ...(tags.length === 0 ? {} : { tags: Object.fromEntries(tags) }),
  }
  const pin = {
    ...(options.pinAccount === undefined ? {} : { account: options.pinAccount }),
    ...(options.pinRole === undefined ? {} : { role: options.pinRole }),
  }
  return { aws, ...(Object.keys(pin).length === 0 ? {} : { pin }) }
}

function toSeconds(text: string, fail: (problem: string) => never): number {
  return /^\d{3,5}$/.test(text) ? Number(text) : fail("--duration is a number of seconds.")
}
