import { spawnSync } from "node:child_process"
import { readdir } from "node:fs/promises"
import type { ServerResponse } from "node:http"
import { expect, test } from "vitest"
import { enter } from "../../../src/auth/oauth/enter.ts"
import { covers } from "../../../src/auth/oauth/grant.ts"
import type { SignedOut } from "../../../src/auth/oauth/sign-out.ts"
import { leave } from "../../../src/auth/oauth/leave.ts"
import type { OAuthSettings } from "../../../src/config/server.ts"
import { systemClock } from "../../../src/core/clock.ts"
import { type Diagnosis, PosternError } from "../../../src/core/diagnosis.ts"
import { createRedactor } from "../../../src/core/redact.ts"
import { withResolvers } from "../../../src/core/with-resolvers.ts"
import { nobodyToAsk } from "../../../src/auth/diagnoses.ts"
import type { Interaction } from "../../../src/auth/interaction.ts"
import { json } from "../../servers/mcp-server.ts"
import { startProtectedServer, type StrictPair } from "../../servers/protected-server.ts"
import { personWho } from "../../harness/interaction.ts"
import { type VaultFolder, makeVaultFolder } from "../../vault/vault-folder.ts"
import { makeMember, serverAt, willingPerson } from "./member.ts"

const { signal } = new AbortController()
const nobody = () => Promise.reject(new PosternError(nobodyToAsk({ question: "x", instead: "y" })))
/** The address that a browser would end at, without going there. */
async function wayBack(url: URL): Promise<URL> {
  const answer = await fetch(url, { redirect: "manual" })
  return new URL(answer.headers.get("location") ?? "")
}
const bare = (url: string) => ({ method: "POST" as const, url: new URL(url), headers: {} })
const authorizations = (server: StrictPair) => server.authorization.seenAt("/authorize")

test("a sign-in sends S256, a state, the resource byte for byte, the scopes of the challenge, and exchanges with the same resource (S45 to S50)", async () => {
  await using server = await startProtectedServer({ challengeScope: "read" })
  server.bendMetadata = (honest) => ({ ...honest, resource: server.origin }) // a bare origin: no slash may be added
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))

  const identity = await one.authenticator.signIn(willingPerson(), signal)

  const [asked] = authorizations(server)
  expect(Object.fromEntries(asked?.params ?? [])).toMatchObject({
    response_type: "code",
    code_challenge_method: "S256",
    scope: "read",
    resource: server.origin,
  })
  expect(asked?.params.get("state")).toMatch(/^[\w-]{43}$/)
  expect(server.authorization.exchanges("authorization_code")[0]?.params.get("resource")).toBe(server.origin)
  expect(identity).toMatchObject({ account: server.authorization.issuer, scopes: ["read"] })
  expect(await one.call()).toBe(200)
})

test("callbacks without the flow's state, or with another, change nothing; the honest one still wins, once", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  const pages: number[] = []
  const openLink = async ({ url }: { url: URL }): Promise<"opened"> => {
    const honest = await wayBack(url)
    const bent = (change: (to: URL) => void): URL => {
      const to = new URL(honest)
      change(to)
      return to
    }
    const forged = [
      bent((to) => to.searchParams.delete("state")),
      bent((to) => to.searchParams.set("state", "guessed")),
      bent((to) => to.searchParams.append("state", "twice")),
      bent((to) => (to.search = "?error=access_denied")),
      bent((to) => (to.pathname = "/other")),
    ]
    for (const to of forged) pages.push((await fetch(to)).status)
    pages.push((await fetch(honest, { method: "POST" })).status)
    void fetch(honest).then(async () => undefined)
    return "opened"
  }

  await one.authenticator.signIn(willingPerson({ openLink }), signal)

  expect(pages).toEqual([400, 400, 400, 400, 404, 404])
  expect(server.authorization.exchanges("authorization_code")).toHaveLength(1)
  expect(await one.call()).toBe(200)
})

