/** The ladder with a real authorization server behind it. */
import { onTestFinished, expect, test } from "vitest"
import { type OpenBridge, connect } from "../../src/bridge/connect.ts"
import type { OAuthSettings } from "../../src/config/server.ts"
import { systemClock } from "../../src/core/clock.ts"
import { silentLog } from "../../src/core/log.ts"
import { createRedactor } from "../../src/core/redact.ts"
import { serverAt } from "../auth/oauth/member.ts"
import { makeBrowser } from "../harness/browser.ts"
import { type StrictPair, startProtectedServer } from "../servers/protected-server.ts"
import { makeVaultFolder } from "../vault/vault-folder.ts"

const { signal } = new AbortController()

/** A bridge whose client cannot be asked anything. */
async function bridgeTo(
  url: string,
  env: Readonly<Record<string, string>>,
  oauth: OAuthSettings = {},
): Promise<OpenBridge & { readonly heard: string[] }> {
  const heard: string[] = []
  const folder = await makeVaultFolder()
  const tools = { vault: folder.open(), env, redactor: createRedactor(), clock: systemClock }
  const around = { tools, stderr: () => undefined, signal, clientInfo: { name: "test", version: "1" } }
  const log = { ...silentLog, info: (event: string) => void heard.push(event) }
  const signIn = { mode: "ask", prompt: false } as const
  const bridge = await connect({ name: "linear", findServer: async () => serverAt(url, oauth), signIn, ...around, log })
  onTestFinished(async () => {
    await bridge.close()
    await folder[Symbol.asyncDispose]()
  })
  return { ...bridge, heard }
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

test("3.2: where no browser can be started here, the call is told a page and a code for any device, and calls go on after it was entered", async () => {
  await using server = await startProtectedServer()
  const bridge = await bridgeTo(server.url, {})

  const first = textOf(await bridge.request("tools/call", { name: "whoami" }))
  const [, url = "", code = ""] = /open (\S+) in a browser and type (\S+) there/.exec(first) ?? []
  server.authorization.approveDevice(code)

  expect(new URL(url).origin).toBe(server.authorization.origin)
  expect(first).not.toMatch(/redirect_uri|callback/)
  await expect.poll(async () => textOf(await bridge.request("tools/call", { name: "whoami" })), { timeout: 10_000 }).toBe("alice")
  await expect.poll(() => bridge.heard).toContain("signed in") // nothing is written any more
})

test.each<[string, (server: StrictPair) => OAuthSettings]>([
  [
    "the authorization server knows no devices",
    ({ authorization }) => {
      authorization.bend.metadata = (honest) => ({ ...honest, device_authorization_endpoint: undefined })
      return {}
    },
  ],
  [
    "the client was registered by hand, perhaps not for devices",
    ({ authorization }) => {
      authorization.clients.set("by-hand", { client_id: "by-hand", redirect_uris: ["http://127.0.0.1/callback"] })
      return { clientId: "by-hand" }
    },
  ],
])("where no browser can be started and %s, the call is told the link", async (_, prepare) => {
  await using server = await startProtectedServer()
  const bridge = await bridgeTo(server.url, {}, prepare(server))

  const first = textOf(await bridge.request("tools/call", { name: "whoami" }))
  const link = /open (\S+) in a browser, then/.exec(first)?.[1] ?? ""
  await fetch(link) // a browser on this very machine

  expect(new URL(link).searchParams.get("redirect_uri")).toMatch(/^http:\/\/127/)
  expect(textOf(await bridge.request("tools/call", { name: "whoami" }))).toBe("alice")
})

function textOf(answer: unknown): string {
  return (answer as { content?: { text?: string }[] }).content?.[0]?.text ?? "" // a result of tools/call
}
