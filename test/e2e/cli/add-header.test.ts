/** Row 1.1: a key in a header, taken in by `add` and `add-json`. */
import { expect, test } from "vitest"
import { type ErrorObject, formsOf, makePerson, newSecret, visibleOf, whereIs } from "../../harness/postern.ts"

const URL = "https://api.weather-data.com/mcp"
const headersIn = (config: string, name: string): unknown => JSON.parse(config).mcpServers[name].headers

test.concurrent("1.1: the guide's command puts the token into the vault and a reference into the file, and says all of it", async () => {
  await using person = await makePerson()
  const secret = newSecret()

  const added = await person.postern(["add", "weather-service", "--transport", "http", "--header", `Authorization: Bearer ${secret}`, URL])
  const headers = await person.postern(["headers", "weather-service"])

  expect(added).toMatchObject({ code: 0, stderr: "" })
  expect(headersIn(await person.read("config.json"), "weather-service")).toEqual({
    Authorization: "${vault:weather-service.authorization}",
  })
  expect(headers.json()).toEqual({ authorization: `Bearer ${secret}` })
  expect(added.stdout).toContain("vault:weather-service.authorization") // where
  expect(added.stdout).toMatch(/usable by this user account/i) // who
  expect(added.stdout).toContain("history") // what still remembers it
  expect(added.stdout).toContain("--header 'Authorization: Bearer ${APP_API_TOKEN}'") // how to avoid it
  expect(await whereIs(secret, person)).toEqual([])
  for (const form of formsOf(secret)) expect(added.stdout).not.toContain(form)
})

test.concurrent("1.1: a reference in single quotes stays a reference, and nothing goes to the vault", async () => {
  await using person = await makePerson()

  const added = await person.postern(["add", "weather", "--header", "Authorization: Bearer ${APP_API_TOKEN}", URL])
  const headers = await person.postern(["headers", "weather"], { env: { APP_API_TOKEN: "from-the-environment" } })

  expect(added).toMatchObject({ code: 0, stderr: "" })
  expect(added.stdout).not.toContain("history")
  expect(headersIn(await person.read("config.json"), "weather")).toEqual({ Authorization: "Bearer ${APP_API_TOKEN}" })
  expect(headers.json()).toEqual({ authorization: "Bearer from-the-environment" })
  expect([...(await person.files()).keys()].filter((path) => path.includes("vault"))).toEqual([])
})

test.concurrent.each([
  ["Authorization: -", "Bearer SECRET\n", "Bearer SECRET"],
  ["Authorization: Bearer -", "SECRET", "Bearer SECRET"],
  ["Authorization: Bearer -", "Bearer SECRET\r\n", "Bearer SECRET"],
  ["X-Api-Key: -", "SECRET\n", "SECRET"],
])("1.1: with --header '%s' the secret comes from standard input, given as %j", async (header, piped, sent) => {
  await using person = await makePerson()
  const secret = newSecret()

  const added = await person.postern(["add", "weather", "--header", header, URL], { stdin: piped.replace("SECRET", secret) })
  const headers = await person.postern(["headers", "weather"])

  expect(added).toMatchObject({ code: 0, stderr: "" })
  expect(added.stdout).not.toContain("history")
  expect(Object.values(headers.json<object>())).toEqual([sent.replace("SECRET", secret)])
  expect(await whereIs(secret, person)).toEqual([])
})

test.concurrent("1.1: what was asked for goes to the vault whatever its header is named", async () => {
  await using person = await makePerson()
  const secret = newSecret()

  const added = await person.postern(["add", "odd", "--header", "X-Odd-Name: -", URL], { stdin: secret })
  const headers = await person.postern(["headers", "odd"])

  expect(added).toMatchObject({ code: 0, stderr: "" })
  expect(added.stdout).toContain("vault:odd.x-odd-name")
  expect(headers.json()).toEqual({ "x-odd-name": secret })
  expect(await whereIs(secret, person)).toEqual([])
})

