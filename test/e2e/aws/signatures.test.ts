/** Our signatures against those of others: the AWS SDK's own signer, aws4fetch, and botocore where it is on the machine. */
import { execFileSync } from "node:child_process"
import { createHash, createHmac } from "node:crypto"
import fc from "fast-check"
import { expect, test } from "vitest"
import { type AwsKeys, createSigner, type SigningScope } from "../../../src/auth/aws/sign.ts"
import type { OutgoingRequest } from "../../../src/core/http.ts"
import { requireJudge } from "../../harness/judges.ts"

/** The part of `@smithy/signature-v4` that is used. */
interface Smithy {
  readonly SignatureV4: new (settings: object) => {
    sign(request: object, options: object): Promise<{ readonly headers: Readonly<Record<string, string>> }>
  }
}
interface Aws4Fetch {
  readonly AwsV4Signer: new (settings: object) => { sign(): Promise<{ readonly headers: Headers }> }
}

/** The hash that Smithy's signer is given. */
class Sha256 {
  private readonly hash
  constructor(secret?: string | Uint8Array) {
    this.hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret)
  }
  update(data: string | Uint8Array): void {
    this.hash.update(data)
  }
  async digest(): Promise<Uint8Array> {
    return this.hash.digest()
  }
}

interface Sample {
  readonly request: OutgoingRequest
  readonly keys: AwsKeys
  readonly scope: SigningScope
  readonly atMs: number
}

const text = fc.string({ unit: "binary", maxLength: 12 }).filter((one) => !/[\uD800-\uDFFF]/.test(one))
const segment = fc.oneof(
  text,
  fc.constantFrom("", ".", "..", "prod", "mcp", "%2F", "a b", "*!'()", "arn:aws:bedrock-agentcore:us-east-1:1:runtime/x"),
)
const token = fc.stringMatching(/^[\x21-\x7e]([\x20-\x7e]{0,20}[\x21-\x7e])?$/)
const headerName = fc.constantFrom(
  "content-type",
  "mcp-session-id",
  "mcp-protocol-version",
  "mcp-method",
  "x-org-id",
  "last-event-id",
  "x-api-key",
)

const sample: fc.Arbitrary<Sample> = fc
  .record({
    segments: fc.array(segment, { maxLength: 5 }),
    query: fc.array(fc.tuple(text, text), { maxLength: 4 }),
    headers: fc.dictionary(headerName, token, { maxKeys: 5 }),
    body: fc.option(fc.uint8Array({ maxLength: 300 })),
    method: fc.constantFrom("GET" as const, "POST" as const, "DELETE" as const),
    sessionToken: fc.option(fc.base64String({ minLength: 4, maxLength: 200 })),
    secretAccessKey: fc.base64String({ minLength: 8, maxLength: 60 }),
    payload: fc.constantFrom("signed" as const, "sent" as const, "unsigned" as const),
    service: fc.constantFrom("execute-api", "lambda", "bedrock-agentcore", "sts"),
    region: fc.constantFrom("ap-southeast-1", "us-gov-west-1", "cn-north-1"),
    atMs: fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2030, 0, 1) }),
  })
  .map(({ segments, query, headers, body, method, sessionToken, secretAccessKey, payload, service, region, atMs }) => {
    const url = new URL(`https://abc.execute-api.${region}.amazonaws.com:8443/${segments.map(encodeURIComponent).join("/")}`)
    // Each name once: Smithy takes a bag of names, and what several values of one name mean in a query is each server's business.
    // And none that every object has: Smithy's signer loses a parameter named `__proto__`.
    for (const [name, value] of query) if (name !== "__proto__") url.searchParams.set(name, value)
    return {
      request: { method, url, headers, ...(body === null || method !== "POST" ? {} : { body: Buffer.from(body) }) },
      keys: { accessKeyId: "AKIDEXAMPLE", secretAccessKey, ...(sessionToken === null ? {} : { sessionToken }) },
      scope: { service, region, payload },
      atMs,
    }
  })

const ours = ({ request, keys, scope, atMs }: Sample): string => createSigner(scope)(request, keys, atMs).headers["authorization"] ?? ""

