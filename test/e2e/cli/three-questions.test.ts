/** Rows 5 and 3.1: where is it, how long does it last, who can use it. */
import { expect, test } from "vitest"
import { makePerson, newSecret } from "../../harness/postern.ts"

const URL = "https://api.example/mcp"

test.concurrent("5: each command that stores a secret says where it is, how long it lasts and who can use it", async () => {
  await using person = await makePerson()
  const entry = JSON.stringify({ url: URL, headers: { Authorization: "Bearer -" } }).replace("-", newSecret())

  const commands: readonly (readonly [readonly string[], string])[] = [
    [["add", "one", "--header", "Authorization: Bearer -", URL], "one.authorization"],
    [["add", "two", "--env", `API_KEY=${newSecret()}`, "--", "node", "x.js"], "two.api_key"],
    [["add-json", "three", entry], "three.authorization"],
    [["rotate", "one", "-"], "one.authorization"],
    [["vault", "set", "one.authorization", "-"], "one.authorization"],
  ]
  for (const [args, name] of commands) {
    const { code, stdout, stderr } = await person.postern(args, { stdin: newSecret() })
    expect([code, stderr]).toEqual([0, ""])
    expect(stdout, args[0]).toContain(`vault:${name}`)
    expect(stdout, args[0]).toContain("no known end")
    expect(stdout, args[0]).toContain("Usable by this user account")
    expect(stdout, args[0]).toContain("does not protect from other programs of this user")
  }

  const rotated = await person.postern(["rotate", "one", "-", "--json"], { stdin: newSecret() })
  const set = await person.postern(["vault", "set", "one.authorization", "-", "--json"], { stdin: newSecret() })
  const added = await person.postern(["add", "four", "--header", "X-Api-Key: -", URL, "--json"], { stdin: newSecret() })
  const answers = {
    expiresAt: null,
    fingerprint: expect.stringMatching(/^[0-9a-f]{8}$/),
    usableBy: expect.stringContaining("this user account"),
  }
  expect(rotated.json()).toMatchObject({ storedIn: "vault:one.authorization", ...answers })
  expect(set.json()).toMatchObject({ storedIn: "vault:one.authorization", origin: "https://api.example", ...answers })
  expect(added.json()).toMatchObject({ secrets: [{ key: "X-Api-Key", storedIn: "vault:four.x-api-key", ...answers }] })
})

test.concurrent("5: get answers the three questions for each kind of source", async () => {
  await using person = await makePerson()
  await person.postern(["add", "vaulted", "--header", "X-Api-Key: -", URL], { stdin: newSecret() })
  await person.added(
    ["add", "variable", "--header", "X-Api-Key: ${KEY}", URL],
    ["add", "minted", "--headers-command", "mint", URL],
    ["add", "open", URL],
  )
  const answers = async (name: string): Promise<string[]> => {
    const { stdout } = await person.postern(["get", name])
    return ["where is the secret", "how long does it last", "who can use it"].map(
      (question) => new RegExp(`^${question} +(.*)$`, "m").exec(stdout)?.[1] ?? "no answer",
    )
  }

  expect(await answers("vaulted")).toEqual([
    "vault:vaulted.x-api-key",
    "no end known (set today)",
    expect.stringContaining("this user account"),
  ])
  expect(await answers("variable")).toEqual(["variable KEY", "no end known", "whoever can read its source"])
  expect(await answers("minted")).toEqual(["command", "as the command mints", "whoever can read its source"])
  expect(await answers("open")).toEqual(["there is none", "-", "-"])
})

test.concurrent("5: a key in an address is told wherever it comes from, and a variable of two headers once", async () => {
  await using person = await makePerson()
  await person.added(
    ["add", "parameter", `${URL}?token=\${TOK}`],
    ["add", "host", "https://${HOST}/mcp?page=${PAGE}"],
    ["add", "twice", "--header", "X-Api-Key: ${KEY}", "--header", "X-Other-Key: ${KEY}", URL],
  )
  const file = await person.write("theirs.json", { mcpServers: { clear: { url: `${URL}?access_token=${newSecret()}` } } })
  const answer = async (label: string, ...args: readonly string[]): Promise<string | undefined> =>
    new RegExp(`^${label} +(.*)$`, "m").exec((await person.postern(["get", ...args])).stdout)?.[1]

  expect(await answer("where is the secret", "parameter")).toBe("variable TOK")
  expect(await answer("who", "parameter")).toBe("whoever holds the key in its address")
  expect(await answer("where is the secret", "clear", "--config", file)).toBe("file (in clear)")
  expect(await answer("where is the secret", "host")).toBe("there is none")
  expect(await answer("who", "twice")).toBe("whoever holds the variable KEY")
})

