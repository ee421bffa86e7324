import { expect, test } from "vitest"
import { makeBrowser } from "../../harness/browser.ts"
import { makePerson, whereIs } from "../../harness/postern.ts"
import { startAuthorizationServer } from "../../servers/authorization-server.ts"
import { startProtectedServer, startResourceServer } from "../../servers/protected-server.ts"

interface Listed {
  readonly servers: readonly {
    readonly name: string
    readonly method: string
    readonly identity: { readonly subject: string } | null
    readonly issuer: string | null
    readonly scopes: readonly string[]
    readonly storedIn: readonly string[]
    readonly renewsItself: boolean | null
    readonly needsSignIn: boolean
  }[]
}

test("3.2: a server that was added with nothing but its address is signed in to by the browser, and its tools answer", async () => {
  const issuer = await startAuthorizationServer({ scopes: ["read"] })
  await using server = await startResourceServer(issuer, { challengeScope: "read" })
  await using browser = await makeBrowser({ login: "alice" })
  await using person = await makePerson()
  await person.added(["add", "gitlab", "--transport", "http", server.url])

  const before = await person.postern(["call", "gitlab", "whoami", "--json"])
  const signedIn = await person.postern(["auth", "gitlab"], { env: browser.env })
  const after = await person.postern(["call", "gitlab", "whoami"])

  expect(before).toMatchObject({ code: 3 })
  expect(before.json<{ error: object }>().error).toMatchObject({ code: "oauth-sign-in-needed", next: "postern auth gitlab" })
  expect(signedIn).toMatchObject({ code: 0, stdout: expect.stringContaining(`(issuer ${issuer.issuer})`) })
  expect(after).toMatchObject({ code: 0, stdout: expect.stringContaining("alice") })
  expect((await browser.walks()).map(({ page }) => page?.body)).toEqual([expect.stringContaining("Signed in to gitlab")])
  await issuer[Symbol.asyncDispose]()
})

test("3.1: the list says who has signed in where, with which scopes, where it is kept, and that it renews itself", async () => {
  await using server = await startProtectedServer({ challengeScope: "read" })
  await using browser = await makeBrowser()
  await using person = await makePerson()
  await person.added(["add", "linear", server.url])
  await person.postern(["auth", "linear"], { env: browser.env })

  const [listed] = (await person.postern(["list", "--json"])).json<Listed>().servers
  const told = await person.postern(["get", "linear"])

  expect(listed).toMatchObject({
    method: "oauth",
    issuer: server.authorization.issuer,
    scopes: ["read"],
    storedIn: [expect.stringMatching(/^vault:oauth\/linear\//)],
    renewsItself: true,
    needsSignIn: false,
  })
  expect(told.stdout).toContain(server.authorization.issuer)
  const [token = ""] = server.visits.flatMap(({ request }) => /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? [])
  expect(token).not.toBe("")
  expect(await whereIs(token, person)).toEqual([])
})