test.concurrent("1.1: a secret typed at the hidden prompt is never shown, and can be seen in no process", async () => {
  await using person = await makePerson()
  const secret = newSecret()

  const terminal = person.terminal(["add", "weather", "--header", "Authorization: Bearer -", URL])
  await terminal.shows("Authorization (it is not shown)")
  const visible = await visibleOf(terminal.pid)
  terminal.type(secret)
  terminal.type("\r")
  const code = await terminal.exited
  const headers = await person.postern(["headers", "weather"])

  expect(code).toBe(0)
  expect(terminal.seen()).toContain('Added "weather"')
  expect(headers.json()).toEqual({ authorization: `Bearer ${secret}` })
  for (const form of formsOf(secret)) expect(terminal.seen() + visible).not.toContain(form)
  expect(await whereIs(secret, person)).toEqual([])
})

test.concurrent.each([
  ["Authorization: Bearer ", "what an unset variable in double quotes leaves"],
  ["Authorization: Bearer", "a scheme alone"],
  ["Authorization:", "nothing"],
  ["X-Api-Key: ", "an empty key"],
])("1.1: '%s' (%s) is refused with the hint at single quotes, and nothing is written", async (header) => {
  await using person = await makePerson()

  const refused = await person.postern(["add", "weather", "--header", header, URL])

  expect(refused).toMatchObject({ code: 2, stdout: "" })
  expect(refused.stderr).toContain("no credential")
  expect(refused.stderr).toContain("single quotes")
  expect(refused.stderr).toContain("${APP_API_TOKEN}")
  expect([...(await person.files()).keys()]).toEqual([])
})

test.concurrent.each([
  [["--env", "API_KEY=", "--", "node", "x.js"], "credential-empty", "variable API_KEY"],
  [[`${URL}?access_token=`], "credential-empty", "parameter access_token"],
  [["--", "${vault:k}"], "secret-misplaced", "command"],
  [["--", "node", "--token=${vault:k}"], "secret-misplaced", "args[0]"],
  [["https://${vault:k}/mcp"], "secret-misplaced", "url"],
  [["https://api.example:${vault:k}/mcp"], "secret-misplaced", "url"],
  [["--env", "A B=c", "--", "node", "x.js"], "usage-wrong", '"A B"'],
  [[URL, "--", "node"], "usage-wrong", "Before -- stands the name only"],
])("what every start would refuse, or would start without its credential, is refused by add: %j (%s)", async (words, code, told) => {
  await using person = await makePerson()

  const refused = await person.postern(["add", "weather", "--json", ...words])

  expect([refused.code, refused.json<ErrorObject>().error]).toMatchObject([2, { code }])
  expect(refused.stdout).toContain(told.replaceAll('"', '\\"'))
  expect([...(await person.files()).keys()]).toEqual([])
})

test.concurrent("an empty variable that is no credential, and a secret in the query, are taken", async () => {
  await using person = await makePerson()

  await person.added(["add", "one", "--env", "LOG_LEVEL=", "--", "node"], ["add", "two", "https://${HOST}/mcp?key=${vault:k}&page="])
})

test.concurrent("1.1: an empty pipe is refused, and nothing is written", async () => {
  await using person = await makePerson()

  const refused = await person.postern(["add", "weather", "--header", "Authorization: Bearer -", URL], { stdin: "\n" })

  expect(refused).toMatchObject({ code: 2, stdout: "" })
  expect(refused.stderr).toContain("empty")
  expect([...(await person.files()).keys()]).toEqual([])
})

