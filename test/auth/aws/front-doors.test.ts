/** The front doors whose signatures differ from the usual, each against a verifier that asks for just that. */
import { expect, test } from "vitest"
import { addUser, toVariables } from "../../servers/aws/keys.ts"
import { makeStage } from "./stage.ts"

test("2.1: VPC Lattice gets an unsigned body, announced as that; a signed one it refuses", async () => {
  await using stage = await makeStage({ service: "vpc-lattice-svcs", unsignedPayload: true })
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))

  await stage.call(stage.authenticator())

  expect(stage.endpoint.seen[0]?.headers["x-amz-content-sha256"]).toBe("UNSIGNED-PAYLOAD")
  expect(stage.endpoint.callers).toHaveLength(1)

  const asApiGateway = stage.authenticator(stage.server({ aws: { service: "execute-api" } }))
  await expect(stage.call(asApiGateway)).rejects.toMatchObject({ diagnosis: { code: expect.stringMatching(/^aws-/) } })
  expect(stage.endpoint.callers).toHaveLength(1)
})

test("2.1: a Lambda function URL gets the hash of the body in a header of its own", async () => {
  await using stage = await makeStage({ service: "lambda" })
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))

  await stage.call(stage.authenticator())

  expect(stage.endpoint.seen[0]?.headers["x-amz-content-sha256"]).toMatch(/^[0-9a-f]{64}$/)
  expect(stage.endpoint.callers).toHaveLength(1)
})

test("2.1: the ARN in the path of an AgentCore runtime is encoded twice in the signature, and once on the wire", async () => {
  await using stage = await makeStage({ service: "bedrock-agentcore", region: "us-west-2" })
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))
  const path = `/runtimes/${encodeURIComponent("arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my_agent-1a2b")}/invocations?qualifier=DEFAULT`

  await stage.call(stage.authenticator(), { path })

  expect(stage.endpoint.seen[0]?.path).toBe(path)
  expect(stage.endpoint.seen[0]?.path).toContain("arn%3Aaws%3Abedrock")
  expect(stage.endpoint.callers).toHaveLength(1)

  stage.endpoint.tamper = (request) => ({ ...request, path: decodeURIComponent(request.path) })
  await expect(stage.call(stage.authenticator(), { path })).rejects.toMatchObject({ diagnosis: { code: "aws-signature-mismatch" } })
})

test("the GET stream and the goodbye are signed too, with the hash of an empty body", async () => {
  await using stage = await makeStage()
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))
  const authenticator = stage.authenticator()
  const url = new URL(stage.endpoint.url)
  const signal = AbortSignal.timeout(10_000)

  for (const method of ["GET", "DELETE"] as const) {
    const { headers } = await authenticator.authorize({ method, url, headers: { accept: "text/event-stream" } }, signal)
    await fetch(url, { method, headers: { ...headers } })
    await fetch(url, { method: method === "GET" ? "DELETE" : "GET", headers: { ...headers } }) // the same signature for another method
  }

  expect(stage.endpoint.callers).toHaveLength(2)
  expect(stage.endpoint.refusals.map(({ type }) => type)).toEqual(["InvalidSignatureException", "InvalidSignatureException"])
})

test("a redirect on the same host is signed anew for where it leads, and its signature holds for nothing else", async () => {
  await using stage = await makeStage()
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")))
  const verified = stage.endpoint.handler
  stage.endpoint.handler = (request, response) => {
    if (request.path !== "/mcp") return verified(request, response)
    response.writeHead(307, { location: "/mcp/" }).end() // as Starlette does
    return true
  }

  const answer = await stage.call(stage.authenticator())

  const [first, second] = stage.endpoint.seen
  expect(answer.status).not.toBe(403)
  expect([first?.path, second?.path]).toEqual(["/mcp", "/mcp/"])
  expect(second?.body).toBe(first?.body)
  expect(second?.headers.authorization).not.toBe(first?.headers.authorization)
  expect(stage.endpoint.callers).toHaveLength(1) // the second signature was verified for its own path
  expect(stage.endpoint.refusals).toEqual([])
})
