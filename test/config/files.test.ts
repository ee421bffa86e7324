import { mkdir, symlink } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { type Configuration, loadConfiguration } from "../../src/config/files.ts"
import { findEntry, findServer } from "../../src/config/find.ts"
import type { PosternError } from "../../src/core/diagnosis.ts"
import { makeFolder, type TestFolder } from "./folder.ts"

const load = ({ env, places, project }: TestFolder, configFile?: string, cwd = project): Promise<Configuration> =>
  loadConfiguration({ cwd, env, places, ...(configFile === undefined ? {} : { configFile }) })

const codes = ({ warnings }: Configuration): readonly string[] => warnings.map(({ code }) => code)

const http = (url: string) => ({ type: "http", url })

/** The guide's block, word for word. */
const GUIDE = `{
  "mcpServers": {
    "data-tool": {
      "url": "https://api.myservice.com/mcp",
      "type": "http",
      "headers": {
        "Authorization": "Bearer \${APP_API_TOKEN}",
        "X-Org-Id": "org-888"
      }
    }
  }
}`

test.each([".claude/settings.json", ".mcp.json", "any.json"])(
  "1.2: the guide's block in %s is read word for word, nothing expanded",
  async (name) => {
    await using folder = await makeFolder()
    const file = await folder.write(name, GUIDE)

    const configuration = await load(folder, name)

    expect(configuration.servers).toEqual([
      {
        name: "data-tool",
        scope: "file",
        file,
        trusted: true,
        enabled: true,
        transport: "http",
        url: "https://api.myservice.com/mcp",
        headers: { Authorization: "Bearer ${APP_API_TOKEN}", "X-Org-Id": "org-888" },
      },
    ])
  },
)

test("1.2: the guide's block in Postern's own file is read too", async () => {
  await using folder = await makeFolder()
  await folder.write(folder.places.config, GUIDE)

  expect((await load(folder)).servers).toMatchObject([{ name: "data-tool", scope: "user", trusted: true }])
})

test.each([".claude/settings.json", ".claude/settings.local.json", ".claude/.mcp.json"])(
  "1.2: servers in %s are read, and it is said that Claude Code does not look there",
  async (name) => {
    await using folder = await makeFolder()
    await folder.write(name, GUIDE)

    const [warning] = (await load(folder, name)).warnings

    expect(warning).toMatchObject({ code: "client-ignores-file", cause: "Claude Code does not read servers from this file." })
  },
)

test("1.2: ~/.claude/mcp.json is ignored by Claude Code, and so is settings.json where CLAUDE_CONFIG_DIR points", async () => {
  await using folder = await makeFolder()
  const moved = join(folder.home, "elsewhere")
  const files = [
    await folder.write(join(folder.home, ".claude", "mcp.json"), GUIDE),
    await folder.write(join(moved, "settings.json"), GUIDE),
  ]
  const env = { ...folder.env, CLAUDE_CONFIG_DIR: moved }

  for (const file of files) expect(codes(await load({ ...folder, env }, file))).toEqual(["client-ignores-file"])
})

test("1.2: .mcp.json and ~/.claude.json are read by Claude Code, so nothing is said", async () => {
  await using folder = await makeFolder()
  const files = [await folder.write(".mcp.json", GUIDE), await folder.write(join(folder.home, ".claude.json"), GUIDE)]

  for (const file of files) expect(codes(await load(folder, file))).toEqual([])
})

test("of ~/.claude.json the part of this project wins over the part for everywhere, and other projects do not count", async () => {
  await using folder = await makeFolder()
  const file = await folder.write(join(folder.home, ".claude.json"), {
    numStartups: 5,
    mcpServers: { a: http("https://everywhere/a"), b: http("https://everywhere/b") },
    projects: {
      [folder.project]: { allowedTools: [], mcpServers: { a: http("https://here/a") } },
      "/other": { mcpServers: { b: http("https://other/b"), c: http("https://other/c") } },
    },
  })
  await mkdir(join(folder.project, "deep", "er"), { recursive: true })

  const configuration = await load(folder, file, join(folder.project, "deep", "er"))

  expect(configuration.servers.map(({ name, ...rest }) => `${name} ${"url" in rest ? rest.url : ""}`)).toEqual([
    "a https://here/a",
    "b https://everywhere/b",
  ])
  expect(configuration.shadowed).toMatchObject([{ name: "a", url: "https://everywhere/a" }])
  expect(codes(configuration)).toEqual([])
})