test.each<[string, (to: URL) => void]>([
  ["another issuer", (to) => to.searchParams.set("iss", "https://evil.example")],
  ["no issuer, though the server says that it names itself", (to) => to.searchParams.delete("iss")],
  [
    "an error of another issuer",
    (to) => (to.search = `?error=x&error_description=evil&state=${to.searchParams.get("state")}&iss=https://evil.example`),
  ],
])("S49: an answer that names %s is refused before anything is redeemed", async (_, bend) => {
  await using server = await startProtectedServer()
  server.authorization.bend.callback = (honest) => {
    bend(honest)
    return honest
  }
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))

  const refused = one.authenticator.signIn(willingPerson(), signal)

  await expect(refused).rejects.toMatchObject({ diagnosis: { code: "oauth-issuer-mismatch", kind: "guard" } })
  await expect(refused).rejects.not.toThrow("evil\n")
  expect(authorizations(server)).toHaveLength(1) // the trap was reached
  expect(server.authorization.exchanges("authorization_code")).toEqual([])
})

test.each<[string, (answer: URL) => string]>([
  ["the whole address", (answer) => answer.href],
  ["its query", (answer) => answer.search],
  ["the bare code", (answer) => answer.searchParams.get("code") ?? ""],
])("3.2: where no browser is started, %s can be pasted; what is not the answer changes nothing", async (_, paste) => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  const told: string[] = []
  let honest: URL | undefined
  let asked = 0
  const person = willingPerson({
    async openLink({ url }) {
      honest = await wayBack(url)
      return "shown"
    },
    askText: async () => (asked++ === 0 ? "http://127.0.0.1/callback?code=evil&state=guessed" : paste(honest ?? new URL("http://x"))),
    tell: (text) => void told.push(text),
  })

  await one.authenticator.signIn(person, signal)

  expect(told).toEqual([expect.stringContaining("not the answer to this sign-in")])
  expect(await one.call()).toBe(200)
})

test("with nobody who could paste, the browser may still come back by itself", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  const openLink = async ({ url }: { url: URL }): Promise<"shown"> => {
    void fetch(url).catch(() => undefined)
    return "shown"
  }

  await one.authenticator.signIn(willingPerson({ openLink, askText: nobody }), signal)

  expect(await one.call()).toBe(200)
})

test("of six that sign in at once, one asks the person; the others have its grant", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  let tabs = 0
  const person = willingPerson({
    async openLink({ url }) {
      tabs++
      void fetch(url).catch(() => undefined)
      return "opened"
    },
  })

  const six = Array.from({ length: 6 }, () => makeMember(folder, serverAt(server.url)))
  await Promise.all(six.map((one) => one.authenticator.signIn(person, signal)))

  expect(tabs).toBe(1)
  expect(await Promise.all(six.map((one) => one.call()))).toEqual(Array(6).fill(200))
})

test("whoever asks for a sign-in by name is not kept waiting by another one whose page was closed", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using bridge = makeMember(folder, serverAt(server.url))
  const end = new AbortController()
  const { promise: closed, resolve: close } = withResolvers()
  const openLink = async (): Promise<"opened"> => {
    close()
    return "opened" // and nobody comes back
  }
  const abandoned = bridge.authenticator.signIn(willingPerson({ openLink }), end.signal)
  await closed // the trap was reached

  const tools = { vault: folder.open(), env: {}, redactor: createRedactor(), clock: systemClock }
  await enter(serverAt(server.url), { fresh: false }, { tools, interaction: willingPerson() }, signal)

  expect(await bridge.call()).toBe(200)
  end.abort(new Error("the bridge ends"))
  await expect(abandoned).rejects.toThrow("the bridge ends")
})

test("whoever was refused before another signed in has that sign-in, also if they ask only after it", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using late = makeMember(folder, serverAt(server.url))
  await using early = makeMember(folder, serverAt(server.url))
  expect(await late.call()).toMatchObject({ code: "oauth-sign-in-needed" })
  await early.authenticator.signIn(willingPerson(), signal)

  await late.authenticator.signIn(personWho({}), signal) // fails if anybody is asked

  expect(await late.call()).toBe(200)
})

test("a sign-in that fails leaves the former one as it was", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  const token = await one.token()
  server.authorization.bend.callback = (honest) =>
    new URL(
      `${honest.origin}${honest.pathname}?error=access_denied&state=${honest.searchParams.get("state")}&iss=${server.authorization.issuer}`,
    )

  await expect(one.authenticator.signIn(willingPerson(), signal)).rejects.toMatchObject({ diagnosis: { code: "oauth-consent-refused" } })

  expect(await one.token()).toBe(token)
})

