/** A real authorization server, a real browser, and a person before it (the test): from the first sign-in to a revoked grant. */
import { expect, test as plainTest } from "vitest"
import { chromiumPath, openWindow, type Page, type Window } from "../../harness/chromium.ts"
import { type Client, startClient } from "../../harness/client.ts"
import { type ErrorObject, makePerson, type Person } from "../../harness/postern.ts"
import { type AuthorizationServer, startAuthorizationServer } from "../../servers/authorization-server.ts"
import { type ProtectedServer, type ProtectedSettings, startProtectedServer, startResourceServer } from "../../servers/protected-server.ts"

const test = plainTest.skipIf(chromiumPath === undefined)

/** A person with a browser, and a server that wants a sign-in. */
interface Scene extends AsyncDisposable {
  readonly person: Person
  readonly window: Window
  readonly authorization: AuthorizationServer
  readonly server: ProtectedServer
  /** Runs a command while the person plays their part in the browser. */
  during<Result>(
    args: readonly string[],
    part: () => Promise<Result>,
  ): Promise<{ code: number | null; stdout: string; stderr: string; seen: Result }>
  /** A bridge with an open session. */
  bridge(): Promise<Client>
}

async function setScene(settings: ProtectedSettings = {}): Promise<Scene> {
  const authorization = await startAuthorizationServer({ scopes: ["mcp:read", "mcp:write"] })
  const server = await startResourceServer(authorization, { challengeScope: "mcp:read", ...settings })
  const [person, window] = await Promise.all([makePerson(), openWindow()])
  const env = { ...person.env, ...window.env }
  const clients: Client[] = []
  await person.added(["add", "files", "--transport", "http", server.url])
  return {
    person,
    window,
    authorization,
    server,
    async during(args, part) {
      const [outcome, seen] = await Promise.all([person.postern(args, { env }), part()])
      return { ...outcome, seen }
    },
    async bridge() {
      const client = startClient({ env, path: person.project }, ["run", "files"])
      clients.push(client)
      await client.open()
      return client
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
      await Promise.all([window, server, person].map((thing) => thing[Symbol.asyncDispose]()))
      await authorization[Symbol.asyncDispose]()
    },
  }
}

/** What a person sees at the end, and how the page was sent. */
interface LastPage {
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
  readonly address: string
}

/** The person's part: who they are, one button, and a look at the page they end at. */
async function decide(window: Window, button: "allow" | "deny", name?: string): Promise<LastPage> {
  const page = await window.opened()
  const last = lastOwnResponse(page)
  if (name !== undefined) await page.fill("input[name=login]", name)
  await page.click(`button[value=${button}]`)
  await page.waitForURL(/callback/)
  return { text: await page.innerText("body"), headers: last(), address: page.url() }
}

/** Keeps the headers of the page at Postern's own address. */
function lastOwnResponse(page: Page): () => Readonly<Record<string, string>> {
  let headers: Readonly<Record<string, string>> = {}
  page.on("response", (response) => {
    if (response.url().includes("/callback")) headers = response.headers()
  })
  return () => headers
}

const call = (client: Client, name: string) => client.request("tools/call", { name })
const text = (words: string) => ({ result: { content: [{ type: "text", text: words }] } })

test("3.2: a person signs in for the first time, and the page tells of success when the server has taken the token", async () => {
  await using scene = await setScene()

  const { code, seen } = await scene.during(["auth", "files"], () => decide(scene.window, "allow", "alice"))

  expect(code).toBe(0)
  expect(seen.text).toContain("Signed in to files")
  expect(seen.headers).toMatchObject({
    "content-security-policy": expect.stringContaining("default-src 'none'"),
    "cache-control": expect.stringContaining("no-store"),
    "referrer-policy": "no-referrer",
  })
  expect(seen.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/) // the code is not on display
  expect(scene.server.visits.some(({ token }) => token?.subject === "alice")).toBe(true)
  expect(await call(await scene.bridge(), "whoami")).toMatchObject(text("alice"))
})

