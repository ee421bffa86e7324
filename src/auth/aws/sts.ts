/**
 * The Security Token Service: who do these keys belong to, and lend me a role.
 *
 * Asked with requests of our own, signed like any other, over the same HTTP layer as the server's. Always the regional endpoint: the
 * global one is slower, and its tokens are not valid in every region.
 */
import { unencryptedHost } from "../../config/address.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Answer, Http } from "../../core/http.ts"
import type { Environment } from "../../core/places.ts"
import { awsCallFailed, awsUnencrypted } from "./diagnoses.ts"
import { partitionOf } from "./endpoint.ts"
import type { ServerTime } from "./server-time.ts"
import { type AwsKeys, createSigner } from "./sign.ts"

/** Whom AWS takes the holder of some keys for. */
export interface Caller {
  /** Twelve digits. */
  readonly account: string
  /** Of a user, or of a session of a role: `arn:aws:sts::123456789012:assumed-role/ROLE/SESSION`. */
  readonly arn: string
}

/** What a call to STS needs. */
export interface StsTools {
  readonly http: Http
  readonly env: Environment
  readonly time: ServerTime
  /** For example `ap-southeast-1`. */
  readonly region: string
}

/** An answer is a few hundred bytes; a policy is never echoed. */
const MOST_ANSWER_BYTES = 64 * 1024
const LIMIT_MS = 10_000

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
 * Makes one call.
 *
 * @param parameters - of the query protocol; `Version` is added
 * @param keys - undefined for the calls whose proof is a token in the parameters
 * @returns the body, XML
 * @throws {PosternError} `aws-call-failed` if STS refuses; what the connection throws
 */
export async function askSts(
  parameters: Readonly<Record<string, string>>,
  keys: AwsKeys | undefined,
  { http, env, time, region }: StsTools,
  signal: AbortSignal,
): Promise<string> {
  const action = parameters["Action"] ?? ""
  const url = stsEndpoint(region, env)
  const body = Buffer.from(new URLSearchParams({ ...parameters, Version: "2011-06-15" }).toString())
  const headers = { "content-type": "application/x-www-form-urlencoded; charset=utf-8", accept: "text/xml" }
  const request = { method: "POST", url, headers, body } as const
  const sign = createSigner({ service: "sts", region, payload: "signed" })

  const limited = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)])
  const ask = (): Promise<Answer> => http.send(keys === undefined ? request : sign(request, keys, time.now()), limited)
  let answer = await ask()
  if (answer.status !== 200 && time.learn(answer.headers.date)) {
    answer.discard()
    answer = await ask()
  }
  const text = (await answer.read(MOST_ANSWER_BYTES)).toString("utf8")
  if (answer.status === 200) return text
  const code = element(text, "Code") ?? ""
  throw new PosternError(awsCallFailed({ action, status: answer.status, code, message: element(text, "Message") ?? "" }))
}

/**
 * Where STS answers for a region. `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL` win, as with all AWS tools.
 *
 * @throws {PosternError} `aws-unencrypted`, if they name http that leaves this machine
 */
export function stsEndpoint(region: string, env: Environment): URL {
  const ignored = env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]?.toLowerCase() === "true"
  const configured = ignored ? undefined : env["AWS_ENDPOINT_URL_STS"] || env["AWS_ENDPOINT_URL"]
  if (configured !== undefined && URL.canParse(configured)) {
    const url = new URL(configured)
    const host = unencryptedHost(url)
    if (host !== undefined) throw new PosternError(awsUnencrypted({ server: "STS", host }))
    return url
  }
  const name = env["AWS_USE_FIPS_ENDPOINT"]?.toLowerCase() === "true" ? "sts-fips" : "sts"
  const dualStack = env["AWS_USE_DUALSTACK_ENDPOINT"]?.toLowerCase() === "true"
  const china = partitionOf(region) === "aws-cn"
  const suffix = dualStack ? (china ? "api.amazonwebservices.com.cn" : "api.aws") : china ? "amazonaws.com.cn" : "amazonaws.com"
  return new URL(`https://${name}.${region}.${suffix}/`)
}

/** STS answers flat XML; a value is between two tags of its name. */
export function element(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  return text?.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: keyof typeof ENTITIES) => ENTITIES[entity]).trim()
}

const ENTITIES = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" } as const

/** @throws {PosternError} `aws-call-failed` if it is not there */
export function requireElement(xml: string, name: string, action: string): string {
  const text = element(xml, name)
  if (text) return text
  throw new PosternError(awsCallFailed({ action, status: 200, code: "", message: `the answer holds no ${name}` }))
}