test.each<[string, (server: StrictPair, giveUp: () => void) => void]>([
  [
    "while the code is redeemed",
    ({ authorization }, giveUp) => {
      authorization.beforeAnswer = giveUp
    },
  ],
  [
    "while the token is tried",
    (server, giveUp) => {
      server.handler = ({ headers }) => {
        if (headers.authorization !== undefined) giveUp()
        return false
      }
    },
  ],
])("a sign-in that is given up %s is finished and stored, and the end of the bridge waits for it", async (_, arrange) => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  const end = new AbortController()
  const { promise: givenUp, resolve } = withResolvers()
  arrange(server, () => {
    end.abort(new Error("the bridge ends"))
    resolve()
  })
  one.authenticator.signIn(willingPerson(), end.signal).catch(() => undefined)
  await givenUp

  await one.settled()

  expect(await one.call()).toBe(200)
  expect(server.authorization.exchanges("authorization_code")).toHaveLength(1)
})

test.each<[string, { pushed?: true; device?: true }]>([
  ["says so to the browser", {}],
  ["wants requests pushed", { pushed: true }],
  ["is asked for a device code", { device: true }],
])(
  "a registration that the server has forgotten is made again, once, without anybody being shown an error, also where it %s",
  async (_, way) => {
    await using server = await startProtectedServer()
    const { authorization } = server
    if (way.pushed) authorization.bend.metadata = (honest) => ({ ...honest, require_pushed_authorization_requests: true })
    await using folder = await makeVaultFolder()
    await using one = makeMember(folder, serverAt(server.url), { ...systemClock, sleep: async () => undefined })
    const byCode: Partial<Interaction> = {
      isElsewhere: true,
      async openLink({ code = "" }) {
        authorization.approveDevice(code)
        return "shown"
      },
    }
    const person = willingPerson(way.device ? byCode : {})
    await one.authenticator.signIn(person, signal)
    await one.authenticator.signIn(person, signal)
    expect(authorization.seenAt("/register")).toHaveLength(1) // the kept one was used
    authorization.clients.clear()

    await one.authenticator.signIn(person, signal)

    expect(authorization.seenAt("/register")).toHaveLength(2)
    expect(authorization.seenAt("/par").length > 0).toBe(way.pushed === true)
    expect(authorization.seenAt("/device_authorization").length > 0).toBe(way.device === true)
    expect(await one.call()).toBe(200)
  },
)

test("a token that the server does not take is no success, and does not replace the former sign-in", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  const token = await one.token()
  server.refusesAll = true

  await expect(one.authenticator.signIn(willingPerson(), signal)).rejects.toMatchObject({ diagnosis: { code: "oauth-token-not-accepted" } })

  server.refusesAll = false
  expect(await one.token()).toBe(token)
})

test("a pinned identity is checked before anything is stored or sent", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using pinned = makeMember(folder, serverAt(server.url, {}, { pin: { subject: `${server.authorization.issuer}#bob` } }))

  await expect(pinned.authenticator.signIn(willingPerson(), signal)).rejects.toMatchObject({
    diagnosis: { code: "oauth-subject-mismatch", kind: "guard" },
  })

  expect(server.authorization.exchanges("authorization_code")).toHaveLength(1) // the trap was reached
  expect(await folder.open().list()).toEqual([])
})

test.each<[string, string, boolean]>([
  ["https://a.example/mcp", "https://a.example/mcp", true],
  ["https://a.example", "https://a.example/mcp", true],
  ["https://a.example/", "https://a.example/mcp", true],
  ["https://a.example/m", "https://a.example/mcp", false],
  ["https://a.example/mcp/deeper", "https://a.example/mcp", false],
  ["https://a.example:444/mcp", "https://a.example/mcp", false],
  ["http://a.example/mcp", "https://a.example/mcp", false],
  ["https://b.example/mcp", "https://a.example/mcp", false],
  ["https://a.example/mcp#x", "https://a.example/mcp", false],
  ["urn:a", "https://a.example/mcp", false],
])("S32: the resource %s is that of %s: %s", (resource, url, is) => {
  expect(covers(resource, new URL(url))).toBe(is)
})