test("local wins over project, project over user, and the whole entry counts", async () => {
  await using folder = await makeFolder()
  await folder.write(folder.places.config, {
    mcpServers: { a: { url: "https://user/a", headers: { X: "1" } }, b: http("https://user/b"), c: http("https://user/c") },
    projects: { [folder.project]: { mcpServers: { a: http("https://local/a") } } },
  })
  await folder.write(".postern.json", { mcpServers: { a: http("https://project/a"), b: http("https://project/b") } })

  const { servers, shadowed } = await load(folder)

  expect(servers.map(({ name, scope, trusted }) => ({ name, scope, trusted }))).toEqual([
    { name: "a", scope: "local", trusted: true },
    { name: "b", scope: "project", trusted: false },
    { name: "c", scope: "user", trusted: true },
  ])
  expect(servers[0]).toMatchObject({ headers: {} })
  expect(shadowed.map(({ name, scope }) => `${name} ${scope}`)).toEqual(["a project", "a user", "b user"])
})

test("the nearest .postern.json counts, up to the root of the repository and below the home folder", async () => {
  await using folder = await makeFolder()
  await folder.write(join(folder.home, ".postern.json"), { mcpServers: { home: http("https://home/") } })
  await folder.write(join(folder.home, "work", ".postern.json"), { mcpServers: { above: http("https://above/") } })
  await folder.write(".postern.json", { mcpServers: { project: http("https://project/") } })
  await folder.write("packages/one/.postern.json", { mcpServers: { one: http("https://one/") } })
  await mkdir(join(folder.project, "packages", "two"))
  const namesFrom = async (cwd: string): Promise<readonly string[]> => (await load(folder, undefined, cwd)).servers.map(({ name }) => name)

  expect(await namesFrom(join(folder.project, "packages", "one"))).toEqual(["one"])
  expect(await namesFrom(join(folder.project, "packages", "two"))).toEqual(["project"])
  expect(await namesFrom(join(folder.home, "work"))).toEqual(["above"])
  expect(await namesFrom(folder.home)).toEqual([])

  await using other = await makeFolder()
  await other.write(join(other.home, "work", ".postern.json"), { mcpServers: { above: http("https://above/") } })
  expect((await load(other)).servers).toEqual([])
})

test("no file at all is an empty configuration; a named file that is missing is an error", async () => {
  await using folder = await makeFolder()

  expect(await load(folder)).toEqual({ servers: [], shadowed: [], invalid: [], warnings: [] })
  await expect(load(folder, "gone.json")).rejects.toMatchObject({ diagnosis: { code: "config-missing" } })
})

test("a project file named by --config needs no approval", async () => {
  await using folder = await makeFolder()
  await folder.write(".postern.json", { mcpServers: { a: http("https://a/") } })

  expect((await load(folder, ".postern.json")).servers).toMatchObject([{ trusted: true, scope: "file" }])
})

test("comments, trailing commas, CRLF and a byte order mark are read", async () => {
  await using folder = await makeFolder()
  const text = '\uFEFF// mine\r\n{\r\n  "mcpServers": { /* one */\r\n    "a": { "command": "node", "args": ["s.js",], },\r\n  },\r\n}\r\n'
  const plain = '\uFEFF{"mcpServers": {"a": {"command": "node", "args": ["s.js"]}}}'
  await folder.write("commented.json", text)
  await folder.write("plain.json", plain)

  for (const name of ["commented.json", "plain.json"]) {
    expect((await load(folder, name)).servers).toMatchObject([{ name: "a", transport: "stdio", command: "node", args: ["s.js"] }])
  }
})

test.each([
  ["half-written", '{\n  "mcpServers": {\n    "a": {"url": "https://a/"', "line 3, column 30"],
  ["cut in a text", '{"mcpServers": {"a": {"url": "https:', "line 1, column 30"],
  ["empty", "", "line 1, column 1"],
  ["blank", " \n\n", "line 1, column 1"],
  ["two documents", "{}\n{}", "line 2, column 1"],
  ["no JSON", "<html>", "line 1, column 1"],
])("a %s file is unreadable with line and column, and never an empty one", async (_, text, at) => {
  await using folder = await makeFolder()
  const file = await folder.write(folder.places.config, text)

  await expect(load(folder)).rejects.toMatchObject({
    diagnosis: { code: "config-unreadable", evidence: [expect.stringContaining(`file: ${file}`), "the file was left as it is"] },
  })
  const error = await load(folder).catch((reason: PosternError) => reason)
  expect(error).toHaveProperty("diagnosis.evidence.0", `file: ${file}, ${at}`)
})

