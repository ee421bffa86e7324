/** Signing in to AWS SSO, renewing its session and taking a role from it, against a double that refuses what the real one refuses. */
import { existsSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { readFile, readdir, rename, stat, symlink, utimes, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import { expect, test } from "vitest"
import { ssoTokenPath } from "../../../src/auth/aws/sso-cache.ts"
import { ssoCredentials } from "../../../src/auth/aws/sso-role.ts"
import type { SsoProfile, SsoRole } from "../../../src/auth/aws/sso-session.ts"
import { signInSso } from "../../../src/auth/aws/sso-sign-in.ts"
import { freshSsoToken } from "../../../src/auth/aws/sso-token.ts"
import type { Diagnosis } from "../../../src/core/diagnosis.ts"
import { fileStamp } from "../../../src/core/read-file.ts"
import { type SsoHome, makeSsoHome, personWho } from "./sso-home.ts"

const never = new AbortController().signal
const MINUTE = 60_000

const approving = (home: SsoHome) => personWho(({ code }) => home.sso.decide(code ?? "", "approved"))
const signIn = async (home: SsoHome, name = "dev") => {
  const profile = await home.profile(name)
  return { profile, token: await signInSso(profile.session, approving(home), { tools: home.tools }, never) }
}
const keysOf = (home: SsoHome, { session, role }: SsoProfile) => ssoCredentials(session, role as SsoRole, home.tools, never)
const refreshes = (home: SsoHome) => home.sso.seenAt("/token").filter(({ body }) => body["grantType"] === "refresh_token")

test.each(["dev", "old"])(
  "a person signs in on a page, the profile %s gets its role's keys, and nothing was refused on the way",
  async (name) => {
    await using home = await makeSsoHome()
    const profile = await home.profile(name)
    const person = approving(home)

    await signInSso(profile.session, person, { tools: home.tools }, never)
    const keys = await keysOf(home, profile)

    expect(person.links).toMatchObject([{ code: expect.stringMatching(/^[0-9A-F]{4}-[0-9A-F]{4}$/) }])
    expect(person.links[0]?.url.href).toContain(person.links[0]?.code ?? "-")
    expect(home.sso.keys.get(keys.accessKeyId)).toMatchObject({ sessionToken: keys.sessionToken, role: "Developers" })
    expect(home.sso.refusals).toEqual([])
    expect((await stat(ssoTokenPath(profile.session))).mode & 0o777).toBe(0o600)
  },
)

test("a sign-in that is declined on the page leaves what was there, and says so", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  const before = await home.kept(profile)

  const declined = signInSso(
    profile.session,
    personWho(({ code }) => home.sso.decide(code ?? "", "denied")),
    { tools: home.tools },
    never,
  )

  await expect(declined).rejects.toMatchObject({
    diagnosis: { code: "aws-sso-not-finished", kind: "sign-in", next: "postern auth my-mcp" },
  })
  expect(await home.kept(profile)).toEqual(before)
})

test("a poll that is lost on the way does not end a sign-in that a person is at; a service that stays down does", async () => {
  await using home = await makeSsoHome()
  let lost = 0
  const losing = (count: number): SsoHome["sso"]["handler"] => {
    lost = 0
    const down = serve("/token", [503, "text/plain", "down"])
    return (route, ...rest) => (route === "/token" && ++lost <= count ? down(route, ...rest) : false)
  }

  home.sso.handler = losing(2)
  const { token } = await signIn(home)
  home.sso.handler = losing(Infinity)
  const { session } = await home.profile("dev")
  const failing = signInSso(session, approving(home), { tools: home.tools }, never)

  expect(token.accessToken).toBeDefined()
  await expect(failing).rejects.toMatchObject({ diagnosis: { code: "aws-sso-failed" } })
})

test("a registration is used again for the next sign-in", async () => {
  await using home = await makeSsoHome()

  await signIn(home)
  await signIn(home)

  expect(home.sso.seenAt("/client/register")).toHaveLength(1)
  expect(home.sso.seenAt("/device_authorization")).toHaveLength(2)
})

test("a registration that AWS has forgotten is made anew, once", async () => {
  await using home = await makeSsoHome()
  await signIn(home)
  home.sso.forgetClients()

  const { profile } = await signIn(home)

  expect(home.sso.refusals).toEqual([expect.stringContaining("invalid_client")]) // the trap was reached
  expect(home.sso.seenAt("/client/register")).toHaveLength(2)
  await expect(keysOf(home, profile)).resolves.toBeDefined()
})

test("a session that is near its end is renewed before the SDKs would, once for twenty who ask at a time, and the new refresh token is kept", async () => {
  await using home = await makeSsoHome()
  const { profile, token } = await signIn(home)
  await home.setEnd(profile, 5 * MINUTE)

  const ask = () => freshSsoToken(profile.session, home.tools, new AbortController().signal) // as requests: each with its own signal
  const tokens = await Promise.all(Array.from({ length: 20 }, ask))

  expect(refreshes(home)).toHaveLength(1)
  expect(new Set(tokens.map(({ accessToken }) => accessToken)).size).toBe(1)
  expect(tokens[0]?.accessToken).not.toBe(token.accessToken)
  expect((await home.kept(profile))["refreshToken"]).not.toBe(token.refreshToken)
  expect(home.sso.refusals).toEqual([])
})

test("a session that a program without our lock renews while we ask is taken from the file", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  const path = ssoTokenPath(profile.session)
  await home.setEnd(profile, 5 * MINUTE)
  const stale = await readFile(path, "utf8")
  const renewed = await freshSsoToken(profile.session, home.tools, never)
  const current = await readFile(path, "utf8")
  await writeFile(path, stale)
  await utimes(path, 0, 0) // what this process has read before it waited for the lock
  home.sso.handler = (route) => {
    if (route === "/token") writeFileSync(path, current) // the other program writes while our request is on its way
    return false
  }

  const found = await freshSsoToken(profile.session, home.tools, never)

  expect(home.sso.refusals).toEqual([expect.stringContaining("used twice")]) // the trap was reached
  expect(found.accessToken).toBe(renewed.accessToken)
})

