/**
 * The least that a role needs to reach one endpoint, and nothing else: the action of its front door on the one ARN that the address
 * stands for.
 */
import { PosternError } from "../../core/diagnosis.ts"
import type { PolicyDocument, Statement } from "./policy-document.ts"
import { awsResourceUnknown } from "./trust-diagnoses.ts"

/** An address, and what is known of what stands behind it. */
export interface Endpoint {
  readonly url: URL
  readonly service: string
  readonly region: string
  readonly partition: string
  /** Twelve digits: whose endpoint it is. */
  readonly account: string
  /** The ARN of what answers, where the address does not tell it. */
  readonly resource?: string | undefined
}

/** What an MCP server is asked: messages, the stream, the goodbye. */
const METHODS = ["POST", "GET", "DELETE"] as const

/**
 * Writes the policy for one endpoint.
 *
 * @param server - its name, for what is told
 * @throws {PosternError} `aws-resource-unknown` where neither the address nor `resource` tells the ARN
 */
export function endpointPolicy(endpoint: Endpoint, server: string): PolicyDocument {
  return { Version: "2012-10-17", Statement: statementsFor(endpoint, server) }
}

function statementsFor(endpoint: Endpoint, server: string): readonly Statement[] {
  switch (endpoint.service) {
    case "execute-api":
      return [allow("CallThisApi", "execute-api:Invoke", apiResources(endpoint, server))]
    case "lambda":
      return functionUrl(needResource(endpoint, server, "function:my-function"))
    case "bedrock-agentcore":
      return [agentCore(endpoint, server)]
    case "vpc-lattice-svcs":
      return [allow("CallThisService", "vpc-lattice-svcs:Invoke", [latticeResource(endpoint, server)])]
    case "aws-mcp":
      // The AWS MCP server has no resources of its own; what its tools do is allowed or not by the actions that they call.
      return [allow("ReadThroughAwsMcp", ["aws-mcp:InvokeMcp", "aws-mcp:CallReadOnlyTool"], ["*"])]
    default:
      throw unknownResource(endpoint, server, "resource")
  }
}

function allow(sid: string, action: string | readonly string[], resource: readonly string[]): Statement {
  return {
    Sid: sid,
    Effect: "Allow",
    Action: action,
    Resource: resource.length === 1 && resource[0] !== undefined ? resource[0] : resource,
  }
}

/** `arn:PART:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`: the first segment of the path is the stage. */
function apiResources({ url, region, partition, account, resource }: Endpoint, server: string): readonly string[] {
  const [stage = "$default", ...path] = url.pathname.split("/").filter((segment) => segment !== "")
  const api = /^([a-z0-9-]+)\.execute-api\./.exec(url.hostname)?.[1]
  if (resource === undefined && api === undefined) {
    throw new PosternError(
      awsResourceUnknown({
        server,
        service: "API Gateway",
        example: `arn:${partition}:execute-api:${region}:${account}:API-ID/STAGE/POST/${path.join("/")}`,
      }),
    )
  }
  if (resource !== undefined) return [resource]
  return METHODS.map((method) => `arn:${partition}:execute-api:${region}:${account}:${api}/${stage}/${method}/${path.join("/")}`)
}

/** URLs that were made since October 2025 need both; the second one only lets the function be called by its URL. */
function functionUrl(resource: string): readonly Statement[] {
  return [
    {
      ...allow("CallThisUrl", "lambda:InvokeFunctionUrl", [resource]),
      Condition: { StringEquals: { "lambda:FunctionUrlAuthType": "AWS_IAM" } },
    },
    {
      ...allow("CallThisUrlSince2025", "lambda:InvokeFunction", [resource]),
      Condition: { Bool: { "lambda:InvokedViaFunctionUrl": "true" } },
    },
  ]
}

/** A gateway's host begins with its id; a runtime's path holds its ARN. */
function agentCore(endpoint: Endpoint, server: string): Statement {
  const { url, region, partition, account, resource } = endpoint
  const gateway = /^([a-z0-9-]+)\.gateway\.bedrock-agentcore\./.exec(url.hostname)?.[1]
  const base = `arn:${partition}:bedrock-agentcore:${region}`
  if (gateway !== undefined)
    return allow("CallThisGateway", "bedrock-agentcore:InvokeGateway", [resource ?? `${base}:${account}:gateway/${gateway}`])
  const runtime = resource ?? runtimeArn(url)
  if (runtime === undefined) throw unknownResource(endpoint, server, "runtime/my-runtime")
  const qualifier = url.searchParams.get("qualifier") ?? "DEFAULT"
  return allow("CallThisRuntime", "bedrock-agentcore:InvokeAgentRuntime", [runtime, `${runtime}/runtime-endpoint/${qualifier}`])
}

function runtimeArn({ pathname }: URL): string | undefined {
  const encoded = /^\/runtimes\/([^/]+)\/invocations/.exec(pathname)?.[1]
  const arn = encoded === undefined ? undefined : decoded(encoded)
  return arn !== undefined && /^arn:[\w-]+:bedrock-agentcore:[\w-]+:\d{12}:runtime\/[\w-]+$/.test(arn) ? arn : undefined
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined // a percent sign that begins no byte: no ARN either
  }
}

/** `NAME-ID.HASH.vpc-lattice-svcs.REGION.on.aws`: seventeen hexadecimal digits are the service's id. */
function latticeResource(endpoint: Endpoint, server: string): string {
  const { url, region, partition, account, resource } = endpoint
  const id = /^.*?-?([0-9a-f]{17})\./.exec(url.hostname)?.[1]
  if (resource !== undefined) return resource
  if (id === undefined) throw unknownResource(endpoint, server, "service/svc-0123456789abcdef0/mcp")
  return `arn:${partition}:vpc-lattice:${region}:${account}:service/svc-${id}${url.pathname}`
}

function needResource(endpoint: Endpoint, server: string, form: string): string {
  if (endpoint.resource === undefined) throw unknownResource(endpoint, server, form)
  return endpoint.resource
}

function unknownResource({ service, partition, region, account }: Endpoint, server: string, form: string): PosternError {
  return new PosternError(awsResourceUnknown({ server, service, example: `arn:${partition}:${service}:${region}:${account}:${form}` }))
}
