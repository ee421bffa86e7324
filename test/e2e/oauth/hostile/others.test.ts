/** Servers that try to get what was meant for another: codes, refresh tokens, grants. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { startResourceServer } from "../../../servers/protected-server.ts"
import { startStrictAuthorizationServer } from "../../../servers/strict-authorization-server.ts"
import { answerOf, setAttackStage } from "./stage.ts"

test("a code of an honest authorization server never goes to the one that sent the person there (mix-up)", async () => {
  await using stage = await setAttackStage()
  await using honest = await startStrictAuthorizationServer()
  const evil = stage.server.authorization
  // The client is known at both, and the evil server names the honest one's page as its own.
  evil.bend.metadata = (own) => ({
    ...own,
    authorization_endpoint: `${honest.origin}/authorize`,
    authorization_response_iss_parameter_supported: false,
  })
  evil.bend.registration = (client) => (honest.clients.set(String(client["client_id"]), client), client)

  const { error } = await stage.auth()

  expect(honest.seenAt("/authorize").length).toBe(1)
  expect(error?.code).toBe("oauth-issuer-mismatch")
  expect(evil.seenAt("/token")).toEqual([])
})

test("an address full of shell words starts nothing, and reaches the browser as one argument", async () => {
  await using stage = await setAttackStage()
  const canary = join(stage.person.home, "canary")
  const touch = `touch\${IFS}${canary}`
  const words = `$(${touch})\`${touch}\`;${touch}|${touch}&${touch}&&'"%PATH%--help`
  const { authorization } = stage.server
  authorization.bend.metadata = (own) => ({ ...own, authorization_endpoint: `${authorization.origin}/authorize?more=${words}` })

  const { code } = await stage.auth()

  const [walk] = await stage.browser.walks(1)
  expect(walk?.opened).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/authorize\?more=/)
  expect(walk?.opened).not.toMatch(/[\s"'`<>|^]/)
  expect([code, existsSync(canary)]).toEqual([0, false])
})

test("a refresh token does not go where the metadata of a later day points", async () => {
  await using stage = await setAttackStage()
  await using later = await startStrictAuthorizationServer()
  await stage.auth()
  const { authorization } = stage.server
  stage.server.bendMetadata = (own) => ({ ...own, authorization_servers: [later.issuer] })
  authorization.bend.metadata = (own) => ({ ...own, token_endpoint: `${later.origin}/token` })
  authorization.tokens.expireAccessTokens()

  const bridge = await stage.bridge()
  const answer = await bridge.request("tools/call", { name: "whoami" })

  expect(answer).toMatchObject(answerOf("alice"))
  expect([later.seen, authorization.exchanges("refresh_token").length]).toEqual([[], 1])
})

test("a token for one server is not given to another that claims the same authorization server and resource", async () => {
  await using stage = await setAttackStage()
  await stage.auth()
  await using impostor = await startResourceServer(stage.server.authorization)
  impostor.bendMetadata = (own) => ({ ...own, resource: stage.server.url })
  await stage.person.added(["add", "impostor", "--transport", "http", impostor.url])

  const { code } = await stage.person.postern(["call", "impostor", "whoami"])

  expect(impostor.visits.length).toBeGreaterThan(0)
  expect(code).not.toBe(0)
  expect(impostor.visits.map(({ request }) => request.headers.authorization)).toEqual(impostor.visits.map(() => undefined))
})

test.for([301, 302, 307, 308])("a refresh token does not follow a redirect with %i, and the grant lives on", async (status) => {
  await using stage = await setAttackStage()
  await stage.auth()
  const { authorization } = stage.server
  authorization.tokens.expireAccessTokens()
  authorization.handler = ({ path }, response) => {
    if (path !== "/token") return false
    response.writeHead(status, { location: `${stage.elsewhere.origin}/token` }).end()
    return true
  }
  const bridge = await stage.bridge()
  const refused = await bridge.request("tools/call", { name: "whoami" })
  authorization.handler = () => false
  const honest = await bridge.request("tools/call", { name: "whoami" })

  expect(refused.error?.data?.code).toBe("oauth-token-refused")
  expect(honest).toMatchObject(answerOf("alice"))
  expect([stage.elsewhere.received, await stage.leaks(), (await stage.browser.opened()).length]).toEqual([[], [], 1])
})
