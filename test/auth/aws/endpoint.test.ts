/** Service, region and partition from a host; and where they are not guessed. */
import fc from "fast-check"
import { expect, test } from "vitest"
import { frontDoorOf, recogniseHost } from "../../../src/auth/aws/endpoint.ts"
import type { HttpServer } from "../../../src/config/server.ts"

const server = (url: string, aws = {}): HttpServer => ({
  name: "finance",
  scope: "user",
  file: "/config.json",
  trusted: true,
  enabled: true,
  transport: "http",
  url,
  headers: {},
  aws,
})

test.each([
  ["my-mcp-service.execute-api.ap-southeast-1.amazonaws.com", "execute-api", "ap-southeast-1", "aws", "signed"],
  ["abc123.execute-api.cn-north-1.amazonaws.com.cn", "execute-api", "cn-north-1", "aws-cn", "signed"],
  ["abc123.execute-api.us-gov-west-1.amazonaws.com", "execute-api", "us-gov-west-1", "aws-us-gov", "signed"],
  ["abc123-vpce-0a1b2c.execute-api.eu-central-1.amazonaws.com", "execute-api", "eu-central-1", "aws", "signed"],
  ["vpce-0a1b-2c3d.execute-api.eu-central-1.vpce.amazonaws.com", "execute-api", "eu-central-1", "aws", "signed"],
  ["abcdefghij.lambda-url.us-east-1.on.aws", "lambda", "us-east-1", "aws", "sent"],
  ["bedrock-agentcore.us-west-2.amazonaws.com", "bedrock-agentcore", "us-west-2", "aws", "signed"],
  ["gw-1a2b.gateway.bedrock-agentcore.us-west-2.amazonaws.com", "bedrock-agentcore", "us-west-2", "aws", "signed"],
  ["my-svc-0123.7d67968.vpc-lattice-svcs.us-west-2.on.aws", "vpc-lattice-svcs", "us-west-2", "aws", "unsigned"],
  ["aws-mcp.us-east-1.api.aws", "aws-mcp", "us-east-1", "aws", "signed"],
  ["knowledge.us-gov-east-1.api.aws", "knowledge", "us-gov-east-1", "aws-us-gov", "signed"],
])("2.1: %s is signed for %s in %s", (host, ...[service, region, partition, payload]) => {
  expect(recogniseHost(host)).toMatchObject({ service, region, partition, payload })
})

test.each([
  "api.example.com",
  "my-mcp-service.execute-api.ap-southeast-1.amazonaws.com.evil.example",
  "execute-api.ap-southeast-1.amazonaws.com.evil.example",
  "xexecute-api.ap-southeast-1.amazonaws.com",
  "abc.execute-api.amazonaws.com",
  "abc.execute-api.ap-southeast-1.amazonaws.org",
  "abc.execute-api.us-east-1.amazonaws.com.cn", // no such region in that partition
  "abc.def.lambda-url.us-east-1.on.aws",
  "s3.us-east-1.amazonaws.com",
  "evilapi.aws",
  "localhost",
  "127.0.0.1",
])("2.1: for %s nothing is guessed", (host) => {
  expect(recogniseHost(host)).toBeUndefined()
})

test("2.1: a custom domain is refused, with the flags that are missing; once they are given it is signed for", () => {
  const url = new URL("https://mcp.example.com/prod/mcp")

  expect(() => frontDoorOf(server(url.href), url)).toThrow(
    expect.objectContaining({
      diagnosis: expect.objectContaining({
        code: "aws-endpoint-unknown",
        kind: "usage",
        next: expect.stringContaining(
          "postern add finance --aws --service execute-api --region ap-southeast-1 https://mcp.example.com/prod/mcp",
        ),
      }),
    }),
  )
  expect(() => frontDoorOf(server(url.href, { service: "execute-api" }), url)).toThrow(/for which AWS region to sign/)
  expect(frontDoorOf(server(url.href, { service: "execute-api", region: "cn-north-1" }), url)).toMatchObject({
    service: "execute-api",
    region: "cn-north-1",
    partition: "aws-cn",
    payload: "signed",
  })
})

test("what the entry says wins over the host", () => {
  const url = new URL("https://abc.execute-api.ap-southeast-1.amazonaws.com/prod")

  expect(frontDoorOf(server(url.href, { service: "vpc-lattice-svcs", region: "us-east-1" }), url)).toMatchObject({
    service: "vpc-lattice-svcs",
    region: "us-east-1",
    payload: "unsigned",
  })
})

test("a host that merely holds the name of a service is never taken for it", () => {
  const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/)
  const domain = fc.tuple(label, fc.constantFrom("com", "net", "aws", "cn", "dev")).map(([name, top]) => `${name}x.${top}`)
  const hosts = fc.tuple(
    fc.constantFrom("a.execute-api.us-east-1.amazonaws.com", "a.lambda-url.us-east-1.on.aws", "aws-mcp.us-east-1.api.aws"),
    domain,
  )

  fc.assert(fc.property(hosts, ([inside, outside]) => recogniseHost(`${inside}.${outside}`) === undefined))
})