test("consent refused is told in the browser and on the terminal, and leaves nothing behind", async () => {
  await using scene = await setScene()

  const { code, stdout, seen } = await scene.during(["auth", "files", "--json"], () => decide(scene.window, "deny", "alice"))

  expect([code, (JSON.parse(stdout) as ErrorObject).error.code]).toEqual([1, "oauth-consent-refused"])
  expect(seen.text).toContain("Not signed in to files")
  expect(scene.authorization.answers).toEqual([])
})

test("3.4: a token that ends in the middle of a session is renewed without a browser", async () => {
  await using scene = await setScene()
  await scene.during(["auth", "files"], () => decide(scene.window, "allow", "alice"))
  const client = await scene.bridge()
  await call(client, "whoami")

  await scene.authorization.expireAccessTokens()

  expect(await call(client, "whoami")).toMatchObject(text("alice"))
  expect(scene.window.addresses.length).toBe(1)
  expect(scene.authorization.answers.map(({ grantType }) => grantType)).toEqual(["authorization_code", "refresh_token"])
})

test("after a grant was revoked, the pending call waits for the sign-in and is answered", async () => {
  await using scene = await setScene()
  await scene.during(["auth", "files"], () => decide(scene.window, "allow", "alice"))
  const client = await scene.bridge()
  await scene.authorization.revokeGrants()

  await scene.window.forget()
  const [answer, seen] = await Promise.all([call(client, "whoami"), decide(scene.window, "allow", "bob")])

  expect(answer).toMatchObject(text("bob"))
  expect(seen.text).toContain("Signed in to files")
})

test("a tool that needs another scope sends the person to agree to it, and its call is answered", async () => {
  await using scene = await setScene({ toolScopes: { write: "mcp:write" } })
  await scene.during(["auth", "files"], () => decide(scene.window, "allow", "alice"))
  const client = await scene.bridge()

  const [answer] = await Promise.all([call(client, "write"), decide(scene.window, "allow")])

  expect(answer.error).toBeUndefined()
  expect(answer.result?.["isError"]).toBeUndefined()
  expect(scene.server.callsOf("write").length).toBe(1)
  const asked = new URL(scene.window.addresses.at(-1) ?? "").searchParams.get("scope")?.split(" ")
  expect(asked).toEqual(expect.arrayContaining(["mcp:read", "mcp:write"]))
})

test("two accounts of one server are two sign-ins that are never mixed up", async () => {
  await using scene = await setScene()
  await scene.person.added(["add", "other", "--transport", "http", scene.server.url, "--account", "work"])
  await scene.during(["auth", "files"], () => decide(scene.window, "allow", "alice"))
  await scene.window.forget()
  await scene.during(["auth", "other"], () => decide(scene.window, "allow", "bob"))

  const whoIs = async (name: string): Promise<string> => (await scene.person.postern(["call", name, "whoami"])).stdout.trim()

  expect([await whoIs("files"), await whoIs("other")]).toEqual(["alice", "bob"])
})

test("what an authorization server says runs nowhere in the page, and a stray visit changes nothing", async () => {
  await using server = await startProtectedServer()
  await using person = await makePerson()
  await using window = await openWindow()
  await person.added(["add", "files", "--transport", "http", server.url])
  const script = `<script>document.title = "run"</script><img src=x onerror="document.title = 'run'">`
  server.authorization.bend.callback = (to) => {
    to.searchParams.delete("code")
    to.searchParams.set("error", "access_denied")
    to.searchParams.set("error_description", script)
    return to
  }

  const command = person.postern(["auth", "files", "--json"], { env: { ...person.env, ...window.env } })
  const page = await window.opened()

  expect((await command).json<ErrorObject>().error.code).toBe("oauth-consent-refused")
  expect(await page.innerText("body")).toContain("<script>")
  expect(await page.title()).not.toBe("run")
})
