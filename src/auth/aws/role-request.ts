/** Which role is asked for, and how: from a server's entry, or from a profile of the shared files. */
import { dirname, resolve } from "node:path"
import type { HttpServer } from "../../config/server.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Environment } from "../../core/places.ts"
import { readTextFile } from "../../core/read-file.ts"
import type { RoleWish } from "./credentials.ts"
import { awsPolicyUnusable } from "./diagnoses.ts"
import type { FrontDoor } from "./endpoint.ts"
import type { RoleRequest } from "./role.ts"

/** A policy of a session is no longer than this, in characters (STS, AssumeRole). */
const LONGEST_POLICY = 2048

/**
 * The role that an entry asks for.
 *
 * @returns undefined if it asks for none
 * @throws {PosternError} `aws-policy-unusable`
 */
export async function configuredRole(server: HttpServer, door: FrontDoor, env: Environment): Promise<RoleRequest | undefined> {
  const { name, aws = {} } = server
  if (aws.assumeRole === undefined) return undefined
  return {
    role: aws.assumeRole,
    sessionName: aws.sessionName ?? defaultSessionName(userOf(env), name),
    externalId: aws.externalId,
    durationSeconds: aws.duration,
    sourceIdentity: aws.sourceIdentity,
    tags: aws.tags,
    ...(await sessionPolicy(server, door)),
  }
}

/** The file that narrows the session of an entry's role, or undefined where there is none. */
export function sessionPolicyFile({ file, aws }: Pick<HttpServer, "file" | "aws">): string | undefined {
  const written = aws?.assumeRole === undefined ? undefined : aws.sessionPolicy
  return written === undefined || written === "read-only" ? undefined : resolve(dirname(file), written)
}

/** The role that a profile asks for. */
export async function wishedRole(wish: RoleWish, server: string, env: Environment): Promise<RoleRequest> {
  const { RoleArn = "", RoleSessionName: name, ExternalId, DurationSeconds, SerialNumber, WebIdentityToken } = wish
  // The SDK makes up a name that changes each time where the profile has none.
  const isMadeUp = name === undefined || /^aws-sdk-js-(?:session-)?\d+$/.test(name)
  return {
    role: RoleArn,
    sessionName: isMadeUp ? defaultSessionName(userOf(env), server) : name,
    externalId: ExternalId,
    durationSeconds: DurationSeconds,
    mfaDevice: SerialNumber,
    webIdentityToken: WebIdentityToken,
  }
}

/**
 * The name of a session tells who acts, in CloudTrail: the person, and for which server. Names that change with each call would make
 * of one person many.
 *
 * @returns 2 to 64 characters that STS takes
 */
export function defaultSessionName(user: string, server: string): string {
  const plain = (text: string): string => text.normalize("NFKD").replace(/[^\w+=,.@-]+/g, "-")
  return `postern-${plain(user).slice(0, 24)}-${plain(server)}`.slice(0, 64)
}

const userOf = (env: Environment): string => env["USER"] || env["LOGNAME"] || env["USERNAME"] || "somebody"

/** The rights of a session are those that the role and this policy both give. */
async function sessionPolicy(server: HttpServer, door: FrontDoor): Promise<Pick<RoleRequest, "policy" | "policyArns">> {
  if (server.aws?.sessionPolicy === "read-only") return readOnly(door)
  const path = sessionPolicyFile(server)
  if (path === undefined) return {}
  const refuse = (problem: string): PosternError => new PosternError(awsPolicyUnusable({ path, problem }))
  const text = await readTextFile(path)
  if (text === undefined) throw refuse("the file is not there")
  let policy: string
  try {
    policy = JSON.stringify(JSON.parse(text))
  } catch {
    throw refuse("it is not JSON")
  }
  if (policy.length > LONGEST_POLICY) throw refuse(`it has ${policy.length} characters without blanks, and STS takes ${LONGEST_POLICY}`)
  return { policy }
}

/** What calling a server takes; what the server may then do as the caller is AWS's own list of what only reads. */
function readOnly({ service, partition }: FrontDoor): Pick<RoleRequest, "policy" | "policyArns"> {
  const actions: Readonly<Record<string, readonly string[]>> = {
    "execute-api": ["execute-api:Invoke"],
    lambda: ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"],
    "bedrock-agentcore": ["bedrock-agentcore:InvokeAgentRuntime", "bedrock-agentcore:InvokeGateway"],
    "vpc-lattice-svcs": ["vpc-lattice-svcs:Invoke"],
    "aws-mcp": ["aws-mcp:InvokeMcp", "aws-mcp:CallReadOnlyTool"],
  }
  const statement = { Effect: "Allow", Action: actions[service] ?? [`${service}:Invoke*`], Resource: "*" }
  return {
    policy: JSON.stringify({ Version: "2012-10-17", Statement: [statement] }),
    policyArns: [`arn:${partition}:iam::aws:policy/ReadOnlyAccess`],
  }
}
