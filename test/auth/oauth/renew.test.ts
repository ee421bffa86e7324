import { readFile, rm, writeFile } from "node:fs/promises"
import { expect, onTestFinished, test, vi } from "vitest"
import type { Grant } from "../../../src/auth/oauth/grant.ts"
import { connect } from "../../../src/bridge/connect.ts"
import { systemClock } from "../../../src/core/clock.ts"
import type { Diagnosis } from "../../../src/core/diagnosis.ts"
import { silentLog } from "../../../src/core/log.ts"
import { createRedactor } from "../../../src/core/redact.ts"
import { mountSmallDisk } from "../../core/folder.ts"
import { type StrictPair, startProtectedServer } from "../../servers/protected-server.ts"
import { type VaultFolder, makeVaultFolder, placesIn } from "../../vault/vault-folder.ts"
import { type Member, makeMember, serverAt, willingPerson } from "./member.ts"

const { signal } = new AbortController()
const refreshes = (server: StrictPair): number => server.authorization.exchanges("refresh_token").length

/** Somebody has signed in; `members` are processes that come after that. */
async function signedIn(server: StrictPair, folder: VaultFolder): Promise<void> {
  await using first = makeMember(folder, serverAt(server.url))
  await first.authenticator.signIn(willingPerson(), signal)
}

const members = (count: number, folder: VaultFolder, server: StrictPair, clock = systemClock): Member[] =>
  Array.from({ length: count }, () => makeMember(folder, serverAt(server.url), clock))
const later = (ms: number) => ({ ...systemClock, now: () => Date.now() + ms })

/** A token endpoint that does not answer a refresh until it is let go. */
function holdRefreshes(server: StrictPair): () => void {
  let letGo: (() => void) | undefined
  const held = new Promise<void>((resolve) => (letGo = resolve))
  server.authorization.beforeAnswer = ({ params }) => (params.get("grant_type") === "refresh_token" ? held : undefined)
  return () => letGo?.()
}

/** Writes a grant without the lease, as an older program would. */
async function putGrant(folder: VaultFolder, grant: Grant): Promise<void> {
  const vault = folder.open()
  const entry = (await vault.list()).find(({ facts }) => facts.kind === "grant")
  const place = { name: entry?.name ?? "", origin: entry?.origin ?? "" }
  const next = { secret: JSON.stringify(grant), facts: entry?.facts ?? { kind: "grant" as const } }
  // A lease of another name would not keep it out: what it renews is the record, at once.
  await vault.renew(place, async () => ({ next, result: undefined }), { waitMs: 0, holdMs: 1_000 }, signal)
}

async function grantIn(folder: VaultFolder): Promise<Grant & { facts: object }> {
  const vault = folder.open()
  const entry = (await vault.list()).find(({ facts }) => facts.kind === "grant")
  return { ...(JSON.parse((await vault.read(entry?.name ?? "", entry?.origin ?? "")) ?? "") as Grant), facts: entry?.facts ?? {} }
}

/** As somebody would who tidies up. @returns how many there were */
async function removeLocks(folder: VaultFolder): Promise<number> {
  const locks = Object.keys(await folder.contents()).filter((path) => path.endsWith(".lock"))
  await Promise.all(locks.map((path) => rm(folder.at(path))))
  return locks.length
}

const NO_DISK = "mounting a small disk is not permitted here"

/** One who has signed in, whose token has ended, and whose disk is full from the first refresh on. */
async function withFullDisk(skip: (why: string) => never) {
  const disk = (await mountSmallDisk(96)) ?? skip(NO_DISK)
  const folder = placesIn(disk)
  const server = await startProtectedServer()
  await signedIn(server, folder)
  server.authorization.beforeAnswer = ({ params }) => {
    if (params.get("grant_type") === "refresh_token") disk.fill()
  }
  server.authorization.tokens.expireAccessTokens()
  return {
    server,
    folder,
    one: makeMember(folder, serverAt(server.url)),
    makeRoom() {
      server.authorization.beforeAnswer = () => undefined
      disk.makeRoom()
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await disk[Symbol.asyncDispose]()
    },
  }
}

test("3.4: of ten that find the token ended, one renews it, and all calls are answered", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)

  const ten = members(10, folder, server, later(3600_000))
  const answers = await Promise.all(ten.map((one) => one.call()))

  expect(answers).toEqual(Array(10).fill(200))
  expect(refreshes(server)).toBe(1)
  expect(server.authorization.tokens.reuses).toBe(0)
})

