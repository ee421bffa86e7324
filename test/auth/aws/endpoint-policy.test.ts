/** The least that a role needs for one endpoint: one action, one ARN. */
import { expect, test } from "vitest"
import { type Endpoint, endpointPolicy } from "../../../src/auth/aws/endpoint-policy.ts"

const at = (address: string, service: string, more: Partial<Endpoint> = {}): Endpoint => ({
  url: new URL(address),
  service,
  region: "ap-southeast-1",
  partition: "aws",
  account: "123456789012",
  ...more,
})

const API = "https://my-mcp-service.execute-api.ap-southeast-1.amazonaws.com"
const RUNTIME = "arn:aws:bedrock-agentcore:ap-southeast-1:123456789012:runtime/agent-abc"
const FUNCTION = "arn:aws:lambda:ap-southeast-1:123456789012:function:mcp"

test("an API is invoked by the three methods of MCP, at its stage and path only", () => {
  const policy = endpointPolicy(at(`${API}/prod/mcp`, "execute-api"), "s")

  expect(policy.Statement).toEqual([
    {
      Sid: "CallThisApi",
      Effect: "Allow",
      Action: "execute-api:Invoke",
      Resource: ["POST", "GET", "DELETE"].map(
        (method) => `arn:aws:execute-api:ap-southeast-1:123456789012:my-mcp-service/prod/${method}/mcp`,
      ),
    },
  ])
})

test.each<[string, Endpoint, unknown]>([
  [
    "an API without a path below the stage",
    at(`${API}/prod`, "execute-api"),
    expect.arrayContaining(["arn:aws:execute-api:ap-southeast-1:123456789012:my-mcp-service/prod/POST/"]),
  ],
  [
    "an API behind a custom domain, whose ARN is given",
    at("https://mcp.example.com/x", "execute-api", { resource: "arn:aws:execute-api:eu-west-1:1:a/b/POST/x" }),
    "arn:aws:execute-api:eu-west-1:1:a/b/POST/x",
  ],
  [
    "an AgentCore gateway",
    at("https://gw-1.gateway.bedrock-agentcore.ap-southeast-1.amazonaws.com/mcp", "bedrock-agentcore"),
    "arn:aws:bedrock-agentcore:ap-southeast-1:123456789012:gateway/gw-1",
  ],
  [
    "an AgentCore runtime, its ARN in the path",
    at(
      `https://bedrock-agentcore.ap-southeast-1.amazonaws.com/runtimes/${encodeURIComponent(RUNTIME)}/invocations?qualifier=V2`,
      "bedrock-agentcore",
    ),
    [RUNTIME, `${RUNTIME}/runtime-endpoint/V2`],
  ],
  [
    "a VPC Lattice service",
    at("https://svc-name-0123456789abcdef0.7d67968.vpc-lattice-svcs.ap-southeast-1.on.aws/mcp", "vpc-lattice-svcs"),
    "arn:aws:vpc-lattice:ap-southeast-1:123456789012:service/svc-0123456789abcdef0/mcp",
  ],
  [
    "GovCloud",
    at("https://a.execute-api.us-gov-west-1.amazonaws.com/p", "execute-api", { region: "us-gov-west-1", partition: "aws-us-gov" }),
    expect.arrayContaining(["arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a/p/POST/"]),
  ],
])("the resource of %s is its own ARN", (_, endpoint, resource) => {
  expect(endpointPolicy(endpoint, "s").Statement).toMatchObject([{ Resource: resource }])
})

test("a function URL needs both actions, each only for calls by the URL", () => {
  const policy = endpointPolicy(at("https://abc.lambda-url.ap-southeast-1.on.aws/", "lambda", { resource: FUNCTION }), "s")

  expect(policy.Statement).toMatchObject([
    { Action: "lambda:InvokeFunctionUrl", Resource: FUNCTION, Condition: { StringEquals: { "lambda:FunctionUrlAuthType": "AWS_IAM" } } },
    { Action: "lambda:InvokeFunction", Resource: FUNCTION, Condition: { Bool: { "lambda:InvokedViaFunctionUrl": "true" } } },
  ])
})

test.each([
  ["a function URL", at("https://abc.lambda-url.ap-southeast-1.on.aws/", "lambda")],
  ["a custom domain", at("https://mcp.example.com/mcp", "execute-api")],
  [
    "a runtime whose path holds another ARN",
    at("https://bedrock-agentcore.ap-southeast-1.amazonaws.com/runtimes/arn%3Aaws%3As3/invocations", "bedrock-agentcore"),
  ],
  ["a path that is no text", at("https://bedrock-agentcore.ap-southeast-1.amazonaws.com/runtimes/%E0/invocations", "bedrock-agentcore")],
  ["a service that nobody here knows", at("https://x.example.com/", "other")],
])("%s does not tell its resource: it is asked for, and no star is put in its place", (_, endpoint) => {
  expect(() => endpointPolicy(endpoint, "s")).toThrow(
    expect.objectContaining({ diagnosis: expect.objectContaining({ code: "aws-resource-unknown" }) }),
  )
})