test("2.1: any path, query, header and body gets the signature that the AWS SDK gives it", async () => {
  const { SignatureV4 } = requireJudge("@smithy/signature-v4") as Smithy // its public face
  const theirs = async ({ request, keys, scope, atMs }: Sample): Promise<string> => {
    const { url, method, headers, body } = request
    const signer = new SignatureV4({
      credentials: keys,
      service: scope.service,
      region: scope.region,
      sha256: Sha256,
      uriEscapePath: true,
      applyChecksum: scope.payload === "sent",
    })
    const extra = scope.payload === "unsigned" ? { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" } : {}
    const query = Object.fromEntries(url.searchParams)
    const given = {
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      port: 8443,
      path: url.pathname,
      query,
      headers: { ...headers, ...extra, host: url.host },
      body,
    }
    return (await signer.sign(given, { signingDate: new Date(atMs) })).headers["authorization"] ?? ""
  }

  await fc.assert(
    fc.asyncProperty(sample, async (one) => {
      expect(ours(one)).toBe(await theirs(one))
    }),
    { numRuns: 1000 },
  )
})

test("2.1: any path, query, header and body gets the signature that aws4fetch gives it", async () => {
  const { AwsV4Signer } = requireJudge("aws4fetch") as Aws4Fetch // its public face
  const theirs = async ({ request, keys, scope, atMs }: Sample): Promise<string> => {
    const { url, method, headers, body } = request
    const hash = createHash("sha256")
      .update(body ?? "")
      .digest("hex")
    const extra: Record<string, string> =
      scope.payload === "signed" ? {} : { "x-amz-content-sha256": scope.payload === "sent" ? hash : "UNSIGNED-PAYLOAD" }
    const datetime = new Date(atMs).toISOString().replace(/[:-]|\.\d{3}/g, "")
    const signer = new AwsV4Signer({
      ...keys,
      ...scope,
      url: url.href,
      method,
      headers: { ...headers, ...extra },
      body,
      datetime,
      allHeaders: true,
    })
    return (await signer.sign()).headers.get("authorization") ?? ""
  }
  // It leaves parameters without a name out.
  const known = sample.filter(({ request }) => !request.url.searchParams.has(""))

  await fc.assert(
    fc.asyncProperty(known, async (one) => {
      expect(ours(one)).toBe(await theirs(one))
    }),
    { numRuns: 300 },
  )
})

/** Signs what comes in as JSON lines on standard input. */
const BOTOCORE = `
import json, sys, datetime
try:
    import botocore.auth as auth, botocore.awsrequest as awsrequest, botocore.credentials as credentials
except ImportError:
    import awscli.botocore.auth as auth, awscli.botocore.awsrequest as awsrequest, awscli.botocore.credentials as credentials
for line in sys.stdin:
    one = json.loads(line)
    request = awsrequest.AWSRequest(method=one["method"], url=one["url"], headers=one["headers"], data=bytes.fromhex(one["body"]))
    signer = auth.SigV4Auth(credentials.Credentials(one["key"], one["secret"], one["token"]), one["service"], one["region"])
    request.context["timestamp"] = one["time"]
    if "x-amz-content-sha256" in one["headers"]:
        request.context["payload_signing_enabled"] = True
    if one["token"]:
        request.headers["X-Amz-Security-Token"] = one["token"]
    request.headers["X-Amz-Date"] = one["time"]
    canonical = signer.canonical_request(request)
    string_to_sign = signer.string_to_sign(request, canonical)
    print(signer.signature(string_to_sign, request), flush=True)
`

/** A Python that has botocore: by itself, or inside of Debian's AWS CLI. */
function findBotocore(): string | undefined {
  return ["python3", "/usr/bin/python3"].find((python) => {
    try {
      execFileSync(python, ["-c", "try:\n import botocore.auth\nexcept ImportError:\n import awscli.botocore.auth"], { stdio: "ignore" })
      return true
    } catch {
      return false
    }
  })
}
const python = findBotocore()

test.skipIf(python === undefined)("2.1: botocore, which the AWS CLI stands on, is of the same opinion", () => {
  // It signs a query as it stands; ours is the form that all services make of it. So only queries that have that form are compared.
  const isCanonical = ({ request: { url } }: Sample): boolean =>
    [...url.searchParams].every(([name, value]) => /^[\w~.-]*$/.test(name + value) && name !== "")
  const samples = fc.sample(sample.filter(isCanonical), 200)
  const lines = samples.map(({ request, keys, scope, atMs }) => {
    const signed = createSigner(scope)(request, keys, atMs).headers
    const { authorization: _, "x-amz-date": time, "x-amz-security-token": session = null, ...headers } = signed
    return JSON.stringify({
      method: request.method,
      url: request.url.href,
      headers: { ...headers, host: request.url.host },
      body: request.body?.toString("hex") ?? "",
      key: keys.accessKeyId,
      secret: keys.secretAccessKey,
      token: session,
      service: scope.service,
      region: scope.region,
      time,
    })
  })

  const signatures = execFileSync(python ?? "", ["-c", BOTOCORE], { input: `${lines.join("\n")}\n`, encoding: "utf8" })
    .trim()
    .split("\n")

  expect(signatures).toEqual(samples.map((one) => ours(one).split("Signature=")[1]))
})
