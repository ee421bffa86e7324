/** The official Signature V4 cases, through the entry that signs every request. */
import { describe, expect, test } from "vitest"
import { createSigner } from "../../../src/auth/aws/sign.ts"
import { areHere, caseNames, readCase } from "./official-cases.ts"

/** Cases that no request of ours can be, each with the reason. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "get-header-value-multiline": "a header of several lines is no header any more (RFC 9112 section 5.2), and node:http refuses to send one",
  "get-space-normalized": "its request line holds a raw blank; an address has it encoded, and the path is then encoded twice",
  "get-utf8": "its request line holds raw UTF-8; an address has it encoded, and the path is then encoded twice",
  "post-sts-header-after": "the session token is added after signing, which only AWS IoT asks for",
}
/** Paths that are signed as they are: only S3 asks for that, and it is no server of MCP. */
const isForS3 = (name: string): boolean => name.endsWith("-unnormalized")

const applicable = caseNames.filter((name) => !isForS3(name) && !Object.hasOwn(LEFT_OUT, name))

describe.skipIf(!areHere)(`the official cases of Signature V4${areHere ? "" : ": their folder is not here"}`, () => {
  test.each(applicable)("%s has the signature that AWS publishes", (name) => {
    const { method, target, headers, body, keys, service, region, sendsHash, atMs, signature } = readCase(name)
    const { host = "", ...others } = headers
    const request = {
      method: method as "GET" | "POST", // the cases have no other
      url: new URL(`https://${host}${target}`),
      headers: others,
      ...(body === "" ? {} : { body: Buffer.from(body) }),
    }

    const signed = createSigner({ service, region, payload: sendsHash ? "sent" : "signed" })(request, keys, atMs)

    expect(/Signature=([0-9a-f]{64})$/.exec(signed.headers["authorization"] ?? "")?.[1]).toBe(signature)
  })

  test("no case is left out without a reason, and none of the reasons has lost its case", () => {
    expect(caseNames.filter((name) => !applicable.includes(name) && !isForS3(name)).toSorted()).toEqual(Object.keys(LEFT_OUT).toSorted())
    expect(applicable.length).toBeGreaterThan(25)
  })
})