test.each<[string, (server: StrictPair) => void]>([
  ["before its time", () => undefined],
  ["that never said how long it lasts", (server) => (server.authorization.tellsLifetime = false)],
])("3.4: of ten whose token is refused %s, one renews it, and all calls are answered", async (_, set) => {
  await using server = await startProtectedServer()
  set(server)
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  server.authorization.tokens.expireAccessTokens()

  const answers = await Promise.all(members(10, folder, server).map((one) => one.call()))

  expect(answers).toEqual(Array(10).fill(200))
  expect(refreshes(server)).toBe(1)
  expect(server.authorization.tokens.reuses).toBe(0)
})

test("3.4: fifty calls of one process that meet an ended token share one renewal", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  server.authorization.tokens.expireAccessTokens()
  const [one] = members(1, folder, server)

  const answers = await Promise.all(Array.from({ length: 50 }, () => one?.call()))

  expect(answers).toEqual(Array(50).fill(200))
  expect(refreshes(server)).toBe(1)
})

test("a token endpoint that is overloaded twice is asked again, and nobody has to sign in", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  let refusals = 0
  server.authorization.handler = ({ path, params }, response) => {
    if (path !== "/token" || params.get("grant_type") !== "refresh_token" || ++refusals > 2) return false
    response.writeHead(503).end("<html>busy</html>")
    return true
  }

  expect(await makeMember(folder, serverAt(server.url), later(3600_000)).call()).toBe(200)
  expect(refreshes(server)).toBe(3)
})

test.each<[string, number, string, string]>([
  ["a page with status 500", 500, "<html>sorry</html>", "oauth-token-refused"],
  ["a page with status 200", 200, "<html>a network's sign-in page</html>", "oauth-token-refused"],
  ["an error with status 200, as Slack does", 200, '{"ok":false,"error":"internal_error"}', "oauth-token-refused"],
  ["an error that ends no grant", 400, '{"error":"invalid_request"}', "oauth-token-refused"],
  ["a token of another type", 200, '{"access_token":"a","token_type":"mac"}', "oauth-token-invalid"],
  ["a token with a line break", 200, '{"access_token":"a\\r\\nX: y","token_type":"bearer"}', "oauth-token-invalid"],
])("%s is no reason for a sign-in, and leaves the grant as it was", async (_, status, body, code) => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const before = await grantIn(folder)
  server.authorization.handler = ({ path }, response) => {
    if (path !== "/token") return false
    response.writeHead(status, { "content-type": body.startsWith("{") ? "application/json" : "text/html" }).end(body)
    return true
  }
  const one = makeMember(folder, serverAt(server.url), later(3600_000))

  expect(await one.call()).toMatchObject({ code, kind: "failed" })
  expect(refreshes(server)).toBeGreaterThan(0) // the trap was reached
  const after = await grantIn(folder)
  expect(after).toMatchObject({ refreshToken: before.refreshToken, accessToken: before.accessToken })
  expect(after.facts).not.toHaveProperty("needsSignIn")
  server.authorization.handler = () => false
  expect(await one.call()).toBe(200)
})

test("an authorization server that is down is told as that, and while the token is good it is used", async () => {
  const server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  await server.authorization[Symbol.asyncDispose]()

  await using late = makeMember(folder, serverAt(server.url), later(3600_000))
  await using early = makeMember(folder, serverAt(server.url), later(3550_000)) // its renewal goes on beside

  expect(await late.call()).toMatchObject({ code: "server-unreachable" })
  expect(await early.token()).toBe((await grantIn(folder)).accessToken)
  await server.mcp.close()
})

test("a grant that the server has ended says so, is kept, and is not tried again and again", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  server.authorization.tokens.revoke((await grantIn(folder)).refreshToken ?? "")

  const answers = await Promise.all(members(5, folder, server).map((one) => one.call()))

  expect(answers).toEqual(Array(5).fill(expect.objectContaining({ code: "oauth-sign-in-needed", kind: "sign-in" })))
  expect(refreshes(server)).toBe(1)
  const grant = await grantIn(folder)
  expect(grant.facts).toMatchObject({ needsSignIn: expect.stringContaining("refresh token") })
  expect(grant.refreshToken).toBeDefined()
})

test("a registration that the authorization server has forgotten needs a sign-in, which makes Postern known anew", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const [forgotten] = server.authorization.clients.keys()
  server.authorization.clients.clear()

  const answers = await Promise.all(members(2, folder, server, later(3600_000)).map((one) => one.call()))
  const marked = (await grantIn(folder)).facts
  await signedIn(server, folder)

  expect(answers).toEqual(Array(2).fill(expect.objectContaining({ code: "oauth-sign-in-needed", kind: "sign-in" })))
  expect(refreshes(server)).toBe(1) // the trap was reached, and not tried again
  expect(marked).toMatchObject({ needsSignIn: expect.stringContaining("registration") })
  expect([...server.authorization.clients.keys()]).not.toContain(forgotten)
  expect(await makeMember(folder, serverAt(server.url)).call()).toBe(200)
})

