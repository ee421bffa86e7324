/** The real authorization server as the tests start it: what a client made by hand gets from it. */
import { expect, test } from "vitest"
import { makeBrowser } from "../../harness/browser.ts"
import { callByHand, registerByHand, type Tokens } from "../../harness/hand-made-client.ts"
import { startAuthorizationServer } from "../../servers/authorization-server.ts"
import { startResourceServer } from "../../servers/protected-server.ts"

test("a real authorization server lets a person in, rotates, and ends a family whose token comes twice", async () => {
  await using authorization = await startAuthorizationServer({ scopes: ["mcp:use"] })
  await using server = await startResourceServer(authorization)
  await using browser = await makeBrowser({ login: "bob" })
  const client = await registerByHand(authorization.issuer, server.url, "mcp:use")

  const walk = await browser.walk(client.authorizeUrl())
  const answer = new URL(walk.visited.at(-1) ?? "").searchParams
  const first = (await (await client.redeem(answer.get("code") ?? "")).json()) as Tokens

  expect(answer.get("iss")).toBe(authorization.issuer)
  expect(await (await callByHand(server.url, first.access_token)).text()).toContain("bob")

  const second = (await (await client.refresh(first.refresh_token)).json()) as Tokens
  expect((await callByHand(server.url, second.access_token)).status).toBe(200)
  expect((await client.refresh(first.refresh_token)).status).toBe(400)
  expect((await callByHand(server.url, second.access_token)).status).toBe(401)
  expect([authorization.familiesEnded, authorization.answers.at(-1)]).toEqual([1, { grantType: "refresh_token", error: "invalid_grant" }])
})

test("its tokens end when an administrator wants it, and its pages take a no", async () => {
  await using authorization = await startAuthorizationServer({ scopes: ["mcp:use"] })
  await using server = await startResourceServer(authorization)
  await using browser = await makeBrowser()
  const client = await registerByHand(authorization.issuer, server.url, "mcp:use")
  const walk = await browser.walk(client.authorizeUrl())
  const tokens = (await (await client.redeem(new URL(walk.visited.at(-1) ?? "").searchParams.get("code") ?? "")).json()) as Tokens

  await authorization.expireAccessTokens()
  expect((await callByHand(server.url, tokens.access_token)).status).toBe(401)
  await authorization.revokeGrants()
  expect((await client.refresh(tokens.refresh_token)).status).toBe(400)

  await browser.becomes({ decision: "deny" })
  const refused = await browser.walk(client.authorizeUrl({ state: "other" }))
  expect(new URL(refused.visited.at(-1) ?? "").searchParams.get("error")).toBe("access_denied")
})
