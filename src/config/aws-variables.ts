/** The server of a program that is set up by variables only, and by no file: `aws-mcp-proxy` and `aws-role-mcp-proxy`. */
import { defineDiagnosis, PosternError } from "../core/diagnosis.ts"
import type { Environment } from "../core/places.ts"
import { addressProblem } from "./address.ts"
import { ROLE_ARN, SESSION_NAME } from "./aws-schema.ts"
import type { HttpServer } from "./server.ts"

/** Which of the two; the name stands in the package's `bin`. */
export type AwsProgram = "aws-mcp-proxy" | "aws-role-mcp-proxy"

/** What stands for the file of such a server. */
export const IN_VARIABLES = "the environment"

/** `hints` say what may have taken the variable away, such as a client that hands on only some. */
export const awsVariableMissing = defineDiagnosis({
  code: "aws-variable-missing",
  about:
    "`aws-mcp-proxy` and `aws-role-mcp-proxy` are set up by variables: MCP_ENDPOINT is the address of the server, ASSUME_ROLE_ARN the role that signs (the second program needs it). One of them is not set, or the client did not hand it on.",
  tell: ({ program, variable, hints }: { program: string; variable: string; hints: readonly string[] }) => ({
    cause: `${program} needs the variable ${variable}, and it is not set.`,
    evidence: [...hints, "nothing was sent"],
    next: `set ${variable} in the server's env, in the configuration of the client`,
  }),
})

/** `problem` is told in place of the value, which may hold a password. */
export const awsVariableInvalid = defineDiagnosis({
  code: "aws-variable-invalid",
  about: "A variable that sets up `aws-mcp-proxy` or `aws-role-mcp-proxy` holds something that cannot be used.",
  tell: ({ program, variable, problem }: { program: string; variable: string; problem: string }) => ({
    cause: `${program} cannot use the variable ${variable}: ${problem}.`,
    evidence: ["nothing was sent"],
    next: `correct ${variable} in the server's env, in the configuration of the client`,
  }),
})

/**
 * Reads the variables `MCP_ENDPOINT`, `ASSUME_ROLE_ARN` and `AWS_ROLE_SESSION_NAME`. Who signs is AWS's own variables' business.
 *
 * @param hints - what may have taken a variable away
 * @throws {PosternError} `aws-variable-missing`, `aws-variable-invalid`
 */
export function serverFromVariables(program: AwsProgram, env: Environment, hints: readonly string[]): HttpServer {
  const missing = (variable: string): PosternError => new PosternError(awsVariableMissing({ program, variable, hints }))
  const invalid = (variable: string, problem: string): PosternError => new PosternError(awsVariableInvalid({ program, variable, problem }))
  const { MCP_ENDPOINT: url, ASSUME_ROLE_ARN: role, AWS_ROLE_SESSION_NAME: sessionName } = env

  if (!url) throw missing("MCP_ENDPOINT")
  if (url.includes("${")) throw invalid("MCP_ENDPOINT", "it holds a ${…} that the client has not replaced")
  const problem = addressProblem(url)
  if (problem !== undefined) throw invalid("MCP_ENDPOINT", problem)
  if (!role && program === "aws-role-mcp-proxy") throw missing("ASSUME_ROLE_ARN")
  if (role && !ROLE_ARN.test(role)) throw invalid("ASSUME_ROLE_ARN", "it is no ARN of a role, such as arn:aws:iam::123456789012:role/NAME")
  if (sessionName && !SESSION_NAME.test(sessionName))
    throw invalid("AWS_ROLE_SESSION_NAME", "STS takes 2 to 64 letters, digits and _+=,.@-")
  return {
    name: program,
    scope: "file",
    file: IN_VARIABLES,
    trusted: true,
    enabled: true,
    transport: "http",
    url,
    headers: {},
    aws: { ...(role ? { assumeRole: role } : {}), ...(sessionName ? { sessionName } : {}) },
  }
}
