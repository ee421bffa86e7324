/** Where STS and AWS SSO are asked. */
import { expect, test } from "vitest"
import { oidcEndpoint } from "../../../src/auth/aws/sso-oidc.ts"
import { portalEndpoint } from "../../../src/auth/aws/sso-role.ts"
import { stsEndpoint } from "../../../src/auth/aws/sts.ts"

const FIPS = { AWS_USE_FIPS_ENDPOINT: "true" }
const DUAL_STACK = { AWS_USE_DUALSTACK_ENDPOINT: "true" }

test.each([
  ["ap-southeast-1", {}, "https://sts.ap-southeast-1.amazonaws.com/"],
  ["us-east-1", {}, "https://sts.us-east-1.amazonaws.com/"],
  ["us-east-1", { AWS_STS_REGIONAL_ENDPOINTS: "legacy" }, "https://sts.us-east-1.amazonaws.com/"],
  ["cn-north-1", {}, "https://sts.cn-north-1.amazonaws.com.cn/"],
  ["us-gov-west-1", {}, "https://sts.us-gov-west-1.amazonaws.com/"],
  ["us-east-2", FIPS, "https://sts-fips.us-east-2.amazonaws.com/"],
  ["us-gov-west-1", FIPS, "https://sts.us-gov-west-1.amazonaws.com/"], // has passed FIPS 140 under its plain name
  ["us-gov-west-1", { ...FIPS, ...DUAL_STACK }, "https://sts-fips.us-gov-west-1.api.aws/"],
  ["eu-west-1", DUAL_STACK, "https://sts.eu-west-1.api.aws/"],
  ["cn-north-1", DUAL_STACK, "https://sts.cn-north-1.api.amazonwebservices.com.cn/"],
  ["eu-west-1", { AWS_ENDPOINT_URL: "https://aws.example/" }, "https://aws.example/"],
  ["eu-west-1", { AWS_ENDPOINT_URL: "https://aws.example/", AWS_ENDPOINT_URL_STS: "https://sts.example/" }, "https://sts.example/"],
  [
    "eu-west-1",
    { AWS_ENDPOINT_URL_STS: "https://sts.example/", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" },
    "https://sts.eu-west-1.amazonaws.com/",
  ],
])("2.3: STS of %s is the regional one, with %j at %s", (region, env, url) => {
  expect(stsEndpoint(region, env).href).toBe(url)
})

test.each([
  ["us-east-1", {}, "us-east-1.amazonaws.com", ""],
  ["us-east-1", FIPS, "us-east-1.amazonaws.com", "-fips"],
  ["us-east-1", DUAL_STACK, "us-east-1.api.aws", ""],
  ["us-east-1", { ...FIPS, ...DUAL_STACK }, "us-east-1.api.aws", "-fips"],
  ["us-gov-east-1", FIPS, "us-gov-east-1.amazonaws.com", ""],
  ["cn-north-1", FIPS, "cn-north-1.amazonaws.com.cn", "-fips"],
])("a session of SSO in %s, with %j, is asked for where the SDK asks", (region, env, domain, mark) => {
  const session = { profile: "dev", startUrl: "https://corp.awsapps.com/start", region, scopes: [], cache: "" }

  expect(oidcEndpoint(session, env).href).toBe(`https://oidc${mark}.${domain}/`)
  expect(portalEndpoint(session, env).href).toBe(`https://portal.sso${mark}.${domain}/`)
})

test("an endpoint that is named over http is taken on this machine only", () => {
  expect(stsEndpoint("eu-west-1", { AWS_ENDPOINT_URL_STS: "http://127.0.0.1:4566" }).origin).toBe("http://127.0.0.1:4566")
  expect(() => stsEndpoint("eu-west-1", { AWS_ENDPOINT_URL_STS: "http://sts.example" })).toThrow(
    expect.objectContaining({ diagnosis: expect.objectContaining({ code: "aws-unencrypted" }) }),
  )
})