test.concurrent("1.1: one pipe holds one secret, of at most 64 KiB; what does not fit is refused, and the way for it is said", async () => {
  await using person = await makePerson()
  const two = ["add", "w", "--header", "X-Api-Key: -", "--header", "Authorization: Bearer -", URL]

  const second = await person.postern(two, { stdin: newSecret() })
  const endless = await person.postern(["add", "w", "--header", "X-Api-Key: -", URL], { stdin: "x".repeat(64 * 1024 + 1) })
  const followed = await person.postern([...two.slice(0, 4), "--header", "Authorization: Bearer ${vault:w-token}", URL], {
    stdin: newSecret(),
  })
  const stored = await person.postern(["vault", "set", "w-token", "-"], { stdin: newSecret() })

  expect(second).toMatchObject({ code: 2, stdout: "" })
  expect(second.stderr).toContain("write ${vault:NAME} for the others, and store each with postern vault set NAME -")
  expect(endless).toMatchObject({ code: 2, stdout: "" })
  expect(endless.stderr).toContain("longer than 65536 bytes")
  expect([followed.code, stored.code]).toEqual([0, 0]) // the way that was said
})

test.concurrent("1.1: add-json takes the entry of a documentation in, and its literal secret to the vault", async () => {
  await using person = await makePerson()
  const [secret, other] = [newSecret(), newSecret()]
  const entry = { type: "http", url: URL, headers: { Authorization: `Bearer ${secret}`, "X-Org-Id": "org-888" }, timeout: 5000 }
  const block = { mcpServers: { piped: { type: "http", url: URL, headers: { "x-api-key": other } } } }

  const added = await person.postern(["add-json", "data-tool", JSON.stringify(entry)])
  const piped = await person.postern(["add-json", "piped", "-", "--json"], { stdin: JSON.stringify(block) })

  expect(added).toMatchObject({ code: 0, stderr: "" })
  expect(added.stdout).toContain("history")
  expect(piped).toMatchObject({ code: 0, stderr: "" })
  expect(piped.json()).toMatchObject({
    name: "piped",
    scope: "user",
    secrets: [{ key: "x-api-key", storedIn: "vault:piped.x-api-key" }],
    notes: [],
  })
  expect(JSON.parse(await person.read("config.json")).mcpServers).toEqual({
    "data-tool": { ...entry, headers: { Authorization: "${vault:data-tool.authorization}", "X-Org-Id": "org-888" } },
    piped: { type: "http", url: URL, headers: { "x-api-key": "${vault:piped.x-api-key}" } },
  })
  expect([...(await whereIs(secret, person)), ...(await whereIs(other, person))]).toEqual([])
})

test.concurrent("1.1: a key in the address goes to the vault as well", async () => {
  await using person = await makePerson()
  const secret = newSecret()

  const added = await person.postern(["add", "tiles", `https://tiles.example/mcp?api_key=${secret}&layer=roads`])
  const listed = await person.postern(["list", "--json"])

  expect(added).toMatchObject({ code: 0, stderr: "" })
  expect(added.stdout).toContain("vault:tiles.api_key")
  expect(added.stdout).toContain("history")
  expect(JSON.parse(await person.read("config.json")).mcpServers.tiles.url).toBe(
    "https://tiles.example/mcp?api_key=${vault:tiles.api_key}&layer=roads",
  )
  expect(listed.json()).toMatchObject({ servers: [{ name: "tiles", storedIn: ["vault:tiles.api_key"] }] })
  for (const form of formsOf(secret)) expect(added.stdout + listed.stdout).not.toContain(form)
  expect(await whereIs(secret, person)).toEqual([])
})

test.concurrent("1.1: each scope has its file, and a label is kept", async () => {
  await using person = await makePerson()

  await person.added(
    ["add", "mine", "--scope", "user", "--environment", "dev", URL],
    ["add", "ours", "--scope", "project", "--environment", "staging", URL],
    ["add", "here", "--scope", "local", "--environment", "prod", URL],
  )
  const { servers } = (await person.postern(["list", "--json"])).json<{ servers: { name: string; scope: string; environment: string }[] }>()
  const elsewhere = await person.postern(["list", "--json"], { cwd: person.home })

  expect(servers.map(({ name, scope, environment }) => [name, scope, environment])).toEqual([
    ["here", "local", "prod"],
    ["mine", "user", "dev"],
    ["ours", "project", "staging"],
  ])
  const own = JSON.parse(await person.read("config.json"))
  expect(Object.keys(own.mcpServers)).toEqual(["mine"])
  expect(Object.keys(own.projects[person.project].mcpServers)).toEqual(["here"])
  expect(Object.keys(JSON.parse(await person.read(`${person.project}/.postern.json`)).mcpServers)).toEqual(["ours"])
  expect(elsewhere.json<{ servers: { name: string }[] }>().servers.map(({ name }) => name)).toEqual(["mine"])
})