test("a scope that a server names is one word of the command that is told, whatever a shell would make of it", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  const scope = "';touch${IFS}canary;echo${IFS}'"
  server.handler = (_, response) => json(response, {}, 403, { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` })

  const told = await one.call()

  const { next = "" } = told as Diagnosis
  expect(next).toContain("touch") // the trap was reached
  const shell = spawnSync("sh", ["-c", `postern() { printf '%s\n' "$@"; }; ${next}`], { cwd: folder.path, encoding: "utf8" })
  expect(shell.stdout).toBe(`auth\nlinear\n--scopes\n${scope}\n`)
  expect(await readdir(folder.path)).not.toContain("canary")
})

test("a sign-in for a wider resource takes the place of one that its server has narrowed before", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  for (const family of server.authorization.tokens.families) family.ended = "revoked"
  expect(await one.call()).toMatchObject({ code: "oauth-sign-in-needed" }) // the trap was reached
  server.bendMetadata = (honest) => ({ ...honest, resource: server.origin })

  await one.authenticator.signIn(willingPerson(), signal)

  expect(await one.call()).toBe(200)
  expect((await folder.open().list()).filter(({ facts }) => facts.kind === "grant")).toHaveLength(1)
})

test("a server that wants its configured header beside the token can be signed in to", async () => {
  await using server = await startProtectedServer()
  server.handler = ({ path, headers }, response) =>
    path === "/mcp" && headers["x-api-key"] !== "k-1" ? json(response, { error: "no key" }, 403) : false
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url, {}, { headers: { "X-Api-Key": "k-1" } }))

  await one.authenticator.signIn(willingPerson(), signal)

  expect(await one.call()).toBe(200)
  expect(server.authorization.seen.filter(({ headers }) => headers["x-api-key"] !== undefined)).toEqual([])
})

test.each<[string, (response: ServerResponse) => void]>([
  ["is not answered", (response) => response.destroy()],
  ["meets a wall that lets browsers pass", (response) => response.writeHead(403).end("Just a moment...")],
])("a kept registration is used on where its preflight %s: a browser may come where we cannot", async (_, answer) => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  const before = authorizations(server).length
  let preflights = 0
  server.authorization.handler = ({ path }, response) => {
    if (path === "/authorize") answer(response)
    return path === "/authorize"
  }
  const browser = willingPerson()
  const openLink: typeof browser.openLink = (link, untilOver) => {
    preflights = authorizations(server).length - before
    server.authorization.handler = () => false
    return browser.openLink(link, untilOver)
  }

  await one.authenticator.signIn({ ...browser, openLink }, signal)

  expect(preflights).toBeGreaterThan(0) // the trap was reached
  expect(server.authorization.clients.size).toBe(1)
})

test("an issuer that is no address is told as a fault of the metadata, also where the entry is lenient with it", async () => {
  await using server = await startProtectedServer()
  server.authorization.bend.metadata = (honest) => ({ ...honest, issuer: "auth.example" })
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url, { dialects: ["lenient-issuer"] }))

  await expect(one.authenticator.signIn(willingPerson(), signal)).rejects.toMatchObject({
    diagnosis: { code: "oauth-metadata-invalid", cause: expect.stringContaining("issuer is no address") },
  })
  expect(authorizations(server)).toEqual([])
})

test("further parameters of the entry add to the request, and replace nothing that ties the answer to its flow", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  const authorizeParams = {
    prompt: "login",
    state: "known",
    redirect_uri: "http://127.0.0.1:1/",
    code_challenge: "known",
    client_id: "other",
  }
  await using one = makeMember(folder, serverAt(server.url, { authorizeParams }))
  let opened: URL | undefined
  const openLink = async ({ url }: { url: URL }): Promise<"opened"> => {
    opened = url
    throw new Error("seen enough")
  }

  await expect(one.authenticator.signIn(willingPerson({ openLink }), signal)).rejects.toThrow("seen enough")

  const asked = Object.fromEntries(opened?.searchParams ?? [])
  expect(asked).toMatchObject({
    prompt: "login",
    state: expect.stringMatching(/^[\w-]{43}$/),
    client_id: expect.stringMatching(/^client-/),
  })
  expect(asked["code_challenge"]).toMatch(/^[\w-]{43}$/)
  expect(asked["redirect_uri"]).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/)
})

test("a running bridge takes up a sign-in for a closer resource, and does not stay with the wider one that has ended", async () => {
  await using server = await startProtectedServer()
  server.bendMetadata = (honest) => ({ ...honest, resource: server.origin })
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  for (const family of server.authorization.tokens.families) family.ended = "revoked"
  expect(await one.call()).toMatchObject({ code: "oauth-sign-in-needed" }) // the trap was reached
  server.bendMetadata = (honest) => honest

  await one.authenticator.signIn(willingPerson(), signal)

  expect(await one.call()).toBe(200)
})

test("a code that the token endpoint repeats in its refusal is not told", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  let code = ""
  server.authorization.handler = ({ path, params }, response) => {
    if (path !== "/token") return false
    code = params.get("code") ?? ""
    return json(response, { error: "invalid_request", error_description: `the code ${code} is of no use` }, 400)
  }

  const refused: unknown = await one.authenticator.signIn(willingPerson(), signal).catch((error: unknown) => error)

  const told = JSON.stringify((refused as PosternError).diagnosis)
  expect(told).toContain(`the code ${code} is`) // the trap was reached
  expect(one.clean(told)).toContain("the code [redacted] is")
})

test.each<[string, (server: StrictPair) => OAuthSettings]>([
  [
    "the entry's client",
    ({ authorization }) => {
      authorization.clients.set("by-hand", { redirect_uris: ["http://127.0.0.1/callback"], client_secret: "cs-5up3r-s3cret" })
      return { clientId: "by-hand", clientSecret: "cs-5up3r-s3cret" }
    },
  ],
  [
    "a registration that is not kept yet",
    ({ authorization }) => {
      authorization.bend.metadata = (honest) => ({ ...honest, token_endpoint_auth_methods_supported: ["client_secret_post"] })
      authorization.bend.registration = (honest) => ({ ...honest, client_secret: "cs-5up3r-s3cret" })
      return {}
    },
  ],
  [
    "the management of a registration",
    ({ authorization }) => {
      authorization.bend.registration = (honest) => ({ ...honest, registration_access_token: "cs-5up3r-s3cret" })
      return {}
    },
  ],
])("the secret of %s is not told, also where the token endpoint repeats it before it has given a token", async (_, prepare) => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url, prepare(server)))
  server.authorization.handler = ({ path }, response) =>
    path === "/token" && json(response, { error: "invalid_request", error_description: "cs-5up3r-s3cret is of no use" }, 400)

  const refused: unknown = await one.authenticator.signIn(willingPerson(), signal).catch((error: unknown) => error)

  const told = JSON.stringify((refused as PosternError).diagnosis)
  expect(told).toContain("cs-5up3r-s3cret is of no use") // the trap was reached
  expect(one.clean(told)).toContain("[redacted] is of no use")
})

/** The folder of one whose vault tells when it waits for a lease that another holds. */
function tellsWaiting(folder: VaultFolder): { readonly folder: VaultFolder; readonly waits: Promise<void> } {
  const { promise: waits, resolve } = withResolvers<void>()
  const sleep: typeof systemClock.sleep = (...pause) => {
    resolve()
    return systemClock.sleep(...pause)
  }
  return { folder: { ...folder, open: () => folder.open({ ...systemClock, sleep }) }, waits }
}

const leaveWith = (folder: VaultFolder, server: StrictPair): Promise<readonly SignedOut[]> =>
  leave(serverAt(server.url), undefined, { vault: folder.open(), env: {}, redactor: createRedactor(), clock: systemClock }, signal)

test("whoever signs out of a server is signed out of it, also where there were two sign-ins that it could use", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  server.bendMetadata = (honest) => ({ ...honest, resource: server.origin })
  await one.authenticator.signIn(willingPerson(), signal)
  server.bendMetadata = (honest) => honest
  await one.authenticator.signIn(willingPerson(), signal)
  const vault = folder.open()
  const grants = async () => (await vault.list()).filter(({ facts }) => facts.kind === "grant")
  expect(await grants()).toHaveLength(2) // the trap was reached

  const left = await leaveWith(folder, server)

  expect(left).toMatchObject([{ revoked: true }, { revoked: true }])
  expect(await grants()).toEqual([])
  expect(server.authorization.tokens.families.map(({ ended }) => ended)).toEqual(["revoked", "revoked"])
})

test("a sign-in that is made while another one is signed out stays", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  const late = tellsWaiting(folder)
  await using one = makeMember(late.folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  let again: Promise<unknown> | undefined
  server.authorization.handler = async ({ path }) => {
    if (path !== "/revoke" || again) return false
    again = one.authenticator.signIn(willingPerson(), signal)
    await Promise.race([again, late.waits])
    return false
  }

  const left = await leaveWith(folder, server)
  expect(again).toBeDefined() // the trap was reached
  await again

  expect(left).toMatchObject([{ revoked: true }])
  expect((await folder.open().list()).filter(({ facts }) => facts.kind === "grant")).toHaveLength(1)
  expect(await one.call()).toBe(200)
})

test("whoever signs out during a renewal revokes what it brings", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  const late = tellsWaiting(folder)
  const { promise: held, resolve: letGo } = withResolvers<void>()
  server.authorization.beforeAnswer = ({ params }) => (params.get("grant_type") === "refresh_token" ? held : undefined)
  let given: unknown
  server.authorization.bend.token = (honest, { params }) => {
    if (params.get("grant_type") === "refresh_token") given = honest["refresh_token"]
    return honest
  }
  server.authorization.tokens.expireAccessTokens()

  const call = one.call()
  await expect.poll(() => server.authorization.exchanges("refresh_token").length).toBe(1) // the trap was reached
  const leaving = leaveWith(late.folder, server)
  await Promise.race([leaving, late.waits])
  letGo()
  const left = await leaving
  await call

  expect(left).toMatchObject([{ revoked: true }])
  expect(server.authorization.seenAt("/revoke")[0]?.params.get("token")).toBe(given)
  expect(given).toBeDefined()
})

test("a renewal leaves whose requests they are; another sign-in does not, also where the server tells no name", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await using other = makeMember(folder, serverAt(server.url))
  const whose = async (): Promise<unknown> => (await one.authenticator.authorize(bare(server.url), signal)).identity

  const nobodys = await whose()
  await one.authenticator.signIn(willingPerson(), signal)
  const first = await whose()
  server.authorization.tokens.expireAccessTokens()
  expect(await one.call()).toBe(200)
  const renewed = await whose()
  server.authorization.subject = "bob"
  await other.authenticator.signIn(willingPerson(), signal) // another process

  expect(server.authorization.exchanges("refresh_token")).toHaveLength(1)
  expect(first).not.toBe(nobodys)
  expect(renewed).toBe(first)
  expect(await whose()).not.toBe(first)
})

test("an address whose secret could not be read is read again with the next message", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(`${server.url}?key=\${vault:key}`))

  const before = await one.call()
  await folder.open().write("key", server.origin, "k-1")
  const after = await one.call()

  expect(before).toMatchObject({ code: "secret-missing" }) // the trap was reached
  expect(after).toMatchObject({ code: "oauth-sign-in-needed" })
})

test.each<[string, Record<string, string>, string]>([
  ["no question about identity where it has no challenge", {}, "access-denied"],
  ["a reason for a sign-in where it has one", { "www-authenticate": "Bearer" }, "oauth-sign-in-needed"],
])("S52: a 403 to somebody who has not signed in is %s", async (_, headers, code) => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  server.handler = (_request, response) => json(response, {}, 403, headers)

  expect(await one.call()).toMatchObject({ code })
})

test("S33: a person is told that a sign-in is at another authorization server than the former one, and nothing where it is the same", async () => {
  await using server = await startProtectedServer()
  await using other = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  const told: string[] = []
  const person = willingPerson({ tell: (text) => void told.push(text) })
  await one.authenticator.signIn(person, signal)
  await one.authenticator.signIn(person, signal)
  expect(told).toEqual([])
  server.bendMetadata = (honest) => ({ ...honest, authorization_servers: [other.authorization.issuer] })

  await expect(one.authenticator.signIn(person, signal)).rejects.toMatchObject({ diagnosis: { code: "oauth-token-not-accepted" } })

  const [before, now] = [server.authorization.issuer, other.authorization.issuer]
  expect(told).toEqual([`The former sign-in to linear was at ${before}; this one is at ${now}.`])
})
