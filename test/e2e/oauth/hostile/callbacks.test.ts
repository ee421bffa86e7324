/** Visits to the loopback address that are not the way back of this sign-in: nothing of them is used, and the honest one still wins. */
import http from "node:http"
import { expect, test } from "vitest"
import type { SeenAuthorization } from "../../../servers/strict-authorization-server.ts"
import { type AttackStage, setAttackStage } from "./stage.ts"

/** What a forger got for a visit. */
interface Visit {
  readonly status: number | undefined
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** A visit as a program makes it: any method, any host name. */
const visit = (url: URL, options: http.RequestOptions = {}): Promise<Visit> =>
  new Promise((resolve, reject) => {
    const request = http.request(url, options, async (response) => {
      let body = ""
      for await (const chunk of response) body += String(chunk)
      resolve({ status: response.statusCode, headers: response.headers, body })
    })
    request.on("error", reject)
    request.end()
  })

/** Makes visits while the person is at the authorization server, before they are sent back. @returns what the visits got */
function visitBefore({ server }: AttackStage, make: (callback: URL, asked: SeenAuthorization) => Promise<readonly Visit[]>): Visit[] {
  const got: Visit[] = []
  server.authorization.handler = async (request) => {
    if (request.path === "/authorize") got.push(...(await make(new URL(request.params.get("redirect_uri") ?? ""), request)))
  }
  return got
}

const forged = (callback: URL, parameters: Record<string, string>): URL => new URL(`${callback.href}?${new URLSearchParams(parameters)}`)

test("ten callbacks with a wrong state, or none, change nothing: the honest one still wins", async () => {
  await using stage = await setAttackStage()
  const iss = stage.server.authorization.issuer
  const got = visitBefore(stage, (callback, { params }) => {
    const state = params.get("state") ?? ""
    const wrong = [
      {},
      { state: "" },
      { state: "x" },
      { state: state.slice(1) },
      { state: `${state}x` },
      { state: state.toUpperCase() },
      { state: " " },
    ]
    const all = [
      ...wrong.map((part) => ({ code: "forged", iss, ...part })),
      { error: "access_denied", state: "x" },
      { error: "access_denied" },
    ]
    const twice = new URL(`${forged(callback, { code: "forged", iss, state }).href}&state=x`)
    return Promise.all([...all.map((parameters) => visit(forged(callback, parameters))), visit(twice)])
  })

  const { code } = await stage.auth()

  expect(got.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 400))
  expect(code).toBe(0)
  expect(stage.server.authorization.exchanges("authorization_code").map(({ params }) => params.get("code"))).toEqual([
    expect.not.stringContaining("forged"),
  ])
})

test("a visit by another method, on another path, or for another host is turned away", async () => {
  await using stage = await setAttackStage()
  const got = visitBefore(stage, async (callback, { params }) => {
    const own = forged(callback, { code: "forged", state: params.get("state") ?? "", iss: stage.server.authorization.issuer })
    const elsewhere = new URL(own)
    elsewhere.pathname = `${callback.pathname}/x`
    return [
      await visit(own, { method: "POST" }),
      await visit(own, { method: "OPTIONS" }),
      await visit(own, { headers: { host: "rebound.example.com" } }),
      await visit(elsewhere),
    ]
  })

  const { code } = await stage.auth()

  expect(got.length).toBe(4)
  for (const { status } of got) expect(status).toBeGreaterThanOrEqual(400)
  expect(code).toBe(0)
})

test("a page never shows what a visitor wrote as anything but text", async () => {
  await using stage = await setAttackStage()
  const script = "<script>alert(1)</script>"
  const got = visitBefore(stage, async (callback, { params }) => [
    await visit(forged(callback, { error: script, error_description: script, state: script })),
    await visit(
      forged(callback, { error: "x", error_description: script, state: params.get("state") ?? "", iss: stage.server.authorization.issuer }),
    ),
  ])

  const { error } = await stage.auth()

  expect(error?.code).toBe("oauth-consent-refused")
  for (const { body, headers } of got) {
    expect(body).not.toContain(script)
    expect(headers).toMatchObject({
      "content-security-policy": expect.stringContaining("default-src 'none'"),
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    })
  }
})

test("the way back is closed once it was used", async () => {
  await using stage = await setAttackStage()

  const { code } = await stage.auth()

  expect(code).toBe(0)
  const [asked] = stage.server.authorization.seenAt("/authorize")
  await expect(visit(new URL(asked?.params.get("redirect_uri") ?? ""))).rejects.toMatchObject({ code: "ECONNREFUSED" })
})
