import { once } from "node:events"
import { expect, test } from "vitest"
import { makeBrowser } from "../../harness/browser.ts"
import { makePerson, newSecret, whereIs } from "../../harness/postern.ts"
import { startAuthorizationServer } from "../../servers/authorization-server.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"
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

test("3.1: a server that was added by its address, and wanted a sign-in when it was opened, is listed as that until it does not", async () => {
  await using server = await startMcpServer({ key: newSecret() })
  await using person = await makePerson()
  await person.added(["add", "linear", server.url])
  const initialize = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
  })
  const openAndList = async (): Promise<unknown> => {
    await person.postern(["run", "linear"], { stdin: `${initialize}\n` })
    return (await person.postern(["list", "--json"])).json<Listed>().servers[0]
  }

  const locked = await openAndList()
  const told = await person.postern(["list"])
  await server.close()
  const down = await openAndList()
  await using opened = await startMcpServer({ port: Number(new URL(server.url).port) })
  const open = await openAndList()

  expect(opened.url).toBe(server.url)
  expect(locked).toMatchObject({ method: "oauth", needsSignIn: true })
  expect(told.stdout).toContain("needs a sign-in: postern auth linear")
  expect(down).toMatchObject({ needsSignIn: true })
  expect(open).toMatchObject({ method: "none", needsSignIn: false })
})

test("3.2: auth --all asks the servers of which it is not known, and signs in to those that want it", async () => {
  await using open = await startMcpServer()
  await using server = await startProtectedServer()
  await using browser = await makeBrowser()
  await using person = await makePerson()
  await person.added(["add", "open", open.url], ["add", "linear", server.url], ["add", "down", "http://127.0.0.1:1/mcp"])

  const first = await person.postern(["auth", "--all", "--json"], { env: browser.env })
  const second = await person.postern(["auth", "--all"], { env: browser.env })

  expect(first.json()).toMatchObject({ asked: ["linear"], signedIn: [{ server: "linear", renewsItself: true }] })
  expect(first.stderr).toContain('it is not known whether "down" needs a sign-in: No connection to http://127.0.0.1:1 could be opened')
  expect(second).toMatchObject({ code: 0, stdout: "No server needs a sign-in.\n" })
  expect(await browser.opened()).toHaveLength(1)
})

test("3.2: an issuer that the server does not name is wrong usage, and nobody is sent there", async () => {
  await using server = await startProtectedServer()
  await using browser = await makeBrowser()
  await using person = await makePerson()
  await person.added(["add", "linear", server.url])

  const refused = await person.postern(["auth", "linear", "--issuer", "https://elsewhere.example", "--json"], { env: browser.env })

  expect(refused.code).toBe(2)
  expect(refused.json()).toMatchObject({
    error: { code: "oauth-issuer-unknown", next: `postern auth linear --issuer ${server.authorization.issuer}` },
  })
  expect(await browser.opened()).toEqual([])
})

test("3.2: a server that wants a key and has no sign-in is told as that, with the way to give the key", async () => {
  await using server = await startMcpServer({ key: newSecret() })
  await using person = await makePerson()
  await person.added(["add", "weather", server.url])

  const needed = await person.postern(["tools", "weather", "--json"])
  const refused = await person.postern(["auth", "weather", "--json"])

  expect(needed.json()).toMatchObject({ error: { code: "oauth-sign-in-needed", next: "postern auth weather" } })
  expect(server.seen.some(({ path }) => path === "/register")).toBe(true) // the guess was made
  expect(refused.code).toBe(1)
  expect(refused.json()).toMatchObject({
    error: {
      code: "oauth-not-offered",
      next: `if it wants a key: postern remove weather, then postern add weather --header 'Authorization: Bearer -' ${server.url}`,
    },
  })
})