test.each([
  ["plain JSON", (deep: string) => `{"x": ${deep}}`],
  ["JSON with comments", (deep: string) => `// it's no "plain JSON\n{"x": ${deep}}`],
  ["a value that the next of its name hides", (deep: string) => `{"x": ${deep}, "x": 1}`],
  ["a file that does not end", (deep: string) => `{"x": ${deep}`],
])("nesting made to exhaust the stack is an unreadable file: %s", async (_, textWith) => {
  await using folder = await makeFolder()
  await folder.write(folder.places.config, textWith(`${"[".repeat(200_000)}${"]".repeat(200_000)}`))

  await expect(load(folder)).rejects.toMatchObject({
    diagnosis: { code: "config-unreadable", cause: "The configuration file cannot be read: it is nested deeper than 512 levels." },
  })
})

test("a file at the limit of nesting is read, its unknown keys told with their places; a bracket in a text or comment is no level", async () => {
  await using folder = await makeFolder()
  const brackets = "[".repeat(1000)
  await folder.write(folder.places.config, `{"x": ${"[".repeat(511)}${"]".repeat(511)}, "y": "${brackets}" /* ${brackets} */}`)

  const { warnings } = await load(folder)

  expect(warnings.map(({ code }) => code)).toEqual(["unknown-key", "unknown-key"])
})

test("a folder in place of the file is told as it is", async () => {
  await using folder = await makeFolder()
  await mkdir(folder.places.config, { recursive: true })

  await expect(load(folder)).rejects.toMatchObject({ diagnosis: { code: "file-unreadable" } })
})

test.each(["[]", "3", "null", '"x"', '{"mcpServers": []}', '{"mcpServers": 3}', '{"mcpServers": null}'])(
  "%s holds no servers, and is refused as that",
  async (text) => {
    await using folder = await makeFolder()
    await folder.write(folder.places.config, text)

    await expect(load(folder)).rejects.toMatchObject({ diagnosis: { code: "config-invalid" } })
  },
)

test("a wrong value names file, line, column, key, what stands there and what would be right", async () => {
  await using folder = await makeFolder()
  const file = await folder.write(
    folder.places.config,
    '{\n  "mcpServers": {\n    "weather": {\n      "url": "https://w/",\n      "headers": ["X: s3cret"]\n    }\n  }\n}',
  )

  const { warnings, servers } = await load(folder)

  expect(servers).toEqual([])
  expect(warnings).toEqual([
    {
      code: "config-invalid",
      kind: "failed",
      cause: "The configuration has a wrong value at mcpServers.weather.headers.",
      evidence: [
        `file: ${file}, line 5, column 18`,
        'mcpServers.weather.headers: found a list, right would be an object of texts, such as {"X-Api-Key": "${API_KEY}"}',
      ],
      next: `correct ${file}, then try again`,
      server: "weather",
    },
  ])
})

test("one wrong entry stops itself, not the others, and no entry of another scope takes its place", async () => {
  await using folder = await makeFolder()
  await folder.write(folder.places.config, {
    mcpServers: { a: http("https://user/a"), b: http("https://user/b") },
    projects: { [folder.project]: { mcpServers: { a: { url: 3 } } } },
  })

  const configuration = await load(folder)

  expect(configuration.servers.map(({ name }) => name)).toEqual(["b"])
  expect(configuration.shadowed.map(({ name }) => name)).toEqual(["a"])
  expect(() => findServer(configuration, "a")).toThrow(
    expect.objectContaining({ diagnosis: expect.objectContaining({ code: "config-invalid" }) as object }),
  )
})

test("a broken project file is an error that names it, and --config goes on without it", async () => {
  await using folder = await makeFolder()
  const broken = await folder.write(".postern.json", "{")
  await folder.write("mine.json", { mcpServers: { a: http("https://a/") } })

  await expect(load(folder)).rejects.toMatchObject({
    diagnosis: { code: "config-unreadable", evidence: [`file: ${broken}, line 1, column 2`, expect.any(String)] },
  })
  expect((await load(folder, "mine.json")).servers).toHaveLength(1)
})

