/** The verifier of the doubles, held against the official cases: it lets in what AWS signed, and nothing else. */
import { describe, expect, test } from "vitest"
import { type Arrived, verify, type Verifying } from "../../servers/aws/verifier.ts"
import { areHere, caseNames, readCase } from "./official-cases.ts"

/** The verifier knows no S3, and no token that is not signed. */
const applicable = caseNames.filter((name) => !name.endsWith("-unnormalized") && name !== "post-sts-header-after")

function arrivedAs(name: string): { readonly arrived: Arrived; readonly verifying: Verifying } {
  const { method, target, body, signedHeaders, keys, region, service, atMs } = readCase(name)
  const holder = { ...keys, account: "123456789012", arn: "arn:aws:iam::123456789012:user/official" }
  const holders = new Map([[keys.accessKeyId, holder]])
  return {
    arrived: { method, target, headers: signedHeaders, body: Buffer.from(body) },
    verifying: { holders, service, region, nowMs: atMs },
  }
}

describe.skipIf(!areHere)(`the official cases, as they arrive${areHere ? "" : ": their folder is not here"}`, () => {
  test.each(applicable)("%s is let in, and refused once anything of it is changed", (name) => {
    const { arrived, verifying } = arrivedAs(name)
    const letsIn = (change: Partial<Arrived>, otherwise: Partial<Verifying> = {}): boolean =>
      "holder" in verify({ ...arrived, ...change }, { ...verifying, ...otherwise })

    expect(verify(arrived, verifying)).toMatchObject({ holder: { arn: "arn:aws:iam::123456789012:user/official" } })

    expect(letsIn({ method: "DELETE" })).toBe(false)
    expect(letsIn({ target: `/other${arrived.target}` })).toBe(false)
    expect(letsIn({ target: `${arrived.target}${arrived.target.includes("?") ? "&" : "?"}more=1` })).toBe(false)
    expect(letsIn({ body: Buffer.concat([arrived.body, Buffer.from(" ")]) })).toBe(false)
    expect(letsIn({ headers: { ...arrived.headers, host: "other.example.com" } })).toBe(false)
    expect(letsIn({ headers: { ...arrived.headers, "x-amz-date": "20150830T123601Z" } })).toBe(false)
    expect(letsIn({ headers: { ...arrived.headers, "x-amz-more": "unsigned" } })).toBe(false)
    expect(letsIn({ headers: { ...arrived.headers, "x-amz-security-token": "another" } })).toBe(false)
    expect(letsIn({}, { region: "eu-west-1" })).toBe(false)
    expect(letsIn({}, { service: "execute-api" })).toBe(false)
    expect(letsIn({}, { nowMs: verifying.nowMs + 301_000 })).toBe(false)
    expect(letsIn({}, { nowMs: verifying.nowMs - 301_000 })).toBe(false)
  })
})
