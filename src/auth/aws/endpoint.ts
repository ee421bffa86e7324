/**
 * Which AWS service stands behind an address, and in which region: both are part of a signature.
 *
 * They are read from the host where AWS itself gives the host its form. For any other host (a custom domain, a tunnel) nothing is
 * guessed: a signature for a guessed service is refused with words that tell nobody what was wrong.
 */
import { unencryptedHost } from "../../config/address.ts"
import type { HttpServer } from "../../config/server.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { awsEndpointUnknown, awsUnencrypted } from "./diagnoses.ts"
import type { SigningScope } from "./sign.ts"

/** A part of AWS with accounts, identities and host names of its own. */
export type Partition = "aws" | "aws-cn" | "aws-us-gov"

/** What stands behind an address of AWS. */
export interface FrontDoor extends SigningScope {
  /** As a person knows it. */
  readonly name: string
  readonly partition: Partition
}

/** One form of host. What the labels before it are called is its customer's business. */
interface HostForm {
  readonly name: string
  readonly service: string
  readonly payload?: SigningScope["payload"]
  /** Captures the region. Anchored at the end: a host that only contains the form belongs to somebody else. */
  readonly host: RegExp
}

const REGION = "([a-z]{2,4}(?:-[a-z]+)+-\\d)"
const LABELS = "(?:[a-z0-9_-]+\\.)*" // also the private names of VPC endpoints: vpce-1a2b.execute-api.…
const CLASSIC = "amazonaws\\.com(?:\\.cn)?"
const ON = "on\\.(?:aws|amazonwebservices\\.com\\.cn)"
const form = (pattern: string): RegExp => new RegExp(`^${pattern}$`)

/** One line a front door. */
const HOST_FORMS: readonly HostForm[] = [
  { name: "API Gateway", service: "execute-api", host: form(`${LABELS}execute-api\\.${REGION}\\.(?:vpce\\.)?${CLASSIC}`) },
  // CloudFront in front of a function URL wants the hash of a POST as a header; by itself it does no harm.
  { name: "Lambda function URL", service: "lambda", payload: "sent", host: form(`[a-z0-9]+\\.lambda-url\\.${REGION}\\.${ON}`) },
  {
    name: "Bedrock AgentCore",
    service: "bedrock-agentcore",
    host: form(`${LABELS}bedrock-agentcore\\.${REGION}\\.(?:vpce\\.)?${CLASSIC}`),
  },
  // It cannot check a signed body, and refuses one.
  { name: "VPC Lattice", service: "vpc-lattice-svcs", payload: "unsigned", host: form(`${LABELS}vpc-lattice-svcs\\.${REGION}\\.${ON}`) },
]

/** `NAME.REGION.api.aws`: the label before the region is the service. */
const API_HOST = form(`${LABELS}([a-z0-9-]+)\\.${REGION}\\.api\\.(?:aws|amazonwebservices\\.com\\.cn)`)

/** @returns what stands behind the host, or undefined where its form does not tell */
export function recogniseHost(hostname: string): FrontDoor | undefined {
  for (const { name, service, payload = "signed", host } of HOST_FORMS) {
    const region = host.exec(hostname)?.[1]
    if (region !== undefined) return inPartition(hostname, { name, service, region, payload })
  }
  const [, service, region] = API_HOST.exec(hostname) ?? []
  return service === undefined || region === undefined
    ? undefined
    : inPartition(hostname, { name: service, service, region, payload: "signed" })
}

/** China has host names of its own; a host that mixes the two is none of AWS. */
function inPartition(hostname: string, door: Omit<FrontDoor, "partition">): FrontDoor | undefined {
  const partition = partitionOf(door.region)
  return hostname.endsWith(".cn") && partition !== "aws-cn" ? undefined : { ...door, partition }
}

/** @param region - for example `ap-southeast-1` */
export function partitionOf(region: string): Partition {
  if (region.startsWith("cn-")) return "aws-cn"
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws"
}

/**
 * Finds out what requests to a server are signed for. What the entry says (`aws.service`, `aws.region`) wins over the host.
 *
 * @param url - the server's address, expanded
 * @throws {PosternError} `aws-endpoint-unknown` where neither entry nor host tells; `aws-unencrypted` for http that leaves this machine
 */
export function frontDoorOf({ name, aws = {} }: HttpServer, url: URL): FrontDoor {
  const host = unencryptedHost(url)
  if (host !== undefined) throw new PosternError(awsUnencrypted({ server: name, host }))
  const recognised = recogniseHost(url.hostname)
  const service = aws.service ?? recognised?.service
  const region = aws.region ?? recognised?.region
  if (service === undefined || region === undefined) {
    throw new PosternError(awsEndpointUnknown({ server: name, url, missing: { service: !service, region: !region } }))
  }
  const known = HOST_FORMS.find((one) => one.service === service)
  return { name: known?.name ?? service, service, region, payload: known?.payload ?? "signed", partition: partitionOf(region) }
}