test("a key that is not known is told with the nearest one, and keys of other clients only where they matter", async () => {
  await using folder = await makeFolder()
  const entry = { url: "https://a/", header: {}, futureThing: 1, alwaysAllow: [], autoApprove: [], oauth: {}, env: {} }
  await folder.write(folder.places.config, { mcpServer: {}, $schema: "x", mcpServers: { a: entry } })
  await folder.write("foreign.json", { numStartups: 1, mcpServers: { a: entry } })

  const own = (await load(folder)).warnings.map(({ code, cause }) => `${code}: ${cause}`)
  const foreign = (await load(folder, "foreign.json")).warnings.map(({ code, cause }) => `${code}: ${cause}`)

  const both = [
    'unknown-key: The key mcpServers.a.header is not known; did you mean "headers"?',
    "unknown-key: The key mcpServers.a.futureThing is not known.",
    "key-not-used: The key mcpServers.a.env is not used: it says nothing about a server of the type http.",
  ]
  expect(foreign).toEqual(both)
  expect(own.toSorted()).toEqual(
    [
      ...both,
      "unknown-key: The key mcpServers.a.alwaysAllow is not known.",
      "unknown-key: The key mcpServers.a.autoApprove is not known.",
      'unknown-key: The key mcpServer is not known; did you mean "mcpServers"?',
    ].toSorted(),
  )
})

test("a mistyped key inside of oauth is told with its place, the key that was meant, and what stands right beside it is used", async () => {
  await using folder = await makeFolder()
  const text =
    '{"mcpServers": {"a": {\n  "url": "https://a/",\n  "oauth": {"clientId": "c",\n    "calbackPort": 41000, "authorizeParams": {"anything": "x"}}}}}'
  const file = await folder.write(folder.places.config, text)

  const { servers, warnings } = await load(folder)

  expect(warnings).toMatchObject([
    {
      code: "unknown-key",
      cause: 'The key mcpServers.a.oauth.calbackPort is not known; did you mean "callbackPort"?',
      evidence: [`file: ${file}, line 4, column 20`, expect.any(String)],
    },
  ])
  expect(servers).toMatchObject([{ oauth: { clientId: "c", authorizeParams: { anything: "x" } } }])
})

test("cwd of a local server is said to be not used", async () => {
  await using folder = await makeFolder()
  await folder.write("f.json", { mcpServers: { a: { command: "x", cwd: "/y" } } })

  expect(codes(await load(folder, "f.json"))).toEqual(["key-not-used"])
})

test("an address without encryption that leaves this machine is a remark", async () => {
  await using folder = await makeFolder()
  const addresses = [
    "http://example.com/",
    "http://${HOST}/",
    "http://localhost:3/",
    "http://127.0.0.1/",
    "http://[::1]:4/",
    "http://localhost.evil.com/",
    "https://x/",
  ]
  await folder.write(folder.places.config, { mcpServers: Object.fromEntries(addresses.map((url, index) => [`s${index}`, { url }])) })

  const { warnings } = await load(folder)

  expect(warnings.map(({ cause }) => cause)).toEqual([
    "The connection to example.com is not encrypted.",
    "The connection to localhost.evil.com is not encrypted.",
  ])
})

test("a name that stands twice is a remark, and the last one is used", async () => {
  await using folder = await makeFolder()
  await folder.write(folder.places.config, '{"mcpServers": {\n"a": {"url": "https://first/"},\n"a": {"url": "https://last/"}}}')

  const { servers, warnings } = await load(folder)

  expect(servers).toMatchObject([{ url: "https://last/" }])
  expect(warnings).toMatchObject([{ code: "server-twice", evidence: [expect.stringContaining("line 3, column 1")] }])
})

test("a second mcpServers, and a key that stands twice in an entry, are remarks: what stood in the first is hidden", async () => {
  await using folder = await makeFolder()
  const text = `{"mcpServers": {"a": {"url": "https://a/"}},
"mcpServers": {"b": {"url": "https://b/", "headers": {"X": "1",
"X": "2"}}},
"projects": {${JSON.stringify(folder.project)}: {"mcpServers": {"b": {"command": "url", "args": ["X", "mcpServers"]}}}}}`
  await folder.write(folder.places.config, text)

  const { servers, shadowed, warnings } = await load(folder)

  expect([...servers, ...shadowed]).toMatchObject([
    { name: "b", scope: "local" },
    { name: "b", scope: "user" },
  ])
  expect(warnings.map(({ code, cause, evidence }) => [code, cause, evidence[0]])).toEqual([
    ["server-twice", "The key mcpServers stands more than once; the last one is used.", expect.stringContaining("line 2, column 1")],
    [
      "server-twice",
      "The key mcpServers.b.headers.X stands more than once; the last one is used.",
      expect.stringContaining("line 3, column 1"),
    ],
  ])
})

test("what looks like a key in a comment or a text is no second one", async () => {
  await using folder = await makeFolder()
  const text = '{"mcpServers": { // "a": {}\n"a": {"command": "\\"a\\"", "args": ["\\u0022a", "a"], /* "args": [] */}}}'
  await folder.write(folder.places.config, text)

  expect((await load(folder)).warnings).toEqual([])
})

