/** Token answers at the edge of what RFC 6749 allows, and servers that are never content: no storm, nothing lost. */
import { expect, test } from "vitest"
import { json } from "../../../servers/mcp-server.ts"
import { answerOf, setAttackStage } from "./stage.ts"

test("a refresh answer without a refresh token keeps the old one", async () => {
  await using stage = await setAttackStage()
  await stage.auth()
  const { authorization } = stage.server
  authorization.rotates = false
  authorization.bend.token = (honest) => ({ ...honest, refresh_token: undefined })
  const bridge = await stage.bridge()

  for (const _ of [1, 2]) {
    authorization.tokens.expireAccessTokens()
    expect(await bridge.request("tools/call", { name: "whoami" })).toMatchObject(answerOf("alice"))
  }

  expect([authorization.exchanges("refresh_token").length, (await stage.browser.opened()).length]).toEqual([2, 1])
})

test("a sign-in that gives no refresh token is one, and its end is told as such", async () => {
  await using stage = await setAttackStage()
  const { authorization } = stage.server
  authorization.bend.token = (honest) => ({ ...honest, refresh_token: undefined })
  expect((await stage.auth()).code).toBe(0)
  await stage.browser.becomes({ decision: "nothing" })
  const bridge = await stage.bridge()
  expect(await bridge.request("tools/call", { name: "whoami" })).toMatchObject(answerOf("alice"))

  authorization.tokens.expireAccessTokens()
  const { stdout, code } = await stage.person.postern(["call", "stage", "whoami", "--json"])

  expect([code, JSON.parse(stdout)]).toEqual([3, { error: expect.objectContaining({ code: "oauth-sign-in-needed" }) }])
  expect(authorization.exchanges("refresh_token")).toEqual([])
})

test.for([-1, 0, 1e300, "3600", "soon", null, {}])("expires_in of %j leads to no storm of refreshes", async (seconds) => {
  await using stage = await setAttackStage()
  const { authorization } = stage.server
  authorization.bend.token = (honest) => ({ ...honest, expires_in: seconds })

  const { code, error } = await stage.auth()
  const bridge = await stage.bridge()
  for (const _ of [1, 2, 3]) await bridge.request("tools/call", { name: "whoami" })

  expect(authorization.exchanges("authorization_code").length).toBeGreaterThan(0)
  expect(code === 0 || error?.code === "oauth-token-invalid").toBe(true)
  expect(authorization.exchanges("refresh_token").length).toBeLessThanOrEqual(4)
})

test("a server that refuses every token costs one refresh a message, and no storm of browsers", async () => {
  await using stage = await setAttackStage()
  await stage.auth()
  stage.server.refusesAll = true
  const bridge = await stage.bridge()

  const answers = []
  for (const _ of [1, 2, 3]) answers.push(await bridge.request("tools/call", { name: "whoami" }))

  for (const answer of answers) expect(answer.error !== undefined || answer.result?.["isError"] === true).toBe(true)
  // Each message is sent twice, and paid for once.
  expect(stage.server.authorization.exchanges("refresh_token").length).toBeLessThanOrEqual(stage.server.visits.length / 2)
  expect((await stage.browser.opened()).length).toBeLessThanOrEqual(3)
})

test("an authorization server that is down, or answers with a page, is no reason for a new sign-in", async () => {
  await using stage = await setAttackStage()
  await stage.auth()
  const { authorization } = stage.server
  const bridge = await stage.bridge()
  authorization.tokens.expireAccessTokens()

  authorization.handler = ({ path }, response) => path === "/token" && json(response, { error: "server_error" }, 500)
  const down = await bridge.request("tools/call", { name: "whoami" })
  authorization.handler = ({ path }, response) => {
    if (path !== "/token") return false
    response.writeHead(400, { "content-type": "text/html" }).end("<h1>Log in to the hotel</h1>")
    return true
  }
  const portal = await bridge.request("tools/call", { name: "whoami" })
  authorization.handler = () => false
  const honest = await bridge.request("tools/call", { name: "whoami" })

  expect([down.error?.data?.code, portal.error?.data?.code]).toEqual(["oauth-token-refused", "oauth-token-refused"])
  expect(honest).toMatchObject(answerOf("alice"))
  expect((await stage.browser.opened()).length).toBe(1)
})