test("a refused refresh is no end where a copy of the store was renewed elsewhere and brought back", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const stale = await readFile(folder.vaultPath)
  await makeMember(folder, serverAt(server.url), later(3600_000)).call()
  const renewed = await readFile(folder.vaultPath)
  const { accessToken, refreshToken } = await grantIn(folder)
  await writeFile(folder.vaultPath, stale)
  server.authorization.handler = async ({ params }) => {
    if (params.get("grant_type") === "refresh_token") await writeFile(folder.vaultPath, renewed)
    return false
  }

  const token = await makeMember(folder, serverAt(server.url), later(3600_000)).token()

  expect(refreshes(server)).toBe(2)
  expect(token).toBe(accessToken)
  const grant = await grantIn(folder)
  expect(grant.refreshToken).toBe(refreshToken)
  expect(grant.facts).not.toHaveProperty("needsSignIn")
})

test("where no new refresh token comes, the old one is kept and used again", async () => {
  await using server = await startProtectedServer()
  server.authorization.rotates = false
  server.authorization.bend.token = (honest, { params }) => {
    const { refresh_token: _, ...rest } = honest
    return params.get("grant_type") === "refresh_token" ? rest : honest
  }
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const { refreshToken } = await grantIn(folder)
  const one = makeMember(folder, serverAt(server.url))

  for (let round = 1; round <= 2; round++) {
    server.authorization.tokens.expireAccessTokens()
    expect(await one.call()).toBe(200)
  }

  expect(server.authorization.exchanges("refresh_token").map(({ params }) => params.get("refresh_token"))).toEqual([
    refreshToken,
    refreshToken,
  ])
})

test("a refresh names the same resource, goes to the token endpoint of the sign-in, and nowhere else", async () => {
  await using server = await startProtectedServer()
  await using stranger = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  server.authorization.bend.metadata = () => ({ ...stranger.authorization, token_endpoint: `${stranger.authorization.origin}/token` })
  server.bendMetadata = (honest) => ({ ...honest, authorization_servers: [stranger.authorization.issuer] })

  expect(await makeMember(folder, serverAt(server.url), later(3600_000)).call()).toBe(200)

  expect(server.authorization.exchanges("refresh_token")[0]?.params.get("resource")).toBe(server.url)
  expect(stranger.authorization.seen).toEqual([])
})

test("a process that died in the middle of its exchange leaves a grant that is tried once more, and then says what happened", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const { facts: _, ...grant } = await grantIn(folder)
  const cut = { ...grant, exchangeBegunAtMs: 1_790_000_000_000 }
  // The server has rotated the token, and nobody has heard the answer.
  server.authorization.tokens.refresh(grant.refreshToken ?? "", { clientId: grant.client.id, lifetimeSeconds: 1, rotates: true })
  await putGrant(folder, cut)

  const answers = await Promise.all(members(3, folder, server, later(3600_000)).map((one) => one.call()))

  expect(answers).toEqual(
    Array(3).fill(expect.objectContaining({ code: "oauth-sign-in-needed", cause: expect.stringContaining("cut off") })),
  )
  expect(refreshes(server)).toBe(1)
})

test.each<[string, number, boolean]>([
  ["was refused", 400, false],
  ["met a server that is too busy", 503, false],
  ["may have been run", 502, true],
])(
  "a renewal that %s is told with a later end of the grant where it may have used the refresh token up (%i: %s)",
  async (_, status, isTold) => {
    await using server = await startProtectedServer()
    await using folder = await makeVaultFolder()
    await signedIn(server, folder)
    let answer = { status, error: "invalid_request" }
    server.authorization.handler = ({ path }, response) => {
      if (path !== "/token") return false
      response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify({ error: answer.error }))
      return true
    }
    const one = makeMember(folder, serverAt(server.url), later(3600_000))

    expect(await one.call()).toMatchObject({ code: "oauth-token-refused" }) // the trap was reached
    expect("exchangeBegunAtMs" in (await grantIn(folder))).toBe(isTold)
    answer = { status: 400, error: "invalid_grant" }
    const told = await one.call()

    expect(told).toMatchObject({ code: "oauth-sign-in-needed" })
    expect(JSON.stringify(told).includes("used the refresh token up")).toBe(isTold)
  },
)

