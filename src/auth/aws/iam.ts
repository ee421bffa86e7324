/** The few calls of IAM that a trust policy needs: read a role, change whom it trusts, ask what a caller's policies allow. */
import { xmlText } from "./aws-error.ts"
import type { Partition } from "./endpoint.ts"
import { AwsCallError, type QueryService, type QueryTools, askQuery } from "./query.ts"
import { serviceEndpoint } from "./service-endpoint.ts"
import type { AwsKeys } from "./sign.ts"

/** What IAM is asked with. */
export interface Iam extends QueryTools {
  readonly keys: AwsKeys
  readonly partition: Partition
}

/** A role, as far as `GetRole` is needed here. */
export interface Role {
  /** With its path. */
  readonly arn: string
  /** The trust policy, JSON. */
  readonly trust: string
}

/** What the policies of a caller say of one action. `organization` and `boundary` stand above what they allow. */
export interface Simulated {
  readonly decision: "allowed" | "implicitDeny" | "explicitDeny"
  readonly deniedBy?: "organization" | "boundary"
}

/** IAM has one endpoint for each partition, and signatures for it name one region. */
const ENDPOINTS: Readonly<Record<Partition, { readonly host: string; readonly region: string }>> = {
  aws: { host: "iam.amazonaws.com", region: "us-east-1" },
  "aws-cn": { host: "iam.cn-north-1.amazonaws.com.cn", region: "cn-north-1" },
  "aws-us-gov": { host: "iam.us-gov.amazonaws.com", region: "us-gov-west-1" },
}

function iamService({ partition, env }: Iam): QueryService {
  const { host, region } = ENDPOINTS[partition]
  return { url: serviceEndpoint({ id: "IAM", url: `https://${host}/` }, env), service: "iam", region, version: "2010-05-08" }
}

/**
 * Reads a role of the caller's own account.
 *
 * @param name - without its path
 * @returns undefined if there is no such role
 * @throws {AwsCallError} `aws-call-failed`, for example if the caller may not read it
 */
export async function getRole(name: string, iam: Iam, signal: AbortSignal): Promise<Role | undefined> {
  try {
    const xml = await askQuery(iamService(iam), { Action: "GetRole", RoleName: name }, iam.keys, { tools: iam, signal })
    return { arn: xmlText(xml, "Arn") ?? "", trust: decodeURIComponent(xmlText(xml, "AssumeRolePolicyDocument") ?? "") }
  } catch (error) {
    if (error instanceof AwsCallError && error.code === "NoSuchEntity") return undefined
    throw error
  }
}

/**
 * Replaces the trust policy of a role, whole.
 *
 * @param name - without its path
 * @throws {AwsCallError} `aws-call-failed`
 */
export async function updateTrust(name: string, policy: string, iam: Iam, signal: AbortSignal): Promise<void> {
  const parameters = { Action: "UpdateAssumeRolePolicy", RoleName: name, PolicyDocument: policy }
  await askQuery(iamService(iam), parameters, iam.keys, { tools: iam, signal })
}

/**
 * Asks what a caller's own policies say of assuming a role.
 *
 * @param caller - the ARN of a user or a role, with its path
 * @throws {AwsCallError} `aws-call-failed`, for example if the caller may not simulate
 */
export async function simulateAssume(caller: string, role: string, iam: Iam, signal: AbortSignal): Promise<Simulated> {
  const parameters = {
    Action: "SimulatePrincipalPolicy",
    PolicySourceArn: caller,
    "ActionNames.member.1": "sts:AssumeRole",
    "ResourceArns.member.1": role,
  }
  const xml = await askQuery(iamService(iam), parameters, iam.keys, { tools: iam, signal })
  const said = xmlText(xml, "EvalDecision")
  const decision = said === "allowed" || said === "explicitDeny" ? said : "implicitDeny"
  if (xmlText(xml, "AllowedByOrganizations") === "false") return { decision, deniedBy: "organization" }
  return xmlText(xml, "AllowedByPermissionsBoundary") === "false" ? { decision, deniedBy: "boundary" } : { decision }
}
