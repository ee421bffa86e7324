/** Each way in which AWS refuses, from a real server, has its own diagnosis; docs/aws-answers.md is what this run saw. */
import http from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import fc from "fast-check"
import { expect, test } from "vitest"
import { readAwsError } from "../../../src/auth/aws/aws-error.ts"
import { type AwsRefusal, readRefusal } from "../../../src/auth/aws/refusal.ts"
import { createHttp } from "../../../src/core/http.ts"
import { BODY, EXAMPLES, type Example, MISMATCH, canonicalAnswer } from "./answers.ts"

const PAGE = fileURLToPath(new URL("../../../docs/aws-answers.md", import.meta.url))

const DOOR_HEADERS: Readonly<Record<Example["door"], http.OutgoingHttpHeaders>> = {
  "REST API": { "x-amzn-requestid": "r-1", "x-amz-apigw-id": "g-1" },
  "HTTP API": { "apigw-requestid": "r-1" },
  "function URL": { "x-amzn-requestid": "r-1" },
  AgentCore: { "x-amzn-requestid": "r-1" },
  STS: {},
}

/** Sends one signed request to a real server that answers as the example says, and reads the refusal. */
async function refuse(example: Example): Promise<AwsRefusal> {
  const { status, type, body, door, unsigned, tokenLost } = example
  const server = http.createServer((incoming, response) => {
    incoming.resume()
    response.writeHead(status, { ...DOOR_HEADERS[door], ...(type === undefined ? {} : { "x-amzn-errortype": `${type}:` }) }).end(body)
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  const { port } = server.address() as AddressInfo // it listens on a port
  const layer = createHttp({ silenceMs: 10_000, connectMs: 10_000 })
  try {
    const signature = {
      "x-amz-date": "20261126T120000Z",
      authorization: `AWS4-HMAC-SHA256 Credential=${tokenLost ? "ASIAEXAMPLE00000WXYZ" : "AKIAEXAMPLE00000WXYZ"}/20261126/ap-southeast-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature=${"0".repeat(64)}`,
    }
    const request = {
      method: "POST" as const,
      url: new URL(`http://127.0.0.1:${port}/prod/mcp`),
      headers: { "content-type": "application/json", ...(unsigned ? {} : signature) },
      body: Buffer.from(BODY),
    }
    const answer = await layer.send(request, new AbortController().signal)
    const read = { status: answer.status, headers: answer.headers, body: await answer.readBriefly(64 * 1024) }
    const identity = { subject: "arn:aws:sts::123456789012:assumed-role/reader/postern-ada", source: "profile reader" }
    return readRefusal(read, { server: "my-mcp", request, identity, renew: "postern auth my-mcp" })
  } finally {
    layer.close()
    server.close()
  }
}

test.each(EXAMPLES)("$situation ($door) is told as $code", async (example) => {
  const { diagnosis } = await refuse(example)

  expect(diagnosis.code).toBe(example.code)
  expect(diagnosis.evidence[0]).toContain(`HTTP ${example.status}`)
  expect(diagnosis.next, "every refusal has one next step").toBeTruthy()
})

test("docs/aws-answers.md is what this run makes of each answer", async () => {
  const rows: string[] = []
  for (const example of EXAMPLES) rows.push(rowOf(example, (await refuse(example)).diagnosis))

  await expect(pageOf(rows)).toMatchFileSnapshot(PAGE)
})

test("nothing but an expiry is called an expiry", async () => {
  for (const example of EXAMPLES) {
    const { diagnosis } = await refuse(example)
    const calledExpired = /expire/i.test(`${diagnosis.cause} ${diagnosis.next}`)
    expect(calledExpired, `${example.situation}: ${diagnosis.cause}`).toBe(/ExpiredToken/.test(`${example.type} ${example.body}`))
  }
})

test("a wrong secret and a request that was changed on the way are told apart by what AWS received", async () => {
  const base = { situation: "", door: "REST API", status: 403, type: "InvalidSignatureException", code: "" } as const
  const answer = (text: string): Example => ({ ...base, body: JSON.stringify({ message: text }) })
  const hash = EXAMPLES.find(({ situation }) => situation === "wrong secret key")?.body.match(/[0-9a-f]{64}/)?.[0] ?? ""

  const secret = (await refuse(answer(canonicalAnswer("POST", "application/json", hash)))).diagnosis
  const header = (await refuse(answer(canonicalAnswer("POST", "text/plain", hash)))).diagnosis
  const silent = (await refuse(answer(MISMATCH))).diagnosis

  expect(secret.cause).toContain("secret key does not belong to the access key")
  expect(secret.evidence).toContain("method, headers and body arrived as they were sent")
  expect(header.cause).toContain("otherwise than it was signed")
  expect(header.evidence).toContain("header content-type: sent application/json, arrived as text/plain")
  expect(silent.evidence).toContain("AWS did not say what it received")
})

test("a clock that is wrong is a remedy of its own, and so are credentials at their end", async () => {
  const remedies = new Map<string, string>()
  for (const example of EXAMPLES) remedies.set(example.code, (await refuse(example)).remedy)

  expect(Object.fromEntries([...remedies].filter(([, remedy]) => remedy !== "none"))).toEqual({
    "aws-clock-behind": "clock",
    "aws-clock-ahead": "clock",
    "aws-session-expired": "fresh-credentials",
    "aws-key-unknown": "fresh-credentials",
  })
})

test("whatever stands in an answer, reading it ends with a diagnosis of one line a sentence and no control characters", () => {
  const request = { method: "POST" as const, url: new URL("https://a.execute-api.eu-west-1.amazonaws.com/p"), headers: {} }
  const words = fc.constantFrom(
    "{",
    "<Error><Code>",
    "</Code>",
    "User: ",
    " is not authorized to perform: a:B",
    "\u001b[31m",
    "&#x1b;",
    "'",
    "\n",
  )
  const texts = fc.oneof(
    fc.string(),
    fc.array(fc.oneof(words, fc.string()), { maxLength: 20 }).map((parts) => parts.join("")),
  )

  fc.assert(
    fc.property(texts, texts, fc.integer({ min: 400, max: 599 }), (type, text, status) => {
      const headers = { "x-amzn-errortype": type }
      for (const body of [text, JSON.stringify({ __type: type, message: text })]) {
        const { diagnosis } = readRefusal(
          { status, headers, body: Buffer.from(body) },
          { server: "s", request, identity: { subject: "nobody", source: "nowhere" }, renew: "postern auth s" },
        )
        for (const line of [diagnosis.cause, ...diagnosis.evidence]) {
          // oxlint-disable-next-line no-control-regex -- these characters are what it is about
          expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
          expect(line.length).toBeLessThan(700)
        }
      }
    }),
  )
})

test("an error type is read from the header, from JSON with a name space, and from XML with escapes", () => {
  const read = (headers: Record<string, string>, body: string) => readAwsError({ status: 403, headers, body: Buffer.from(body) })

  expect(read({ "x-amzn-errortype": "AccessDeniedException:http://internal.example/" }, "").type).toBe("AccessDeniedException")
  expect(read({}, '{"__type":"com.amazon.coral.service#UnrecognizedClientException"}').type).toBe("UnrecognizedClientException")
  expect(read({}, "<E><Error><Code>AccessDenied</Code><Message>a &lt;b&gt; &amp;amp; &#39;c&#39;</Message></Error></E>")).toMatchObject({
    type: "AccessDenied",
    message: "a <b> &amp; 'c'",
  })
  expect(read({}, "<E><Error><Code>Cut")).toEqual({ status: 403, door: "other" })
})

function rowOf(example: Example, { code, cause, next }: AwsRefusal["diagnosis"]): string {
  const text = (example.body.startsWith("{") ? (Object.values(JSON.parse(example.body) as object).at(-1) as string) : example.body) // a text in each
    .split("\n")[0]
  const said = cell(text && text.length > 90 ? `${text.slice(0, 90)}…` : (text ?? ""))
  const type = example.type ?? readAwsError({ status: 403, headers: {}, body: Buffer.from(example.body) }).type ?? "-"
  return `| ${example.situation} | ${example.door} | ${example.status} ${type} | ${said} | [\`${code}\`](diagnoses/${code}.md) ${cell(cause)} | ${cell(next ?? "")} |`
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;")

function pageOf(rows: readonly string[]): string {
  return `<!-- Made by \`npm run docs\` from a run of test/auth/aws/answers.test.ts; a change here is overwritten. -->
# What AWS answers, and what it means

Each row was sent by a real server and read by Postern. The first column is the situation; the next three are what comes back; then
what Postern says, and the next step. Nothing but an expiry is called an expiry.

| situation | from | status and type | text | Postern says | next |
|---|---|---|---|---|---|
${rows.join("\n")}
`
}