test("a disk that fills up between exchange and write loses nothing: the session goes on, it is told, and stored later", async ({
  skip,
}) => {
  await using full = await withFullDisk(skip)
  const { server, folder, one } = full

  expect(await one.call()).toBe(200)
  expect(one.told).toMatchObject([{ code: "oauth-grant-not-stored" }])
  const used = await one.token()
  expect((await grantIn(folder)).accessToken).not.toBe(used)

  // It ends before there is room: whoever holds the lease renews it again.
  server.authorization.tokens.expireAccessTokens()
  expect(await one.call()).toBe(200)
  full.makeRoom()
  await expect.poll(async () => (await grantIn(folder)).accessToken, { timeout: 20_000 }).toBe(await one.token())
  expect(server.authorization.tokens.reuses).toBe(0)
})

test("a lease that is lost in the middle of an exchange is taken again, and what was renewed is stored", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  server.authorization.beforeAnswer = async () => {
    expect(await removeLocks(folder)).toBe(1) // the trap was reached
  }
  const one = makeMember(folder, serverAt(server.url), later(3600_000))

  const token = await one.token()

  expect(refreshes(server)).toBe(1)
  expect(await grantIn(folder)).toMatchObject({ accessToken: token, version: 2 })
  expect(await grantIn(folder)).not.toHaveProperty("exchangeBegunAtMs")
  server.authorization.tokens.expireAccessTokens()
  expect(await one.call()).toBe(200)
  expect(server.authorization.tokens.reuses).toBe(0)
})

test("what was renewed does not take the place of a sign-in that was made while its lease was lost", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const { facts: _, ...former } = await grantIn(folder)
  const ofSignIn = { ...former, version: 7, accessToken: "of the sign-in", refreshToken: "of the sign-in" }
  server.authorization.beforeAnswer = async () => {
    expect(await removeLocks(folder)).toBe(1) // the trap was reached
    await putGrant(folder, ofSignIn)
  }

  const token = await makeMember(folder, serverAt(server.url), later(3600_000)).token()

  expect(token).toBe("of the sign-in")
  expect(await grantIn(folder)).toMatchObject(ofSignIn)
})

test("what was renewed does not come back after a sign-out that came while its lease was lost", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const grants = async () => (await folder.open().list()).filter(({ facts }) => facts.kind === "grant")
  server.authorization.beforeAnswer = async () => {
    expect(await removeLocks(folder)).toBe(1) // the trap was reached
    for (const { name } of await grants()) await folder.open().remove(name)
  }

  const told = await makeMember(folder, serverAt(server.url), later(3600_000)).call()

  expect(told).toMatchObject({ code: "oauth-sign-in-needed" })
  expect(await grants()).toEqual([])
})

test("with a home that cannot be written, no exchange begins: the refresh token would be used up", async ({ skip }) => {
  await using disk = await mountSmallDisk(96)
  if (disk === undefined) return skip(NO_DISK)
  const folder = placesIn(disk)
  await using server = await startProtectedServer()
  await signedIn(server, folder)
  await disk.makeReadOnly()

  expect(await makeMember(folder, serverAt(server.url), later(3600_000)).call()).toMatchObject({ code: "not-writable", kind: "failed" })
  expect(refreshes(server)).toBe(0)
})

test("only renew.ts has the exchange of a refresh token", async () => {
  const sources = await Promise.all(
    ["exchange", "settle", "sign-in", "device", "oauth", "kept-grant", "sign-out"].map((name) =>
      readFile(new URL(`../../../src/auth/oauth/${name}.ts`, import.meta.url), "utf8"),
    ),
  )

  for (const source of sources) expect(source).not.toMatch(/refreshTokenGrantRequest|genericTokenEndpointRequest|"\.\/refresh\.ts"/)
})

test.each([1, 2, 5])(
  "a server that takes no token at all costs one renewal, and is told as that: not one with every message, of which %i come at once",
  async (count) => {
    await using server = await startProtectedServer()
    await using folder = await makeVaultFolder()
    await signedIn(server, folder)
    server.refusesAll = true
    const one = makeMember(folder, serverAt(server.url))

    const told: Diagnosis[] = []
    for (let round = 1; round <= 3; round++) told.push(...(await Promise.all(Array.from({ length: count }, () => one.refusedTwice()))))

    expect(told).toEqual(Array(3 * count).fill(expect.objectContaining({ code: "oauth-token-not-accepted", kind: "failed" })))
    expect(refreshes(server)).toBe(1)
  },
)