test.concurrent("1.1: a secret of a project's entry is in the person's own vault, and the answer says so", async () => {
  await using person = await makePerson()
  const secret = newSecret()

  const added = await person.postern(["add", "ours", "--scope", "project", "--header", "X-Api-Key: -", URL], { stdin: secret })

  expect(added).toMatchObject({ code: 0, stderr: "" })
  expect(added.stdout).toContain("in your vault only")
  expect(await person.read(`${person.project}/.postern.json`)).toContain("${vault:ours.x-api-key}")
  expect(await whereIs(secret, person)).toEqual([])
})

test.concurrent("1.1: what stands in a name, and what in a header, is checked before anything is written", async ({ expect: check }) => {
  await using person = await makePerson()
  const secret = newSecret()
  const wrong: readonly (readonly [readonly string[], string])[] = [
    [["we ther", URL], "cannot be the name"],
    [["../weather", URL], "cannot be the name"],
    [["x\u001b]0;title\u0007", URL], "x\\u001b]0;title\\u0007"],
    [["a".repeat(65), URL], "cannot be the name"],
    [["w", "--header", `X-Api-Key: ${secret}\u0001`, URL], "control character"],
    [["w", "--header", `X-Api-Key: ${secret}\r\nX-Evil: 1`, URL], "line break"],
    [["w", "--header", `X-Api\u001b-Key: ${secret}`, URL], "X-Api\\u001b-Key"],
    [["w", "--header", `X-Api-Key: ${secret}€`, URL], "Latin-1"],
    [["w", "--header", "Host: elsewhere", URL], "Host"],
    [["w", "--header", `Bearer ${secret}`, URL], "a colon is missing"],
    [["w", "--header", `X-Api-Key: ${secret}`, "--header", `x-api-key: ${secret}`, URL], "twice"],
    [["w", "--header", "X-Api-Key: ${NOT A NAME}", URL], "${NOT A NAME}"],
    [["w", "--header", "Authorization:", URL, "Bearer", secret], "in quotes"],
    [["w", "--header", `X-Api-Key: ${secret}`, "ftp://files.example/"], "ftp:"],
    [["w", "https://user:word@files.example/"], "user name"],
    [["w", "--heder", `X-Api-Key: ${secret}`, URL], "--header"],
    [["w", `--heder=X-Api-Key: ${secret}`, URL], "--heder"],
  ]

  const refusals = await Promise.all(wrong.map(([args]) => person.postern(["add", ...args])))
  for (const [at, { code, stdout, stderr }] of refusals.entries()) {
    const [args = [], told] = wrong[at] ?? []
    check.soft({ code, stdout }, args.join(" ")).toEqual({ code: 2, stdout: "" })
    check.soft(stderr, args.join(" ")).toContain(told)
    check.soft(stderr).not.toContain(secret)
    // oxlint-disable-next-line no-control-regex -- none may reach the terminal
    check.soft(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  }
  expect([...(await person.files()).keys()]).toEqual([])
})

test.concurrent("1.1: a name that is taken is not written over, and its secret stays", async () => {
  await using person = await makePerson()
  const [secret, other] = [newSecret(), newSecret()]
  await person.postern(["add", "weather", "--header", "X-Api-Key: -", URL], { stdin: secret })

  const refused = await person.postern(["add", "weather", "--header", "X-Api-Key: -", "https://other.example/mcp"], { stdin: other })
  const headers = await person.postern(["headers", "weather"])
  const status = await person.postern(["vault", "status", "--json"])

  expect(refused).toMatchObject({ code: 1, stdout: "" })
  expect(refused.stderr).toContain("postern remove weather --scope user")
  expect(headers.json()).toEqual({ "x-api-key": secret })
  expect(status.json<{ entries: object[] }>().entries).toHaveLength(1)
})

test.concurrent("what of an entry is not used, not encrypted or in clear is told by the command that adds it", async () => {
  await using person = await makePerson()
  const secret = newSecret()
  const added: readonly (readonly [readonly string[], string])[] = [
    [["add", "default", "--header", `Authorization: Bearer \${A:-${secret}}`, URL], "Authorization stands in the file in clear in part"],
    [["add", "beside", "--header", `X-Api-Key: ${secret}\${A:-}`, URL], "X-Api-Key stands in the file in clear in part"],
    [["add", "parameter", `${URL}?token=\${A:-${secret}}`], "token stands in the file in clear in part"],
    [["add", "open", "http://api.example/mcp"], "The connection to api.example is not encrypted."],
    [["add-json", "env", `{"url": "${URL}", "env": {"API_KEY": "${secret}"}}`], "The key mcpServers.env.env is not used"],
    [
      ["add-json", "header", `{"url": "${URL}", "header": {"A": "${secret}"}}`],
      'is not known; did you mean "headers"? It stands in the file',
    ],
  ]

  for (const [args, told] of added) {
    const { code, stdout } = await person.postern(args)
    expect(code).toBe(0)
    expect(stdout).toContain(told)
    expect(stdout).not.toContain(secret)
  }
})

test.concurrent("what is wrong with an entry is told by list, and to whoever asks about that server", async () => {
  await using person = await makePerson()
  const entries = { typo: { url: URL, haeders: {} }, wrong: { url: 42 }, good: { url: URL } }
  await person.write(`${person.folder}/config.json`, { mcpServers: entries })

  const asked = await Promise.all([["list"], ["get", "typo"], ["get", "wrong"], ["get", "good"]].map((args) => person.postern(args)))

  const told = asked.map(({ stderr }) => ["haeders", "mcpServers.wrong.url"].filter((key) => stderr.includes(key)))
  expect(told).toEqual([["haeders", "mcpServers.wrong.url"], ["haeders"], ["mcpServers.wrong.url"], []])
})

test.concurrent("that a connection is not encrypted is told of the server that is asked about, and by list", async () => {
  await using person = await makePerson()
  await person.added(["add", "open", "http://api.example/mcp"], ["add", "closed", URL])

  const notes = await Promise.all(
    [["list"], ["get", "open"], ["headers", "open"], ["get", "closed"], ["headers", "closed"], ["disable", "closed"]].map(
      async (args) => (await person.postern(args)).stderr,
    ),
  )

  expect(notes.map((stderr) => stderr.includes("not encrypted"))).toEqual([true, true, true, false, false, false])
})

test.concurrent("a reference beside a scheme or the name of a cookie is nothing in clear", async () => {
  await using person = await makePerson()

  const { stdout } = await person.postern([
    "add",
    "one",
    "--header",
    "Authorization: Negotiate ${A}",
    "--header",
    "Cookie: session-of-mine=${B:-}",
    `${URL}?token=\${C}`,
  ])

  expect(stdout).toContain('Added "one"')
  expect(stdout).not.toContain("note:")
})

test.concurrent("1.1: add-json says how its own secret is kept from the shell's history", async () => {
  await using person = await makePerson()
  const entry = JSON.stringify({ url: URL, headers: { Authorization: `Bearer ${newSecret()}` } })

  const typed = await person.postern(["add-json", "one", entry])
  const piped = await person.postern(["add-json", "two", "-"], { stdin: entry })
  const empty = await person.postern(["add-json", "three", "-"])

  expect(typed.stdout).toContain("To avoid that, give - in place of the entry, and the entry on standard input")
  expect(typed.stdout).not.toContain("--header")
  expect(piped.stdout).not.toContain("To avoid that")
  expect(empty.stderr).toContain("What was to be read from standard input is empty.")
})
