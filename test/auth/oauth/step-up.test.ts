import { expect, test } from "vitest"
import type { Recovery } from "../../../src/auth/method.ts"
import type { Answer } from "../../../src/core/http.ts"
import { startProtectedServer } from "../../servers/protected-server.ts"
import { makeVaultFolder } from "../../vault/vault-folder.ts"
import { type Member, makeMember, serverAt, willingPerson } from "./member.ts"

const { signal } = new AbortController()

/** What the member makes of a refusal of its present token. */
async function recoverFrom(one: Member, status: number, challenge: string): Promise<Recovery> {
  const answer: Answer = {
    status,
    headers: { "www-authenticate": challenge },
    read: async () => Buffer.alloc(0),
    readBriefly: async () => Buffer.alloc(0),
    async *stream() {},
    discard: () => undefined,
  }
  const request = { method: "POST", url: new URL("http://127.0.0.1/"), headers: { authorization: `Bearer ${await one.token()}` } } as const
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