test("an exchange that fails while a renewed grant waits for room ends neither the wait of a call nor the storing", async ({ skip }) => {
  await using full = await withFullDisk(skip)
  const { server, folder, one } = full
  expect(await one.call()).toBe(200)
  expect(one.told).toMatchObject([{ code: "oauth-grant-not-stored" }])
  const before = refreshes(server)
  server.authorization.tokens.expireAccessTokens()
  server.authorization.handler = ({ path }, response) => {
    if (path === "/token") response.destroy()
    return path === "/token"
  }

  expect(await one.call()).toBe(401) // it is told by the server's own refusal
  expect(refreshes(server)).toBeGreaterThan(before) // the trap was reached
  server.authorization.handler = () => false
  expect(await one.call()).toBe(200)
  full.makeRoom()
  await expect.poll(async () => (await grantIn(folder)).accessToken, { timeout: 20_000 }).toBe(await one.token())
  expect(server.authorization.tokens.reuses).toBe(0)
})

test("a refresh token that the server repeats in its refusal does not stand in clear beside the grant", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const { refreshToken = "" } = await grantIn(folder)
  server.authorization.handler = ({ path, params }, response) => {
    if (path !== "/token") return false
    const said = { error: "invalid_grant", error_description: `${params.get("refresh_token")} has ended` }
    response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify(said))
    return true
  }

  const told = await makeMember(folder, serverAt(server.url), later(3600_000)).call()

  expect((await grantIn(folder)).facts).toMatchObject({ needsSignIn: expect.stringContaining("has ended") }) // the trap was reached
  expect(JSON.stringify([told, (await grantIn(folder)).facts])).not.toContain(refreshToken)
  expect(await readFile(folder.vaultPath, "utf8")).not.toContain(refreshToken)
})

test("a token that was refused at its first use is not given up for ever: a while later it is renewed once more", async () => {
  await using server = await startProtectedServer()
  server.authorization.tellsLifetime = false
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  server.authorization.tokens.expireAccessTokens()
  vi.useFakeTimers({ toFake: ["hrtime"] })
  onTestFinished(() => void vi.useRealTimers())
  // Somebody corrects the clock of the machine: that is no reason to wait for hours.
  let setBackMs = 0
  await using one = makeMember(folder, serverAt(server.url), { ...systemClock, now: () => Date.now() - setBackMs })
  server.refusesAll = true
  expect(await one.refusedTwice()).toMatchObject({ code: "oauth-token-not-accepted" }) // the trap was reached
  server.refusesAll = false
  expect(await one.call()).toBe(200) // the token had not come to every machine of the server yet
  server.authorization.tokens.expireAccessTokens()

  const soon = await one.call()
  vi.advanceTimersByTime(61_000)
  setBackMs = 3600_000
  const afterAMinute = await one.call()

  expect(soon).toMatchObject({ code: "oauth-token-not-accepted" })
  expect(afterAMinute).toBe(200)
  expect(refreshes(server)).toBe(2)
})

test("3.4: while a token is good, a token endpoint that hangs holds up no call, and is asked once", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const { accessToken } = await grantIn(folder)
  const letGo = holdRefreshes(server)
  await using one = makeMember(folder, serverAt(server.url), later(3550_000))

  expect([await one.call(), await one.call()]).toEqual([200, 200])
  expect(await one.token()).toBe(accessToken)
  await expect.poll(() => refreshes(server)).toBe(1) // the trap was reached
  letGo()
  await one.settled()

  expect(await one.token()).toBe((await grantIn(folder)).accessToken)
  expect(await one.token()).not.toBe(accessToken)
  expect(refreshes(server)).toBe(1)
})

test("a token that has ended is not sent: the call waits for the renewal", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const { accessToken } = await grantIn(folder)
  await using one = makeMember(folder, serverAt(server.url), later(3600_000))

  expect(await one.token()).not.toBe(accessToken)
  expect(refreshes(server)).toBe(1)
})

test("a bridge that ends does not tear a renewal that goes on beside its calls", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await signedIn(server, folder)
  const { accessToken } = await grantIn(folder)
  const letGo = holdRefreshes(server)
  const tools = { vault: folder.open(), env: {}, redactor: createRedactor(), clock: later(3550_000) }
  const around = { tools, log: silentLog, stderr: () => undefined, signal, clientInfo: { name: "test", version: "1" } }
  const bridge = await connect({ name: "linear", findServer: async () => serverAt(server.url), ...around })
  await bridge.request("tools/list")
  await expect.poll(() => refreshes(server)).toBe(1) // the trap was reached

  const ended = bridge.close()
  letGo()
  await ended

  expect(await grantIn(folder)).not.toMatchObject({ accessToken })
  expect(await grantIn(folder)).not.toHaveProperty("exchangeBegunAtMs")
})
