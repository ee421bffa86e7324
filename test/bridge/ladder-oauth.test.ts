/** The ladder with a real authorization server behind it. */
import { onTestFinished, expect, test } from "vitest"
import { type OpenBridge, connect } from "../../src/bridge/connect.ts"
import { systemClock } from "../../src/core/clock.ts"
import { silentLog } from "../../src/core/log.ts"
import { createRedactor } from "../../src/core/redact.ts"
import { serverAt } from "../auth/oauth/member.ts"
import { makeBrowser } from "../harness/browser.ts"
import { startProtectedServer } from "../servers/protected-server.ts"
import { makeVaultFolder } from "../vault/vault-folder.ts"

const { signal } = new AbortController()

/** A bridge whose client cannot be asked anything. */
async function bridgeTo(url: string, env: Readonly<Record<string, string>>): Promise<OpenBridge> {
  const folder = await makeVaultFolder()
  const tools = { vault: folder.open(), env, redactor: createRedactor(), clock: systemClock }
  const around = { tools, log: silentLog, stderr: () => undefined, signal, clientInfo: { name: "test", version: "1" } }
  const signIn = { mode: "ask", prompt: false } as const
  const bridge = await connect({ name: "linear", findServer: async () => serverAt(url), signIn, ...around })
  onTestFinished(async () => {
    await bridge.close()
    await folder[Symbol.asyncDispose]()
  })
  return bridge
}

test("3.3: a call that needs a sign-in, and then a scope beside it, is answered: the person is asked twice, and the client once", async () => {
  await using server = await startProtectedServer({ challengeScope: "read", toolScopes: { admin: "manage" } })
  await using browser = await makeBrowser()
  const bridge = await bridgeTo(server.url, browser.env)

  const answer = await bridge.request("tools/call", { name: "admin", arguments: {} })

  expect(answer).not.toHaveProperty("isError")
  expect(server.callsOf("admin")).toHaveLength(1)
  const scopes = (await browser.opened()).map((address) => new URL(address).searchParams.get("scope"))
  expect(scopes).toEqual(["read", "manage read"])
})

test("a server that wants one scope after another has a person asked twice for one call", async () => {
  await using server = await startProtectedServer()
  let wants = 0
  server.handler = async ({ message, headers }, response) => {
    if (message?.method !== "tools/call" || headers.authorization === undefined) return false
    response.writeHead(403, { "www-authenticate": `Bearer error="insufficient_scope", scope="scope-${++wants}"` }).end()
    return true
  }
  await using browser = await makeBrowser()
  const bridge = await bridgeTo(server.url, browser.env)

  const answer = await bridge.request("tools/call", { name: "admin", arguments: {} })

  expect(wants).toBe(2) // the trap was reached
  expect(answer).toMatchObject({ isError: true })
  expect(await browser.opened()).toHaveLength(2)
})
