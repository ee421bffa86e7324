/** Where a service of AWS itself answers: its regional endpoint, or what the environment names. */
import { unencryptedHost } from "../../config/address.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Environment } from "../../core/places.ts"
import { awsUnencrypted } from "./diagnoses.ts"
import { partitionOf } from "./endpoint.ts"

/** One with an endpoint in each region, or one with an address of its own. */
export type AwsService = { /** As in the variable `AWS_ENDPOINT_URL_<ID>`. */ readonly id: string } & (
  | { /** The first labels of its host. */ readonly host: string; readonly region: string }
  | { readonly url: string }
)

/**
 * @returns the endpoint; `AWS_ENDPOINT_URL_<ID>` and `AWS_ENDPOINT_URL` win, as with all AWS tools
 * @throws {PosternError} `aws-unencrypted`, if they name http that leaves this machine
 */
export function serviceEndpoint(service: AwsService, env: Environment): URL {
  const ignored = isTrue(env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"])
  const configured = ignored ? undefined : env[`AWS_ENDPOINT_URL_${service.id}`] || env["AWS_ENDPOINT_URL"]
  if (configured !== undefined && URL.canParse(configured)) {
    const url = new URL(configured)
    const open = unencryptedHost(url)
    if (open !== undefined) throw new PosternError(awsUnencrypted({ server: `AWS (${service.id})`, host: open }))
    return url
  }
  return "url" in service ? new URL(service.url) : regionalEndpoint(service, env)
}

/** FIPS and dual stack by the SDK's rules; in GovCloud the plain names are the ones of FIPS. */
function regionalEndpoint({ host, region }: { readonly host: string; readonly region: string }, env: Environment): URL {
  const [fips, dualStack] = [isTrue(env["AWS_USE_FIPS_ENDPOINT"]), isTrue(env["AWS_USE_DUALSTACK_ENDPOINT"])]
  const partition = partitionOf(region)
  const name = fips && (dualStack || partition !== "aws-us-gov") ? `${host}-fips` : host
  const [single, dual] = partition === "aws-cn" ? ["amazonaws.com.cn", "api.amazonwebservices.com.cn"] : ["amazonaws.com", "api.aws"]
  return new URL(`https://${name}.${region}.${dualStack ? dual : single}/`)
}

const isTrue = (text: string | undefined): boolean => text?.toLowerCase() === "true"
