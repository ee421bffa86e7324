/**
 * The Security Token Service: who do these keys belong to, and lend me a role. Always the regional endpoint: the global one is slower,
 * and its tokens are not valid in every region.
 */
import { PosternError } from "../../core/diagnosis.ts"
import type { Environment } from "../../core/places.ts"
import { xmlText } from "./aws-error.ts"
import { awsCallFailed } from "./diagnoses.ts"
import { type QueryTools, askQuery } from "./query.ts"
import { serviceEndpoint } from "./service-endpoint.ts"
import type { AwsKeys } from "./sign.ts"

/** Whom AWS takes the holder of some keys for. */
export interface Caller {
  /** Twelve digits. */
  readonly account: string
  /** Of a user, or of a session of a role: `arn:aws:sts::123456789012:assumed-role/ROLE/SESSION`. */
  readonly arn: string
}

/** What a call to STS needs. */
export interface StsTools extends QueryTools {
  /** For example `ap-southeast-1`. */
  readonly region: string
}

/**
 * Asks whose keys these are (`GetCallerIdentity`). Needs no permission.
 *
 * @throws {PosternError} `aws-call-failed`; what the connection throws
 */
export async function getCallerIdentity(keys: AwsKeys, tools: StsTools, signal: AbortSignal): Promise<Caller> {
  const answer = await askSts({ Action: "GetCallerIdentity" }, keys, tools, signal)
  return { account: requireElement(answer, "Account", "GetCallerIdentity"), arn: requireElement(answer, "Arn", "GetCallerIdentity") }
}

/**
 * Makes one call, as `askQuery` does.
 *
 * @param keys - undefined for the calls whose proof is a token in the parameters
 * @throws {AwsCallError} `aws-call-failed` if STS refuses; what the connection throws
 */
export async function askSts(
  parameters: Readonly<Record<string, string>>,
  keys: AwsKeys | undefined,
  tools: StsTools,
  signal: AbortSignal,
): Promise<string> {
  const { region, env } = tools
  const service = { url: stsEndpoint(region, env), service: "sts", region, version: "2011-06-15" } as const
  return askQuery(service, parameters, keys, { tools, signal })
}

/**
 * Where STS answers for a region. `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL` win, as with all AWS tools.
 *
 * @throws {PosternError} `aws-unencrypted`, if they name http that leaves this machine
 */
export function stsEndpoint(region: string, env: Environment): URL {
  return serviceEndpoint({ id: "STS", host: "sts", region }, env)
}

/** @throws {PosternError} `aws-call-failed` if it is not there */
export function requireElement(xml: string, name: string, action: string): string {
  const text = xmlText(xml, name)
  if (text) return text
  throw new PosternError(awsCallFailed({ action, status: 200, code: "", message: `the answer holds no ${name}` }))
}