test("a session that has ended asks for a person, names the profile and one command, and is not deleted", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  home.sso.revokeAll()
  await home.setEnd(profile, -MINUTE)
  const before = await home.kept(profile)

  await expect(keysOf(home, profile)).rejects.toMatchObject({
    diagnosis: {
      code: "aws-sso-ended",
      kind: "sign-in",
      cause: 'The SSO session of the AWS profile "dev" has ended.',
      next: "postern auth my-mcp",
    },
  })
  expect(refreshes(home)).toHaveLength(1)
  expect(await home.kept(profile)).toEqual(before)
})

test("a session that was ended at the portal while its token looks good is renewed once, and then asks for a person", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  home.sso.revokeAll()

  await expect(keysOf(home, profile)).rejects.toMatchObject({ diagnosis: { code: "aws-sso-ended", kind: "sign-in" } })

  expect(home.sso.seenAt("/federation/credentials")).toHaveLength(1)
  expect(refreshes(home)).toHaveLength(1)
})

test.each<[string, Parameters<typeof serve>[1]]>([
  ["a server error", [500, "application/json", '{"error":"server_error"}']],
  ["a page of a network's sign-in", [200, "text/html", "<html>Wi-Fi</html>"]],
  ["a refusal without a reason", [400, "text/plain", "no"]],
])("%s is no reason to ask for a sign-in", async (_, answer) => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  await home.setEnd(profile, -MINUTE)
  home.sso.handler = serve("/token", answer)

  await expect(freshSsoToken(profile.session, home.tools, never)).rejects.toMatchObject({
    diagnosis: { code: "aws-sso-failed", kind: "failed" },
  })
})

