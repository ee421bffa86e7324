/** The keys `aws` and `pin` of an entry. A key that is not known is a fault here: a typing error would sign as somebody else. */
import * as v from "valibot"
import type { AwsSettings, Pin } from "./server.ts"
import { textsSchema } from "./texts-schema.ts"

const matching = (pattern: RegExp, right: string) => v.exactOptional(v.pipe(v.string(right), v.regex(pattern, right)))

/** Names of sessions and source identities, as STS takes them. */
export const SESSION_NAME = /^[\w+=,.@-]{2,64}$/
/** The ARN of an IAM role, its path included, in one of the three partitions. */
export const ROLE_ARN = /^arn:aws(?:-cn|-us-gov)?:iam::\d{12}:role\/[\w+=,.@/-]+$/
const NAME = "2 to 64 letters, digits and _+=,.@-"
const DURATION = "a whole number of seconds, from 900 to 43200"

/** The key `aws`; a message says what would be right, and stands beside what was found. */
export const awsSchema = v.strictObject(
  {
    profile: matching(/^\S(?:.*\S)?$/, "the name of a profile, in quotes"),
    // A signature for several regions at once (Signature Version 4A, region "*") is another algorithm, and not made.
    region: matching(/^[a-z]{2,4}(?:-[a-z]+)+-\d$/, "one region, such as ap-southeast-1"),
    service: matching(/^[a-z0-9-]+$/, "the name that signatures have for the service, such as execute-api"),
    assumeRole: matching(ROLE_ARN, "an ARN such as arn:aws:iam::123456789012:role/NAME"),
    externalId: matching(/^[\w+=,.@:/-]{2,1224}$/, "2 to 1224 letters, digits and _+=,.@:/-"),
    sessionName: matching(SESSION_NAME, NAME),
    duration: v.exactOptional(v.pipe(v.number(DURATION), v.integer(DURATION), v.minValue(900, DURATION), v.maxValue(43_200, DURATION))),
    sessionPolicy: matching(/./, "read-only, or the path of a file with a policy"),
    sourceIdentity: matching(SESSION_NAME, NAME),
    tags: v.exactOptional(
      textsSchema('an object of texts, such as {"team": "finance"}', {
        names: v.pipe(v.string(), v.regex(/^.{1,128}$/, "a name of 1 to 128 characters")),
        texts: v.pipe(v.string("a text in quotes"), v.maxLength(256, "at most 256 characters")),
      }),
    ),
  },
  'an object such as {"profile": "dev"}, with the keys profile, region, service, assumeRole, externalId, sessionName, duration, sessionPolicy, sourceIdentity, tags',
) satisfies v.GenericSchema<unknown, AwsSettings>

/** The key `pin`: `account` and `role` (a user's ARN, too) go with `aws`, `subject` with a sign-in. */
export const pinSchema = v.strictObject(
  {
    account: matching(/^\d{12}$/, "an AWS account, twelve digits in quotes"),
    role: matching(
      /^arn:aws(?:-cn|-us-gov)?:iam::\d{12}:(?:role|user)\/[\w+=,.@/-]+$/,
      "an ARN such as arn:aws:iam::123456789012:role/NAME",
    ),
    subject: matching(
      /^https?:\/\/[^#\s]+#.+$/,
      "the issuer and the subject of a sign-in with # between them, such as https://login.example.com#alice",
    ),
  },
  'an object such as {"account": "123456789012"}',
) satisfies v.GenericSchema<unknown, Pin>

/** What an entry says of AWS, and of the headers beside it. */
interface Beside {
  readonly aws?: unknown
  readonly pin?: Pin | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** @returns which key of the entry contradicts another, with what was found and what would be right */
export function awsContradiction({
  aws,
  pin,
  headers = {},
}: Beside): { readonly key: string; readonly found: string; readonly right: string } | undefined {
  const proof = Object.keys(headers).find((name) => name.toLowerCase() === "authorization")
  if (aws !== undefined && proof !== undefined) {
    return { key: "headers", found: `${proof} beside aws`, right: "one of the two: a signature stands in that header" }
  }
  // A pin that nobody checks would be worse than none.
  if (aws === undefined && (pin?.account !== undefined || pin?.role !== undefined)) {
    return { key: "pin", found: "an AWS account or role for a server that nothing is signed for", right: '"aws": {} beside it' }
  }
  return undefined
}
