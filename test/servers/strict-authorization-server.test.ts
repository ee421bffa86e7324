/** The double judges others, so it is judged first: what it lets pass, and what it does not. */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { makeBrowser } from "../harness/browser.ts"
import { startProtectedServer, type StrictPair } from "./protected-server.ts"

const VERIFIER = "v".repeat(43)
const REDIRECT = "http://127.0.0.1:4711/callback"

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
}

const post = (url: string, form: Record<string, string>): Promise<Response> =>
  fetch(url, { method: "POST", body: new URLSearchParams(form) })

async function register({ authorization }: StrictPair): Promise<string> {
  const body = JSON.stringify({ redirect_uris: [REDIRECT], token_endpoint_auth_method: "none" })
  const answer = await fetch(`${authorization.origin}/register`, { method: "POST", body, headers: { "content-type": "application/json" } })
  return ((await answer.json()) as { client_id: string }).client_id
}

function authorizeUrl({ authorization, url }: StrictPair, clientId: string): URL {
  const to = new URL(`${authorization.origin}/authorize`)
  const challenge = createHash("sha256").update(VERIFIER).digest("base64url")
  const params = { client_id: clientId, redirect_uri: REDIRECT, state: "s", code_challenge: challenge, code_challenge_method: "S256" }
  for (const [name, value] of Object.entries({ response_type: "code", scope: "a b", resource: url, ...params }))
    to.searchParams.set(name, value)
  return to
}

async function signIn(server: StrictPair): Promise<{ readonly clientId: string; readonly code: string; readonly tokens: Tokens }> {
  const clientId = await register(server)
  const answer = await fetch(authorizeUrl(server, clientId), { redirect: "manual" })
  const code = new URL(answer.headers.get("location") ?? "").searchParams.get("code") ?? ""
  const tokens = await redeem(server, clientId, code)
  return { clientId, code, tokens: (await tokens.json()) as Tokens }
}

const redeem = ({ authorization, url }: StrictPair, clientId: string, code: string, verifier = VERIFIER): Promise<Response> => {
  const form = {
    grant_type: "authorization_code",
    client_id: clientId,
    code,
    redirect_uri: REDIRECT,
    resource: url,
    code_verifier: verifier,
  }
  return post(`${authorization.origin}/token`, form)
}

const refresh = ({ authorization }: StrictPair, clientId: string, token: string): Promise<Response> =>
  post(`${authorization.origin}/token`, { grant_type: "refresh_token", client_id: clientId, refresh_token: token })

const visit = (server: StrictPair, token?: string, name = "whoami"): Promise<Response> =>
  fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name } }),
  })

test("a code is redeemed once, and only with its verifier", async () => {
  await using server = await startProtectedServer()
  const { clientId, code } = await signIn(server)

  expect((await redeem(server, clientId, code)).status).toBe(400)

  const other = await fetch(authorizeUrl(server, clientId), { redirect: "manual" })
  const fresh = new URL(other.headers.get("location") ?? "").searchParams.get("code") ?? ""
  expect((await redeem(server, clientId, fresh, "w".repeat(43))).status).toBe(400)
  expect((await redeem(server, clientId, fresh)).status).toBe(200)
})

test("a refresh token that comes a second time ends its family", async () => {
  await using server = await startProtectedServer()
  const { clientId, tokens } = await signIn(server)

  const first = (await (await refresh(server, clientId, tokens.refresh_token)).json()) as Tokens
  expect((await visit(server, first.access_token)).status).toBe(200)
  const second = await refresh(server, clientId, tokens.refresh_token)

  expect([second.status, server.authorization.tokens.reuses]).toEqual([400, 1])
  expect((await visit(server, first.access_token)).status).toBe(401)
  expect((await refresh(server, clientId, first.refresh_token)).status).toBe(400)
})

test("the MCP server challenges without a token, with an expired one, and where a scope is missing", async () => {
  await using server = await startProtectedServer({ toolScopes: { write: "files:write" }, challengeScope: "a b" })
  const { tokens } = await signIn(server)

  expect((await visit(server)).headers.get("www-authenticate")).toMatch(/^Bearer scope="a b", resource_metadata="http:\/\/127\.0\.0\.1:/)
  expect(await (await visit(server, tokens.access_token)).text()).toContain("alice")
  const missing = await visit(server, tokens.access_token, "write")
  expect([missing.status, missing.headers.get("www-authenticate")]).toEqual([
    403,
    expect.stringContaining('error="insufficient_scope", scope="files:write"'),
  ])
  server.authorization.tokens.expireAccessTokens()
  expect((await visit(server, tokens.access_token)).headers.get("www-authenticate")).toContain('error="invalid_token"')
})

test.for([
  { decision: "allow", login: "bob", at: "code", subject: "bob" },
  { decision: "deny", login: "bob", at: "error", subject: undefined },
] as const)("a person who presses $decision is sent back with $at", async ({ decision, login, at, subject }) => {
  await using server = await startProtectedServer({ strict: { pages: true } })
  await using browser = await makeBrowser({ decision, login })
  const clientId = await register(server)

  await promisify(execFile)(browser.env.BROWSER, [authorizeUrl(server, clientId).href])

  const [walk] = await browser.walks()
  const back = new URL(walk?.visited.at(-1) ?? walk?.failed ?? "")
  expect(back.searchParams.has(at)).toBe(true)
  expect(server.authorization.tokens.families).toEqual([])
  const code = back.searchParams.get("code")
  if (code !== null) await redeem(server, clientId, code)
  expect(server.authorization.tokens.families[0]?.facts.subject).toBe(subject)
})