test("a token that cannot be renewed is used as long as it is good", async () => {
  await using home = await makeSsoHome()
  const { profile, token } = await signIn(home)
  await home.setEnd(profile, 3 * MINUTE)
  home.sso.handler = serve("/token", [500, "text/plain", "down"])

  expect((await freshSsoToken(profile.session, home.tools, never)).accessToken).toBe(token.accessToken)
})

test("a renewal that fails leaves the file of the session untouched: whatever watches it has nothing to look at", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  await home.setEnd(profile, 3 * MINUTE)
  home.sso.handler = serve("/token", [500, "text/plain", "down"])
  const path = ssoTokenPath(profile.session)
  const before = fileStamp(path)

  await freshSsoToken(profile.session, home.tools, never)

  expect(refreshes(home)).toHaveLength(1) // the trap was reached
  expect(fileStamp(path)).toBe(before)
  expect((await readdir(dirname(path))).filter((name) => !name.endsWith(".json"))).toEqual([])
})

test("a folder that cannot be written is found before the refresh token is used up", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  await home.setEnd(profile, -MINUTE)
  const path = ssoTokenPath(profile.session)
  await rename(path, `${path}.kept`)
  await symlink(`${path}.kept`, path) // can be read, and is not replaced

  await expect(freshSsoToken(profile.session, home.tools, never)).rejects.toMatchObject({ diagnosis: { code: "file-not-private" } })

  expect(refreshes(home)).toEqual([])
})

test("a token that was renewed while the lock was taken away is stored all the same: the one that lies there is used up", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  await home.setEnd(profile, -MINUTE)
  const lock = `${ssoTokenPath(profile.session)}.lock`
  home.sso.handler = (route) => {
    if (route === "/token") rmSync(lock) // throws where there is none
    return false
  }

  const renewed = await freshSsoToken(profile.session, home.tools, never)

  expect(refreshes(home)).toHaveLength(1)
  expect(await home.kept(profile)).toMatchObject({ accessToken: renewed.accessToken, refreshToken: renewed.refreshToken })
})

test("what somebody else has stored while a token was renewed is not replaced, and is what is used", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  await home.setEnd(profile, -MINUTE)
  const path = ssoTokenPath(profile.session)
  const others = { ...(await home.kept(profile)), accessToken: "of-another", refreshToken: "of-another" }
  home.sso.handler = (route) => {
    if (route === "/token") writeFileSync(path, JSON.stringify(others))
    return false
  }

  const found = await freshSsoToken(profile.session, home.tools, never)

  expect(refreshes(home)).toHaveLength(1)
  expect(found.accessToken).toBe("of-another")
  expect(await home.kept(profile)).toEqual(others)
})

test("a session that is signed out while its token is renewed stays signed out", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  await home.setEnd(profile, -MINUTE)
  const path = ssoTokenPath(profile.session)
  home.sso.handler = (route) => {
    if (route === "/token") rmSync(path)
    return false
  }

  await expect(freshSsoToken(profile.session, home.tools, never)).rejects.toMatchObject({ diagnosis: { code: "aws-sso-ended" } })

  expect(refreshes(home)).toHaveLength(1)
  expect(existsSync(path)).toBe(false)
})

test("a renewed token that cannot be written is used from memory, told, and written as soon as it can be", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  await home.setEnd(profile, -MINUTE)
  const path = ssoTokenPath(profile.session)
  const told: string[] = []
  const held: Promise<unknown>[] = []
  const tools = {
    ...home.tools,
    unstored: new Map(),
    tell: ({ code }: Diagnosis) => void told.push(code),
    hold: (work: Promise<unknown>) => void held.push(work),
  }
  home.sso.handler = (route) => {
    if (route === "/token") {
      renameSync(path, `${path}.kept`)
      symlinkSync(`${path}.kept`, path) // can be read, and is not replaced
    }
    return false
  }

  const renewed = await freshSsoToken(profile.session, tools, never)
  const again = await freshSsoToken(profile.session, tools, never)

  expect((await home.kept(profile))["refreshToken"]).not.toBe(renewed.refreshToken) // the trap was reached
  expect(again.accessToken).toBe(renewed.accessToken)
  expect(refreshes(home)).toHaveLength(1)
  expect(told).toEqual(["aws-sso-not-stored"])

  renameSync(`${path}.kept`, path)
  await Promise.all(held)
  expect(await home.kept(profile)).toMatchObject({ accessToken: renewed.accessToken, refreshToken: renewed.refreshToken })
  expect(tools.unstored.size).toBe(0)
})

