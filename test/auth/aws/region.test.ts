/** In which region STS and SSO are asked. */
import { expect, test } from "vitest"
import { frontDoorOf } from "../../../src/auth/aws/endpoint.ts"
import { regionFor } from "../../../src/auth/aws/region.ts"
import type { AwsSettings, HttpServer } from "../../../src/config/server.ts"

const url = new URL("https://abc.execute-api.ap-southeast-1.amazonaws.com/prod/mcp")
const entry = (aws: AwsSettings): HttpServer => ({
  name: "finance",
  file: "config.json",
  scope: "user",
  trusted: true,
  enabled: true,
  transport: "http",
  url: url.href,
  headers: {},
  aws,
})
const known = (env: Record<string, string>, ofProfile?: string) => ({
  source: { kind: "profile", profile: "dev", named: "", told: "" } as const,
  shared: {
    profiles: new Map([["dev", ofProfile === undefined ? {} : { region: ofProfile }]]),
    ssoSessions: new Map(),
    services: new Map(),
  },
  env,
})

const CHINESE_ROLE = "arn:aws-cn:iam::123456789012:role/bot"

test.each<{ region: string; of: string; aws?: AwsSettings; env?: Record<string, string>; ofProfile?: string }>([
  { region: "ap-southeast-1", of: "the server, where nothing is named" },
  { region: "eu-west-1", of: "the profile", ofProfile: "eu-west-1" },
  { region: "eu-west-2", of: "AWS_DEFAULT_REGION before the profile", env: { AWS_DEFAULT_REGION: "eu-west-2" }, ofProfile: "eu-west-1" },
  {
    region: "eu-west-3",
    of: "AWS_REGION before AWS_DEFAULT_REGION, as in AWS's own tools",
    env: { AWS_REGION: "eu-west-3", AWS_DEFAULT_REGION: "eu-west-2" },
    ofProfile: "eu-west-1",
  },
  {
    region: "us-east-1",
    of: "the entry before all",
    aws: { region: "us-east-1" },
    env: { AWS_REGION: "eu-west-3" },
    ofProfile: "eu-west-1",
  },
  { region: "ap-southeast-1", of: "the server, where AWS_REGION lies in another partition", env: { AWS_REGION: "cn-north-1" } },
  {
    region: "cn-north-1",
    of: "the first one in the partition of the role",
    aws: { assumeRole: CHINESE_ROLE },
    env: { AWS_REGION: "eu-west-3" },
    ofProfile: "cn-north-1",
  },
])("2.3: $region, the region of $of", ({ region, aws = {}, env = {}, ofProfile }) => {
  const server = entry(aws)

  expect(regionFor(server, frontDoorOf(server, url), known(env, ofProfile))).toBe(region)
})
