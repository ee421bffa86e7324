import { expect, test } from "vitest"
import type { Recovery } from "../../../src/auth/method.ts"
import type { Answer } from "../../../src/core/http.ts"
import { personWho } from "../../harness/interaction.ts"
import { startProtectedServer } from "../../servers/protected-server.ts"
import { makeVaultFolder } from "../../vault/vault-folder.ts"
import { type Member, makeMember, serverAt, willingPerson } from "./member.ts"

const { signal } = new AbortController()

/** What the member makes of a refusal of a token, its present one unless said. */
async function recoverFrom(one: Member, status: number, challenge: string, sent?: string): Promise<Recovery> {
  const answer: Answer = {
    status,
    headers: { "www-authenticate": challenge },
    read: async () => Buffer.alloc(0),
    readBriefly: async () => Buffer.alloc(0),
    async *stream() {},
    discard: () => undefined,
  }
  const request = {
    method: "POST",
    url: new URL("http://127.0.0.1/"),
    headers: { authorization: `Bearer ${sent ?? (await one.token())}` },
  } as const
  return one.authenticator.recover(request, answer, signal)
}

test("that a person was asked for more scopes is not forgotten over a refusal that was looked at meanwhile", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  let letGo: (() => void) | undefined
  const held = new Promise<void>((resolve) => (letGo = resolve))
  server.authorization.beforeAnswer = ({ params }) => (params.get("grant_type") === "refresh_token" ? held : undefined)
  const wantsMore = 'Bearer error="insufficient_scope", scope="more"'

  const slow = recoverFrom(one, 401, "Bearer")
  await expect.poll(() => server.authorization.exchanges("refresh_token").length).toBe(1)
  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "sign-in", diagnosis: { code: "oauth-scope-needed" } })
  const signingIn = one.authenticator.signIn(willingPerson(), signal)
  await expect.poll(() => server.authorization.exchanges("authorization_code").length).toBe(2) // the trap was reached
  letGo?.()
  await Promise.all([slow, signingIn])

  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "denied", diagnosis: { code: "oauth-scope-refused" } })
})

test("a call that wants the same scope while the person is at the page waits for that sign-in, and is made again after it", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  const wantsMore = 'Bearer error="insufficient_scope", scope="more"'
  const former = await one.token()
  let letGo: (() => void) | undefined
  const decided = new Promise<void>((resolve) => (letGo = resolve))
  const person = willingPerson()
  const opened: string[] = []
  const slow = willingPerson({
    async openLink(link, ...more) {
      opened.push(link.url.href)
      await decided
      return person.openLink(link, ...more)
    },
  })

  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "sign-in" })
  const signingIn = one.authenticator.signIn(slow, signal)
  await expect.poll(() => opened.length).toBe(1) // the trap was reached
  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "sign-in", diagnosis: { code: "oauth-scope-needed" } })
  letGo?.()
  await signingIn

  expect(await recoverFrom(one, 403, wantsMore, former)).toMatchObject({ advice: "retry" })
  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "denied", diagnosis: { code: "oauth-scope-refused" } })
})

test("a scope that nobody could be asked for is asked for again", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  const wantsMore = 'Bearer error="insufficient_scope", scope="more"'
  server.authorization.handler = (_, response) => {
    response.writeHead(503).end()
    return true
  }

  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "sign-in" })
  await expect(one.authenticator.signIn(willingPerson(), signal)).rejects.toThrow() // the trap was reached
  server.authorization.handler = () => false

  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "sign-in", diagnosis: { code: "oauth-scope-needed" } })
  await one.authenticator.signIn(willingPerson(), signal)
  expect(server.authorization.seenAt("/authorize").at(-1)?.params.get("scope")?.split(" ")).toContain("more")
})

test("a person who says no to more scopes is not asked for them again", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  const unwilling = personWho({ openLink: () => Promise.reject(new Error("no")) })
  const wantsMore = 'Bearer error="insufficient_scope", scope="more"'

  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "sign-in" })
  await expect(one.authenticator.signIn(unwilling, signal)).rejects.toThrow("no") // the trap was reached

  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "denied", diagnosis: { code: "oauth-scope-refused" } })
})

test("a server that wants more scopes and never says which has a person asked once", async () => {
  await using server = await startProtectedServer()
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url))
  await one.authenticator.signIn(willingPerson(), signal)
  const wantsMore = 'Bearer error="insufficient_scope"'

  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "sign-in" })
  await one.authenticator.signIn(willingPerson(), signal)

  expect(await recoverFrom(one, 403, wantsMore)).toMatchObject({ advice: "denied", diagnosis: { code: "oauth-scope-refused" } })
})