test("tokens that live shorter than the time before which they are renewed are not renewed without end", async () => {
  await using home = await makeSsoHome()
  home.sso.tokenSeconds = 60
  const { profile } = await signIn(home)

  const tokens = await Promise.all(Array.from({ length: 5 }, () => freshSsoToken(profile.session, home.tools, never)))

  expect(refreshes(home)).toEqual([])
  expect(new Set(tokens.map(({ accessToken }) => accessToken)).size).toBe(1)
})

test("a role that is not assigned is told as that, and not as an ended session", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)

  const other = ssoCredentials(profile.session, { account: "123456789012", role: "Admins" }, home.tools, never)

  await expect(other).rejects.toMatchObject({ diagnosis: { code: "aws-sso-no-access", kind: "failed" } })
})

test("a link that leads to a program is not shown", async () => {
  await using home = await makeSsoHome()
  const { session } = await home.profile("dev")
  const answer = { deviceCode: "d", userCode: "AAAA-BBBB", verificationUriComplete: "file:///etc/passwd", expiresIn: 600, interval: 1 }
  home.sso.handler = serve("/device_authorization", [200, "application/json", JSON.stringify(answer)])
  const person = approving(home)

  await expect(signInSso(session, person, { tools: home.tools }, never)).rejects.toMatchObject({
    diagnosis: { code: "address-refused", kind: "guard" },
  })
  expect(home.sso.seenAt("/device_authorization")).toHaveLength(1) // the trap was reached
  expect(person.links).toEqual([])
})

test("two who sign in at once meet one page, and the second takes the first one's session", async () => {
  await using home = await makeSsoHome()
  const { session } = await home.profile("dev")
  const [one, other] = [approving(home), approving(home)]

  const tokens = await Promise.all([one, other].map((person) => signInSso(session, person, { tools: home.tools }, never)))

  expect([...one.links, ...other.links]).toHaveLength(1)
  expect(tokens[0]?.accessToken).toBe(tokens[1]?.accessToken)
})

test("who waits on a page takes the session that somebody else begins meanwhile, by another program or by name", async () => {
  await using home = await makeSsoHome()
  const { session } = await home.profile("dev")
  const waiting = personWho(() => undefined)
  const asked = signInSso(session, waiting, { tools: home.tools }, never)
  await expect.poll(() => waiting.links.length).toBe(1)

  const insisted = await signInSso(session, approving(home), { tools: home.tools, options: { insists: true } }, never)

  expect((await asked).accessToken).toBe(insisted.accessToken)
  expect(home.sso.refusals).toEqual([])
})

test("what other programs have left half written is no session, and no crash", async () => {
  await using home = await makeSsoHome()
  const { profile } = await signIn(home)
  for (const text of ["", "{", "[]", "null", '{"accessToken": 5}', '{"accessToken":"x","expiresAt":"soon"}']) {
    await writeFile(ssoTokenPath(profile.session), text)
    await expect(freshSsoToken(profile.session, home.tools, never)).rejects.toMatchObject({ diagnosis: { code: "aws-sso-ended" } })
  }
})

test("no secret of a session stands in what Postern says", async () => {
  await using home = await makeSsoHome()
  const { token } = await signIn(home)

  const said = home.tools.redactor.clean(`${token.accessToken} ${token.refreshToken} ${token.client?.clientSecret}`)

  expect(said).toBe("[redacted] [redacted] [redacted]")
})

function serve(at: string, [status, type, body]: readonly [number, string, string]): SsoHome["sso"]["handler"] {
  return (path, response) => {
    if (path !== at) return false
    response.writeHead(status, { "content-type": type }).end(body)
    return true
  }
}