test("thousands of wrong keys and entries of a stranger's file cost one reading of it, and not one for each", async () => {
  await using folder = await makeFolder()
  const many = Object.fromEntries(Array.from({ length: 6000 }, (_, index) => [`k${index}`, 1]))
  await folder.write(join(folder.project, ".postern.json"), { mcpServers: { a: { ...many, command: "x" }, ...many } })

  const { servers, invalid, warnings } = await load(folder)

  expect([servers.length, invalid.length, warnings.length]).toEqual([1, 6000, 12_000])
  expect(warnings.at(-1)?.evidence[0]).toContain("line 12005, column 14")
})

test("a file without mcpServers is said to have none, with the shape that it seems to have", async () => {
  await using folder = await makeFolder()
  await folder.write("vscode.json", { servers: { a: http("https://a/") } })
  await folder.write("empty.json", { mcpServers: {} })

  expect((await load(folder, "vscode.json")).warnings).toMatchObject([
    { code: "no-servers-in-file", evidence: [expect.any(String), "it has the key servers, a shape that is not read"] },
  ])
  expect(codes(await load(folder, "empty.json"))).toEqual([])
})

test("a name with control characters cannot be used; other names of foreign files can", async () => {
  await using folder = await makeFolder()
  await folder.write("f.json", {
    mcpServers: {
      "Mein Server (ü)": http("https://a/"),
      "a\u001b[2J": http("https://b/"),
      "a\u202eb": http("https://c/"),
      "": http("https://d/"),
      __proto__: null,
    },
  })

  const configuration = await load(folder, "f.json")

  expect(configuration.servers.map(({ name }) => name)).toEqual(["Mein Server (ü)"])
  expect(configuration.invalid).toHaveLength(3)
  expect(JSON.stringify(configuration.warnings)).not.toMatch(/[^\\]\\u001b|\u202e/)
})

test("keys named __proto__ and constructor are keys like others, in plain JSON and with comments", async () => {
  await using folder = await makeFolder()
  const text =
    '{"mcpServers": {"__proto__": {"command": "evil"}, "a": {"__proto__": {"command": "evil"}, "url": "https://a/"}, "constructor": {"command": "x"}}}'
  await folder.write("plain.json", text)
  await folder.write("commented.json", `// x\n${text}`)

  const [plain, commented] = [await load(folder, "plain.json"), await load(folder, "commented.json")]

  expect(plain.servers.map(({ name, transport }) => `${name} ${transport}`)).toEqual(["__proto__ stdio", "a http", "constructor stdio"])
  expect(commented.servers).toEqual(plain.servers.map((server) => ({ ...server, file: join(folder.project, "commented.json") })))
})

test("a configuration that is a link into a dotfiles repository is read", async () => {
  await using folder = await makeFolder()
  const real = await folder.write(join(folder.home, "dotfiles", "config.json"), { mcpServers: { a: http("https://a/") } })
  await mkdir(join(folder.places.config, ".."), { recursive: true })
  await symlink(real, folder.places.config)

  expect((await load(folder)).servers).toMatchObject([{ name: "a", file: folder.places.config }])
})

test("a server is found by its exact name; a typing error is answered with the nearest one and the list", async () => {
  await using folder = await makeFolder()
  await folder.write(folder.places.config, {
    mcpServers: {
      "weather-service": http("https://w/"),
      off: { url: "https://o/", enabled: false },
      off2: { url: "https://o/", disabled: true },
    },
  })
  const configuration = await load(folder)
  const told = (name: string): unknown => {
    try {
      return findServer(configuration, name)
    } catch (error) {
      return (error as PosternError).diagnosis // findServer throws nothing else
    }
  }

  expect(told("weather-service")).toMatchObject({ name: "weather-service" })
  expect(told("wether-servcie")).toMatchObject({
    code: "unknown-server",
    cause: 'There is no server named "wether-servcie"; did you mean "weather-service"?',
    next: "postern list",
  })
  expect(told("gitlab")).toMatchObject({
    code: "unknown-server",
    cause: 'There is no server named "gitlab".',
    evidence: ["configured: weather-service, off, off2"],
  })
  expect(told("off")).toMatchObject({ code: "server-disabled", next: "postern enable off" })
  expect(told("off2")).toMatchObject({ code: "server-disabled" })
  expect(findEntry(configuration, "off")).toMatchObject({ enabled: false })
})
