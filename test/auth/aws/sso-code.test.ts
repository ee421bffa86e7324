/** Signing in to AWS SSO with a browser on this machine: authorization code and PKCE, and who else may knock at the port. */
import { expect, test } from "vitest"
import type { SignInLink } from "../../../src/auth/interaction.ts"
import { ssoCredentials } from "../../../src/auth/aws/sso-role.ts"
import type { SsoRole } from "../../../src/auth/aws/sso-session.ts"
import { signInSso } from "../../../src/auth/aws/sso-sign-in.ts"
import { type SsoHome, makeSsoHome, personWho } from "./sso-home.ts"

const never = new AbortController().signal

/** A home whose person has a browser. */
async function makeBrowserHome(): Promise<SsoHome> {
  const home = await makeSsoHome()
  return {
    ...home,
    tools: { ...home.tools, env: { ...home.env, BROWSER: "a-browser" } },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  }
}

/** What a browser does with the link: it follows, and ends at our page. */
const browse = async ({ url }: SignInLink): Promise<{ readonly status: number; readonly page: string }> => {
  const answer = await fetch(url)
  return { status: answer.status, page: await answer.text() }
}

const signIn = async (home: SsoHome, act: (link: SignInLink) => unknown, name = "dev") => {
  const profile = await home.profile(name)
  const person = personWho(act)
  return { profile, person, token: await signInSso(profile.session, person, { tools: home.tools }, never) }
}

test("a person signs in in the browser, and the role's keys follow; nothing was refused on the way", async () => {
  await using home = await makeBrowserHome()
  let ended: Awaited<ReturnType<typeof browse>> | undefined

  const { profile, person } = await signIn(home, async (link) => void (ended = await browse(link)))
  const keys = await ssoCredentials(profile.session, profile.role as SsoRole, home.tools, never)

  expect(person.links).toHaveLength(1)
  expect(person.links[0]?.code).toBeUndefined()
  expect(ended).toMatchObject({ status: 200, page: expect.stringContaining("Signed in to AWS SSO (corp)") })
  expect(home.sso.seenAt("/client/register")[0]?.body).toMatchObject({ grantTypes: ["authorization_code", "refresh_token"] })
  expect(home.sso.keys.has(keys.accessKeyId)).toBe(true)
  expect(home.sso.refusals).toEqual([])
})

test("a strange visit changes nothing, and the honest one still wins", async () => {
  await using home = await makeBrowserHome()
  const strange: number[] = []

  const { token } = await signIn(home, async (link) => {
    const callback = new URL(link.url.searchParams.get("redirect_uri") ?? "")
    for (const search of [
      "",
      "?code=forged",
      "?code=forged&state=forged",
      "?error=access_denied",
      `?code=a&state=${"x".repeat(43)}&state=y`,
    ]) {
      strange.push((await fetch(new URL(search, callback))).status)
    }
    strange.push((await fetch(new URL("/elsewhere", callback))).status)
    await browse(link)
  })

  expect(strange).toEqual([400, 400, 400, 400, 400, 404])
  expect(token.accessToken).toBeDefined()
  expect(home.sso.seenAt("/token")).toHaveLength(1) // no forged code was redeemed
})

test("a code comes back once: a second visit with it is a stranger's", async () => {
  await using home = await makeBrowserHome()
  const statuses: number[] = []

  await signIn(home, async (link) => {
    const first = await fetch(link.url, { redirect: "manual" })
    const back = first.headers.get("location") ?? ""
    const answers = await Promise.all([fetch(back), fetch(back)])
    statuses.push(...answers.map(({ status }) => status))
  })

  expect(statuses.toSorted()).toEqual([200, 400])
  expect(home.sso.seenAt("/token")).toHaveLength(1)
})

test("who declines in the browser is told so there and here", async () => {
  await using home = await makeBrowserHome()
  home.sso.page = "decline"
  let ended: Awaited<ReturnType<typeof browse>> | undefined

  const declined = signIn(home, async (link) => void (ended = await browse(link)))

  await expect(declined).rejects.toMatchObject({ diagnosis: { code: "aws-sso-not-finished", cause: expect.stringContaining("declined") } })
  expect(ended?.status).toBe(400)
  expect(home.sso.seenAt("/token")).toEqual([])
})

test("what the page refuses is told in its own words, and not as a person's no", async () => {
  await using home = await makeBrowserHome()
  const statuses: number[] = []

  const refused = signIn(home, async ({ url }) => {
    const { searchParams } = new URL(url)
    const back = new URL(searchParams.get("redirect_uri") ?? "")
    back.search = new URLSearchParams({
      error: "invalid_scope",
      error_description: "no such scope",
      state: searchParams.get("state") ?? "",
    }).toString()
    statuses.push((await fetch(back)).status)
  })

  await expect(refused).rejects.toMatchObject({
    diagnosis: { code: "aws-sso-failed", evidence: expect.arrayContaining([expect.stringContaining("no such scope")]) },
  })
  expect(statuses).toEqual([400])
})

test("a code whose exchange fails is told in the browser too", async () => {
  await using home = await makeBrowserHome()
  home.sso.handler = (path, response) => {
    if (path === "/token") response.writeHead(500).end("down")
    return path === "/token"
  }
  let ended: Awaited<ReturnType<typeof browse>> | undefined

  const failing = signIn(home, async (link) => void (ended = await browse(link)))

  await expect(failing).rejects.toMatchObject({ diagnosis: { code: "aws-sso-failed" } })
  expect(ended).toMatchObject({ status: 400, page: expect.stringContaining("Not signed in") })
})

test("the wait ends with its signal, and the port with it", async () => {
  await using home = await makeBrowserHome()
  home.sso.page = "nothing"
  const { session } = await home.profile("dev")
  const stop = new AbortController()
  let port = ""

  const waiting = signInSso(
    session,
    personWho(async (link) => {
      port = new URL(link.url.searchParams.get("redirect_uri") ?? "").port
      await browse(link)
      stop.abort(new Error("enough"))
    }),
    { tools: home.tools },
    stop.signal,
  )

  await expect(waiting).rejects.toThrow("enough")
  await expect(fetch(`http://127.0.0.1:${port}/oauth/callback`)).rejects.toThrow("fetch failed")
})

test("a profile of the older form, and one who wants no browser, get a code for a page", async () => {
  await using home = await makeBrowserHome()
  const approving = personWho(({ code }) => home.sso.decide(code ?? "", "approved"))

  await signInSso((await home.profile("old")).session, approving, { tools: home.tools }, never)
  await signInSso((await home.profile("dev")).session, approving, { tools: home.tools, options: { deviceCode: true } }, never)

  expect(approving.links.map(({ code }) => code === undefined)).toEqual([false, false])
  expect(home.sso.refusals).toEqual([])
})