test("3.2: without a browser, the link is printed with a code for any device, and the command ends once the person has entered it", async () => {
  await using server = await startProtectedServer()
  await using person = await makePerson()
  await person.added(["add", "linear", server.url])

  const terminal = person.terminal(["auth", "linear", "--no-browser"])
  await terminal.shows("The page asks for this code")
  const code = /asks for this code: (\S+)/.exec(terminal.seen())?.[1] ?? ""
  server.authorization.approveDevice(code)

  expect(await terminal.exited).toBe(0)
  expect(terminal.seen()).toContain('Signed in to "linear"')
  expect(await person.postern(["call", "linear", "whoami"])).toMatchObject({ code: 0 })
})

test("3.2: a device's code alone is asked for with --device, and nothing listens on a port meanwhile", async () => {
  await using server = await startProtectedServer()
  await using person = await makePerson()
  await person.added(["add", "linear", server.url])

  const command = person.start(["auth", "linear", "--device"])
  let stderr = ""
  command.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
    const code = /asks for this code: (\S+)/.exec(stderr)?.[1]
    if (code) server.authorization.approveDevice(code)
  })
  const [exit] = (await once(command, "exit")) as [number]

  expect(exit).toBe(0)
  expect(server.authorization.seenAt("/authorize")).toEqual([])
})

test("4: a server that is renamed keeps its sign-in; one that is removed is signed out of, and its tokens are revoked", async () => {
  await using server = await startProtectedServer()
  await using browser = await makeBrowser()
  await using person = await makePerson()
  await person.added(["add", "linear", server.url])
  await person.postern(["auth", "linear"], { env: browser.env })

  const config = await person.read("config.json")
  const refused = await person.postern(["rename", "linear", "no name"])
  expect([refused.code, await person.read("config.json")]).toEqual([2, config])
  await person.postern(["rename", "linear", "tickets"])
  const renamed = await person.postern(["call", "tickets", "whoami"])
  const removed = await person.postern(["remove", "tickets"])

  expect(renamed).toMatchObject({ code: 0 })
  expect(removed).toMatchObject({ code: 0, stdout: expect.stringContaining("revoked at the authorization server") })
  expect(server.authorization.seenAt("/revoke").map(({ params }) => params.get("token_type_hint"))).toEqual([
    "refresh_token",
    "access_token",
  ])
  expect(server.authorization.tokens.families[0]?.ended).toBe("revoked")
})

test("3.2: two accounts on one server are two sign-ins that are never mixed up, and one signs out without the other", async () => {
  await using server = await startProtectedServer()
  await using browser = await makeBrowser()
  await using person = await makePerson()
  await person.added(["add", "work", server.url], ["add", "private", "--account", "me", server.url])
  const whoami = async (name: string) => (await person.postern(["call", name, "whoami"])).stdout

  server.authorization.subject = "alice@work"
  await person.postern(["auth", "work"], { env: browser.env })
  server.authorization.subject = "alice@home"
  await person.postern(["auth", "private"], { env: browser.env })

  expect(await whoami("work")).toContain("alice@work")
  expect(await whoami("private")).toContain("alice@home")
  const left = await person.postern(["logout", "work"])
  expect(left).toMatchObject({ code: 0, stdout: expect.stringContaining("revoked") })
  expect((await person.postern(["call", "work", "whoami"])).code).toBe(3)
  expect(await whoami("private")).toContain("alice@home")
})

test("4: a sign-in that two servers share stays with the one that is left, and is revoked with that", async () => {
  await using server = await startProtectedServer()
  await using browser = await makeBrowser()
  await using person = await makePerson()
  await person.added(["add", "one", "--account", "me", server.url], ["add", "other", "--account", "me", server.url])
  await person.postern(["auth", "one"], { env: browser.env })

  const first = await person.postern(["remove", "one"])
  const called = await person.postern(["call", "other", "whoami"])
  const revokedEarly = server.authorization.seenAt("/revoke").length
  await person.postern(["remove", "other"])

  expect(first.code).toBe(0)
  expect(called.code).toBe(0)
  expect(revokedEarly).toBe(0)
  expect(server.authorization.tokens.families[0]?.ended).toBe("revoked")
})