test.concurrent("5: a secret that was stored for another address is told by list and get, before something is to be sent", async () => {
  await using person = await makePerson()
  await person.postern(["add", "moved", "--header", "X-Api-Key: -", URL], { stdin: newSecret() })
  const config = await person.read("config.json")
  await person.write(`${person.folder}/config.json`, config.replace("api.example", "other.example"))

  const listed = await person.postern(["list", "--json"])
  const got = await person.postern(["get", "moved"])

  expect(listed.json()).toMatchObject({ servers: [{ problem: { code: "vault-origin-mismatch" } }] })
  expect(got.stdout).toMatch(/^problem .* was stored for https:\/\/api.example, and is not given to https:\/\/other.example\.$/m)
})

test.concurrent("get says that a server is switched off, with the command that switches it on", async () => {
  await using person = await makePerson()
  await person.added(["add", "off", URL])
  const before = await person.postern(["get", "off"])
  await person.postern(["disable", "off"])

  const after = await person.postern(["get", "off"])

  expect(before.stdout).not.toContain("enable")
  expect(after.stdout).toMatch(/^enabled +no: postern enable off$/m)
})

test.concurrent("5: remove and vault remove say that the secret is forgotten, and what may still be valid", async () => {
  await using person = await makePerson()
  await person.postern(["add", "one", "--header", "X-Api-Key: -", URL], { stdin: newSecret() })
  await person.postern(["add", "two", "--header", "X-Api-Key: -", URL], { stdin: newSecret() })

  const server = await person.postern(["remove", "one"])
  const secret = await person.postern(["vault", "remove", "two.x-api-key"])

  for (const { code, stdout, stderr } of [server, secret]) {
    expect([code, stderr]).toEqual([0, ""])
    expect(stdout).toContain("vault has forgotten")
    expect(stdout).toContain("can be revoked where it was issued")
  }
  expect(secret.stdout).toContain("two needs it")
})

test.concurrent("3.1: list has a column for each question, and says what keeps a server from being used", async () => {
  await using person = await makePerson()
  await person.postern(["add", "keyed", "--environment", "prod", "--header", "X-Api-Key: -", URL], { stdin: newSecret() })
  await person.added(["add", "lost", "--header", "X-Api-Key: ${vault:lost-key}", URL], ["add", "local", "--", "node", "x.js"])

  const empty = await person.postern(["list"], { env: { POSTERN_HOME: `${person.home}/none` } })
  const listed = await person.postern(["list"])

  expect(empty).toMatchObject({ code: 0, stderr: "" })
  expect(empty.stdout).toContain("No server is configured here")
  expect(listed).toMatchObject({ code: 0, stderr: "" })
  const rows = listed.stdout.trimEnd().split("\n")
  expect(rows[0]?.split(/ {2,}/)).toEqual(["NAME", "TRANSPORT", "METHOD", "WHO", "WHERE THE SECRET IS", "HOW LONG", "ENVIRONMENT", "STATE"])
  expect(rows[1]).toMatch(/^keyed +http +header +key [0-9a-f]{8} +vault:keyed.x-api-key +no end known \(set today\) +prod +ready$/)
  expect(rows[2]).toMatch(/^local +stdio +none +its own variables +- +- +- +ready$/)
  expect(rows[3]).toMatch(/^lost +http +header +- +vault:lost-key +no end known +- +needs its secret$/)
})

test.concurrent("3.1: list --json has the members that others build on, with null for what is not known", async () => {
  await using person = await makePerson()
  await person.postern(["add", "keyed", "--environment", "prod", "--header", "X-Api-Key: -", URL], { stdin: newSecret() })
  await person.added(["add", "local", "--", "node", "x.js"], ["add", "lost", "--header", "X-Api-Key: ${vault:lost-key}", URL])

  const { servers } = (await person.postern(["list", "--json"])).json<{ servers: Record<string, unknown>[] }>()

  const file = `${person.folder}/config.json`
  const noSignIn = { issuer: null, scopes: [], renewsItself: null }
  const same = { expiresAt: null, scope: "user", file, enabled: true, trusted: true, ...noSignIn }
  expect(servers).toEqual([
    {
      ...same,
      name: "keyed",
      transport: "http",
      url: URL,
      command: null,
      method: "header",
      identity: { subject: expect.stringMatching(/^key [0-9a-f]{8}$/), source: "vault:keyed.x-api-key", sinceMs: expect.any(Number) },
      storedIn: ["vault:keyed.x-api-key"],
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      environment: "prod",
      needsSignIn: false,
      problem: null,
    },
    {
      ...same,
      name: "local",
      transport: "stdio",
      url: null,
      command: ["node", "x.js"],
      method: "none",
      identity: { subject: "its own variables", source: "none" },
      storedIn: [],
      since: null,
      environment: null,
      needsSignIn: false,
      problem: null,
    },
    {
      ...same,
      name: "lost",
      transport: "http",
      url: URL,
      command: null,
      method: "header",
      identity: null,
      storedIn: ["vault:lost-key"],
      since: null,
      environment: null,
      needsSignIn: true,
      problem: { code: "secret-missing", cause: expect.any(String) },
    },
  ])
})
