/** The double judges others, so it is judged first: what it lets pass, and what it does not. */
import { expect, test } from "vitest"
import { makeBrowser } from "../harness/browser.ts"
import { callByHand, type HandMadeClient, registerByHand, type Tokens } from "../harness/hand-made-client.ts"
import { type ProtectedSettings, startProtectedServer, type StrictPair } from "./protected-server.ts"

const register = ({ authorization, url }: StrictPair): Promise<HandMadeClient> => registerByHand(authorization.issuer, url, "a b")

async function codeFor(client: HandMadeClient): Promise<string> {
  const answer = await fetch(client.authorizeUrl(), { redirect: "manual" })
  return new URL(answer.headers.get("location") ?? "").searchParams.get("code") ?? ""
}

async function signIn(client: HandMadeClient): Promise<Tokens> {
  return (await (await client.redeem(await codeFor(client))).json()) as Tokens
}

test("a code is redeemed once, and only with its verifier", async () => {
  await using server = await startProtectedServer()
  const client = await register(server)
  const code = await codeFor(client)

  expect((await client.redeem(code, "w".repeat(43))).status).toBe(400)
  expect((await client.redeem(code)).status).toBe(200)
  expect((await client.redeem(code)).status).toBe(400)
})

test("a refresh token that comes a second time ends its family", async () => {
  await using server = await startProtectedServer()
  const client = await register(server)
  const tokens = await signIn(client)

  const first = (await (await client.refresh(tokens.refresh_token)).json()) as Tokens
  expect((await callByHand(server.url, first.access_token)).status).toBe(200)
  const second = await client.refresh(tokens.refresh_token)

  expect([second.status, server.authorization.tokens.reuses]).toEqual([400, 1])
  expect((await callByHand(server.url, first.access_token)).status).toBe(401)
  expect((await client.refresh(first.refresh_token)).status).toBe(400)
})

test("the MCP server challenges without a token, with an expired one, and where a scope is missing", async () => {
  const settings: ProtectedSettings = { toolScopes: { write: "files:write" }, challengeScope: "a b" }
  await using server = await startProtectedServer(settings)
  const { access_token } = await signIn(await register(server))
  const challengeOf = async (token?: string, tool?: string): Promise<unknown[]> => {
    const { status, headers } = await callByHand(server.url, token, tool)
    return [status, headers.get("www-authenticate")]
  }

  expect(await challengeOf()).toEqual([401, expect.stringMatching(/^Bearer scope="a b", resource_metadata="http:\/\/127\.0\.0\.1:/)])
  expect(await (await callByHand(server.url, access_token)).text()).toContain("alice")
  expect(await challengeOf(access_token, "write")).toEqual([
    403,
    expect.stringContaining('error="insufficient_scope", scope="files:write"'),
  ])
  server.authorization.tokens.expireAccessTokens()
  expect(await challengeOf(access_token)).toEqual([401, expect.stringContaining('error="invalid_token"')])
})

test("a person who allows is let in under the name they gave", async () => {
  await using server = await startProtectedServer({ strict: { pages: true } })
  await using browser = await makeBrowser({ login: "bob" })
  const client = await register(server)

  const walk = await browser.walk(client.authorizeUrl())
  await client.redeem(new URL(walk.visited.at(-1) ?? "").searchParams.get("code") ?? "")

  expect(server.authorization.tokens.families.map(({ facts }) => facts.subject)).toEqual(["bob"])
})

test("a person who denies sends the client an error and nothing else", async () => {
  await using server = await startProtectedServer({ strict: { pages: true } })
  await using browser = await makeBrowser({ decision: "deny" })
  const client = await register(server)

  const walk = await browser.walk(client.authorizeUrl())

  const { searchParams } = new URL(walk.visited.at(-1) ?? "")
  expect([searchParams.get("error"), searchParams.has("code")]).toEqual(["access_denied", false])
})