test("whoever signed in to a server of another client's file can sign out of it", async () => {
  await using server = await startProtectedServer()
  await using browser = await makeBrowser()
  await using person = await makePerson()
  await person.write(".mcp.json", { mcpServers: { linear: { url: server.url } } })
  const signedIn = await person.postern(["auth", "linear", "--config", ".mcp.json"], { env: browser.env })
  expect(signedIn).toMatchObject({ code: 0 })

  const left = await person.postern(["logout", "linear", "--config", ".mcp.json"])

  expect(left).toMatchObject({ code: 0, stdout: expect.stringContaining("its tokens were revoked"), stderr: "" })
  expect((await person.postern(["logout", "linear", "--config", ".mcp.json"])).stdout).toContain("Nobody had signed in")
})

test("whoever signs out hears of each sign-in that the server had: the one that was revoked, and the one that could not be", async () => {
  await using server = await startProtectedServer()
  await using browser = await makeBrowser()
  await using person = await makePerson()
  await person.added(["add", "linear", server.url])
  server.bendMetadata = (honest) => ({ ...honest, resource: server.origin })
  await person.postern(["auth", "linear"], { env: browser.env })
  server.bendMetadata = (honest) => honest
  server.authorization.bend.metadata = (honest) => ({ ...honest, revocation_endpoint: undefined })
  await person.postern(["auth", "linear"], { env: browser.env })

  const { code, stdout } = await person.postern(["logout", "linear"])

  expect(code).toBe(0)
  expect(stdout.match(/The vault has forgotten oauth\/linear\//g)).toHaveLength(2)
  expect(stdout.match(/its tokens were revoked/g)).toHaveLength(1)
  expect(stdout).toContain("no endpoint for that")
  expect((await person.postern(["list", "--json"])).stdout).toContain('"oauth-sign-in-needed"') // no bridge has met the locked door yet
  expect((await person.postern(["logout", "linear"])).stdout).toContain("Nobody had signed in")
})

test("3.2: a client that was registered by hand is used with its secret, which lies in the vault and in no file", async () => {
  await using server = await startProtectedServer()
  const secret = newSecret()
  const redirect = "http://127.0.0.1/callback"
  server.authorization.clients.set("by-hand", { client_id: "by-hand", client_secret: secret, redirect_uris: [redirect] })
  await using browser = await makeBrowser()
  await using person = await makePerson()

  const added = await person.postern(["add", "linear", "--client-id", "by-hand", "--client-secret", server.url], {
    env: { MCP_CLIENT_SECRET: secret },
  })
  const signedIn = await person.postern(["auth", "linear"], { env: browser.env })

  expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/next: postern auth linear\n$/) })
  expect(added.stdout).not.toContain("typed") // it came from a variable
  expect(signedIn).toMatchObject({ code: 0 })
  expect(server.authorization.seenAt("/register")).toEqual([])
  expect(server.authorization.exchanges("authorization_code")[0]?.headers.authorization).toMatch(/^Basic /)
  expect(await whereIs(secret, person)).toEqual([])
})

test("3.2: without any way to be known to the authorization server, all four are told, with the redirect address and the command", async () => {
  await using server = await startProtectedServer()
  server.authorization.bend.metadata = (honest) => ({ ...honest, registration_endpoint: undefined })
  await using person = await makePerson()
  await person.added(["add", "linear", server.url])

  const refused = await person.postern(["auth", "linear", "--json"])

  const { error } = refused.json<{ error: { code: string; evidence: string[]; next: string } }>()
  expect(error).toMatchObject({ code: "oauth-client-missing", next: expect.stringContaining("--client-id") })
  expect(error.evidence.join("\n")).toMatch(/--client-id[^]*client document[^]*dynamic registration[^]*127\.0\.0\.1/)
})

test("the document that makes Postern known by an address has that address as its id, and the fixed ports", async () => {
  await using person = await makePerson()

  const document = await person.postern(["oauth", "client-document", "https://example.com/postern.json"])

  expect(document.json()).toMatchObject({ client_id: "https://example.com/postern.json", token_endpoint_auth_method: "none" })
  expect(document.stdout).toMatch(/"http:\/\/127\.0\.0\.1:\d+\/callback"/)
})
