/** The device flow against a server that says odd things of how often it wants to be asked, or cannot answer now and then. */
import { expect, onTestFinished, test } from "vitest"
import { signInByDevice } from "../../../src/auth/oauth/device.ts"
import { type Clock, systemClock } from "../../../src/core/clock.ts"
import type { PosternError } from "../../../src/core/diagnosis.ts"
import { createHttp } from "../../../src/core/http.ts"
import { createRedactor } from "../../../src/core/redact.ts"
import { personWho } from "../../harness/interaction.ts"
import { json } from "../../servers/mcp-server.ts"
import { startStrictAuthorizationServer } from "../../servers/strict-authorization-server.ts"

const { signal } = new AbortController()
const MOST_POLLS = 100

interface Said {
  readonly device: Record<string, unknown>
  /** The answer to each poll; undefined: the connection is cut. */
  readonly poll: (count: number) => { readonly status: number; readonly body: object } | undefined
}

interface Outcome {
  readonly outcome: unknown
  readonly polls: number
  readonly sleepsMs: number[]
  /** The redactor's exit for text. */
  clean(text: string): string
}

/** Signs in with a clock that nobody waits for. */
async function signInWith({ device, poll }: Said): Promise<Outcome> {
  const server = await startStrictAuthorizationServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  let polls = 0
  server.handler = ({ path }, response) => {
    if (path === "/device_authorization") {
      const given = { device_code: "d-1", user_code: "ABCD", verification_uri: `${server.origin}/device`, ...device }
      return json(response, given)
    }
    const said = ++polls > MOST_POLLS ? { status: 400, body: { error: "expired_token" } } : poll(polls)
    if (said === undefined) return response.destroy() !== undefined
    return json(response, said.body, said.status)
  }
  const sleepsMs: number[] = []
  const clock: Clock = { ...systemClock, sleep: async (ms) => void sleepsMs.push(ms) }
  const home = new URL(server.origin)
  const http = createHttp({ silenceMs: 5_000, connectMs: 5_000 })
  onTestFinished(() => http.close())
  const { issuer, origin } = server
  const metadata = { issuer, token_endpoint: `${origin}/token`, device_authorization_endpoint: `${origin}/device_authorization` }
  const destination = { issuer, metadata, resource: origin, resourceParameter: undefined, scopes: [], isGuessed: false, otherIssuers: [] }
  const flow = {
    server: { name: "linear", scope: "local", file: "postern.json" },
    destination,
    client: { id: "c-1", authMethod: "none", from: "configured" },
    isKept: false,
    scopes: [],
  } as const
  const reach = { http, policy: { home, allowPrivate: false }, limitMs: 5_000 }
  const interaction = personWho({ openLink: async () => "shown" })

  const redactor = createRedactor()

  const outcome = await signInByDevice(flow, { reach, interaction, tools: { clock, redactor } }, signal).catch((error: unknown) => error)
  return { outcome, polls, sleepsMs, clean: redactor.clean }
}

const pending = () => ({ status: 400, body: { error: "authorization_pending" } })

test.each([0, 0.001, 1e12])(
  "a device flow whose server names an interval of %d seconds neither storms nor lasts for ever",
  async (interval) => {
    const { outcome, polls, sleepsMs } = await signInWith({ device: { interval, expires_in: 60 }, poll: pending })

    expect(polls).toBeGreaterThan(0) // the trap was reached
    expect(polls).toBeLessThanOrEqual(60)
    expect(Math.min(...sleepsMs)).toBeGreaterThanOrEqual(1_000)
    expect(Math.max(...sleepsMs)).toBeLessThanOrEqual(60_000)
    expect(outcome).toMatchObject({ diagnosis: { code: "oauth-sign-in-timeout" } })
  },
)

test.each<[string, { status: number; body: object } | undefined]>([
  ["is overloaded", { status: 503, body: {} }],
  ["cuts the connection", undefined],
])("a device flow whose server %s once asks again, more slowly (RFC 8628 section 3.5)", async (_, trouble) => {
  const tokens = { status: 200, body: { access_token: "at-1", token_type: "Bearer" } }
  const { outcome, polls, sleepsMs } = await signInWith({
    device: { interval: 5, expires_in: 600 },
    poll: (count) => (count === 1 ? trouble : tokens),
  })

  expect(polls).toBe(2)
  expect(sleepsMs).toEqual([5_000, 10_000])
  expect(outcome).toMatchObject({ tokens: { accessToken: "at-1" } })
})

test("a device code that the token endpoint repeats in its refusal is not told", async () => {
  const body = { error: "access_denied", error_description: "dc-5up3r-s3cret is of no use" }
  const { outcome, clean } = await signInWith({
    device: { device_code: "dc-5up3r-s3cret", expires_in: 60 },
    poll: () => ({ status: 400, body }),
  })

  const told = JSON.stringify((outcome as PosternError).diagnosis)
  expect(told).toContain("dc-5up3r-s3cret is of no use") // the trap was reached
  expect(clean(told)).toContain("[redacted] is of no use")
})
