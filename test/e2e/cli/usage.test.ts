/** Row 7: commands, options, exit codes, and what a machine reads. */
import { expect, test } from "vitest"
import { type ErrorObject, makePerson, newSecret } from "../../harness/postern.ts"

const URL = "https://api.example/mcp"

/** Every command as it is typed, with as many words as it needs. */
const COMMANDS: readonly (readonly string[])[] = [
  ["add", "x", URL],
  ["add-json", "x", "{}"],
  ["list"],
  ["get", "x"],
  ["remove", "x"],
  ["rename", "x", "y"],
  ["enable", "x"],
  ["disable", "x"],
  ["run", "x"],
  ["logs", "file"],
  ["tools", "x"],
  ["call", "x", "tool"],
  ["headers", "x"],
  ["auth", "x"],
  ["login", "x"],
  ["logout", "x"],
  ["oauth", "client-document", "https://example.com/postern.json"],
  ["rotate", "x", "-"],
  ["trust", "file"],
  ["aws", "whoami", "x"],
  ["aws", "login"],
  ["aws", "trust", "x"],
  ["aws", "policy", "x"],
  ["aws", "credentials", "x"],
  ["completion", "bash"],
  ["vault", "status"],
  ["vault", "set", "x", "-"],
  ["vault", "remove", "x"],
  ["vault", "move", "--to", "key-file"],
  ["vault", "export", "file"],
  ["vault", "import", "file"],
]
/** Commands that only gather others. */
const GROUPS = ["oauth", "aws", "vault"]
/** Without the words that it is called with. */
const bare = (command: readonly string[]): readonly string[] => command.slice(0, GROUPS.includes(command[0] ?? "") ? 2 : 1)

test.concurrent("7: --help of every command ends with 0, on stdout, and has an example", async ({ expect: check }) => {
  await using person = await makePerson()
  const ALL = [...COMMANDS.map(bare), ...GROUPS.map((group) => [group])]

  const helps = await Promise.all([[], ...ALL].map((command) => person.postern([...command, "--help"])))

  for (const [at, { code, stdout, stderr }] of helps.entries()) {
    const command = at === 0 ? "" : (ALL[at - 1] ?? []).join(" ")
    check.soft([code, stderr], command).toEqual([0, ""])
    check
      .soft(stdout, command)
      .toMatch(new RegExp(`Examples?\\b[^]*\\n +(\\$ postern ${command}|"\\w+": \\{|\\{|credential_process = postern ${command})`))
    check.soft(stdout, command).not.toMatch(/please|[!]|\p{Emoji_Presentation}/iu)
  }
})

test.concurrent("7: a mistyped option of every command is wrong usage, and names the way to its help", async ({ expect: check }) => {
  await using person = await makePerson()

  const wrong = await Promise.all(
    COMMANDS.map((command) => person.postern([...bare(command), "--confg", ...command.slice(bare(command).length)])),
  )

  for (const [at, { code, stdout, stderr }] of wrong.entries()) {
    const command = COMMANDS[at] ?? []
    check.soft([code, stdout], command.join(" ")).toEqual([2, ""])
    check.soft(stderr, command.join(" ")).toContain("'--confg'")
    check.soft(stderr, command.join(" ")).toContain(`next: postern ${bare(command).join(" ")} --help`)
    check.soft(stderr, command.join(" ")).not.toMatch(/\.\./)
  }
  expect([...(await person.files()).keys()]).toEqual([])
})

test.concurrent("7: nobody is asked for a secret while something else is wrong with the command line", async ({ expect: check }) => {
  await using person = await makePerson()
  const asks = ["--header", "Authorization: Bearer -", URL]
  const wrong: readonly (readonly string[])[] = [
    ["x y"],
    ["x", "--callback-port", "soon"],
    ["x", "--authorize-param", "a"],
    ["x", "--client-secret"],
    ["x", "--profile", "dev"],
    ["x", "--aws", "--duration", "soon"],
  ]

  const outcomes = await Promise.all(wrong.map((words) => person.postern(["add", ...words, ...asks, "--json"])))

  for (const [at, { code, json }] of outcomes.entries()) {
    check.soft([code, wrong[at]]).toEqual([2, wrong[at]])
    check.soft(json<ErrorObject>().error.code).toMatch(/^(usage-wrong|server-name-invalid)$/) // and not that nothing came
  }
})

test.concurrent("7: a word too many, and a word too few, is wrong usage of every command", async ({ expect: check }) => {
  await using person = await makePerson()
  const open = new Set(["add", "call"]) // they take any number of words
  const closed = COMMANDS.filter(([name = ""]) => !open.has(name))
  const content = new Set(["trust", "aws whoami", "aws trust"]) // they do without
  const needy = COMMANDS.filter((command) => command.length > bare(command).length && !content.has(bare(command).join(" ")))

  const [tooMany, tooFew] = await Promise.all([
    Promise.all(closed.map((command) => person.postern([...command, "surplus"]))),
    Promise.all(needy.map((command) => person.postern(bare(command)))),
  ])

  expect(tooMany.map(({ code, stdout }) => [code, stdout])).toEqual(closed.map(() => [2, ""]))
  for (const { stderr } of tooMany) check.soft(stderr).toContain("Too many arguments")
  expect(tooFew.map(({ code, stdout }) => [code, stdout])).toEqual(needy.map(() => [2, ""]))
  for (const { stderr } of tooFew)
    check.soft(stderr).toMatch(/Missing required argument|Required option|Either the name of a server is given, or --all/)
})

test.concurrent("7: typing errors get the nearest command, option and server", async () => {
  await using person = await makePerson()
  await person.added(["add", "weather-service", URL])
  const typed: readonly (readonly [readonly string[], string])[] = [
    [["lst"], "list"],
    [["rotte", "x"], "rotate"],
    [["vault", "stats"], "status"],
    [["list", "--jsno"], "--json"],
    [["add", "x", "--heder", "A: b", URL], "--header"],
    [["get", "wether-service"], "weather-service"],
    [["remove", "weather-servcie"], "weather-service"],
    [["headers", "Weather-Service"], "weather-service"],
    [["rotate", "weatherservice", "-"], "weather-service"],
    [["run", "weather_service"], "weather-service"],
  ]

  const answers = await Promise.all(typed.map(([args]) => person.postern(args)))

  expect(answers.map(({ code, stdout }) => [code, stdout])).toEqual(typed.map(() => [2, ""]))
  for (const [at, { stderr }] of answers.entries())
    expect(stderr.toLowerCase()).toMatch(`did you mean ${at > 4 ? '"' : ""}${typed[at]?.[1]}`)
})

test.concurrent("7: a mistyped command is told also in front of --help and behind help", async () => {
  await using person = await makePerson()
  const typed = [
    ["lsit", "--help"],
    ["help", "lsit"],
    ["vault", "stats", "--help"],
    ["help", "vault", "stats"],
    ["vault", "help", "stats"],
  ]

  const answers = await Promise.all(typed.map((args) => person.postern([...args, "--json"])))

  expect(answers.map(({ code, stderr }) => [code, stderr])).toEqual(typed.map(() => [2, ""]))
  for (const answer of answers)
    expect(answer.json<ErrorObject>().error.cause).toMatch(/^Unknown command '.*' \(Did you mean (list|status)\?\)\.$/)
})

test.concurrent("7: help COMMAND is COMMAND --help", async () => {
  await using person = await makePerson()

  for (const command of [[], ["rotate"], ["vault", "set"]])
    expect(await person.postern(["help", ...command])).toEqual(
      expect.objectContaining({ code: 0, stderr: "", stdout: (await person.postern([...command, "--help"])).stdout }),
    )
})

test.concurrent("7: the help of add begins with what a header needs, and shows no default that is nothing", async () => {
  await using person = await makePerson()

  const { stdout } = await person.postern(["add", "--help"])

  const [own = "", ...groups] = stdout.split(/^(?=Where )/m)
  expect(own).toMatch(/^ +--header /m)
  expect(groups.map((group) => group.match(/^Where .*:$/m)?.[0])).toEqual([
    "Where one signs in by OAuth (none of these is needed as a rule):",
    "Where requests are signed for AWS:",
    "Where a connection needs more than the address:",
  ])
  expect(stdout).not.toContain("[]")
})

test.concurrent("7: every option is suggested when a letter of it is missing", async () => {
  await using person = await makePerson()
  const commands = [...new Set(COMMANDS.map((command) => bare(command).join(" ")))].map((words) => words.split(" "))
  const helps = await Promise.all(commands.map((command) => person.postern([...command, "--help"])))
  // Each once, with one command that has it. Of `vault move` it is told first that --to is missing.
  const commandOf = new Map(
    helps.flatMap(({ stdout }, at) =>
      [...stdout.matchAll(/^ +(?:-\w, )?(--[\w-]+)/gm)].map(([, option = ""]): [string, readonly string[]] => [option, commands[at] ?? []]),
    ),
  )
  const options = [...commandOf].filter(([option]) => option !== "--to")

  const answers = await Promise.all(
    options.map(([option, command]) => person.postern([...command, `${option.slice(0, -2)}${option.slice(-1)}`])),
  )

  expect(options.length).toBeGreaterThan(30)
  expect(answers.map(({ code }) => code)).toEqual(options.map(() => 2))
  // Where two options are as near, both are named.
  for (const [at, { stderr }] of answers.entries())
    expect(stderr, options[at]?.join(" ")).toMatch(new RegExp(`Did you mean (one of .*)?${options[at]?.[0]}[,?]`))
})

test.concurrent("7: a value for an option that has none is told as that, and not repeated", async () => {
  await using person = await makePerson()

  const { code, stderr } = await person.postern(["trust", "--yes=secret-value"])

  expect([code, stderr]).toEqual([2, "postern: The option '--yes' takes no value.\n  next: postern trust --help\n"])
})

test.concurrent("7: without a command the help is printed, as wrong usage", async () => {
  await using person = await makePerson()

  const nothing = await person.postern([])
  const version = await person.postern(["--version"])

  expect(nothing).toMatchObject({ code: 2, stdout: "" })
  expect(nothing.stderr).toContain("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 sign-in needed, 4 refused by a guard")
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test.concurrent("7: with --json an error of every kind is one object on stdout, and stderr is empty", async () => {
  await using person = await makePerson()
  await person.write(".postern.json", { mcpServers: { theirs: { url: URL } } })
  await person.write("broken.json", '{"mcpServers": {')
  await person.added(["add", "has-key", "--header", "X-Api-Key: abcdef123456", URL])
  const failures: readonly (readonly [readonly string[], number, string])[] = [
    [["list", "--config", "/nowhere", "--json"], 1, "config-missing"],
    [["list", "--config", "broken.json", "--json"], 1, "config-unreadable"],
    [["list", "--json", "--nonsense"], 2, "usage-wrong"],
    [["nonsense", "--json"], 2, "usage-wrong"],
    [["get", "--json"], 2, "usage-wrong"],
    [["add", "x", "no-address", "--json"], 2, "usage-wrong"],
    [["add", "x", "--scope", "world", URL, "--json"], 2, "usage-wrong"],
    [["add", "x y", URL, "--json"], 2, "server-name-invalid"],
    [["add", "x", "--header", "Authorization: Bearer ", URL, "--json"], 2, "credential-empty"],
    [["add", "x", "--headers-command", "", URL, "--json"], 2, "config-invalid"],
    [["add-json", "x", "{", "--json"], 2, "usage-wrong"],
    [["add-json", "x", '{"url": 42}', "--json"], 2, "config-invalid"],
    [["add-json", "x", `{"url": "${URL}", "y": ${"[".repeat(20_000)}${"]".repeat(20_000)}}`, "--json"], 2, "usage-wrong"],
    [["get", "unknown", "--json"], 2, "unknown-server"],
    [["remove", "unknown", "--json"], 2, "unknown-server"],
    [["rotate", "unknown", "--json"], 2, "unknown-server"],
    [["vault", "set", "unknown", "-", "--json"], 2, "usage-wrong"],
    [["trust", "--json"], 4, "nobody-to-ask"],
    [["trust", "--json"], 1, "project-missing"],
    [["rotate", "has-key", "--header", "X-Other", "-", "--json"], 2, "secret-not-there"],
    [["rename", "has-key", "has-key", "--json"], 1, "server-exists"],
    [["oauth", "client-document", "http://example.com", "--json"], 2, "usage-wrong"],
    [["aws", "credentials", "unknown", "--json"], 2, "unknown-server"],
    [["headers", "theirs", "--json"], 4, "project-not-trusted"],
  ]

  const elsewhere = { stdin: "x", cwd: person.home }

  const outcomes = await Promise.all(
    failures.map(([args, , code]) => person.postern(args, code === "project-missing" ? elsewhere : { stdin: "x" })),
  )

  expect(outcomes.map((one) => [one.code, one.json<ErrorObject>().error.code, one.stderr])).toEqual(
    failures.map(([, code, name]) => [code, name, ""]),
  )
  for (const outcome of outcomes) {
    const { error } = outcome.json<ErrorObject>()
    expect(error.cause).toMatch(/^[^]+\.$/)
    expect(error.cause).not.toMatch(/\.\.$/)
    expect(error.evidence).toBeInstanceOf(Array)
    expect(error.next).toBeTypeOf("string")
  }
})

test.concurrent("7: the same failure without --json has cause, evidence and next step on stderr", async () => {
  await using person = await makePerson()
  await person.added(["add", "weather", URL])

  const refused = await person.postern(["get", "wether"])

  expect(refused).toMatchObject({ code: 2, stdout: "" })
  expect(refused.stderr).toBe(
    'postern: There is no server named "wether"; did you mean "weather"?\n  - configured: weather\n  next: postern list\n',
  )
})

test.concurrent("7: a --json behind -- belongs to the other program", async () => {
  await using person = await makePerson()
  await person.added(["add", "x", "--", "node", "--json"])

  const again = await person.postern(["add", "x", "--", "node", "--json"])

  expect(again).toMatchObject({ code: 1, stdout: "" })
  expect(again.stderr).toContain("already there")
})

test.concurrent("7: what succeeds says nothing on stderr, and --json prints one object with the same facts", async () => {
  await using person = await makePerson()
  const secret = newSecret()
  await person.write(`${person.home}/elsewhere/.postern.json`, { mcpServers: {} })
  const commands: readonly (readonly string[])[] = [
    ["add", "a", "--header", "X-Api-Key: -", URL],
    ["add", "b", "--scope", "project", URL],
    ["add-json", "c", '{"command": "node"}'],
    ["list"],
    ["get", "a"],
    ["rotate", "a", "-"],
    ["trust"],
    ["trust", `${person.home}/elsewhere/.postern.json`, "--yes"],
    ["vault", "status"],
    ["vault", "set", "a.x-api-key", "-"],
    ["remove", "b"],
    ["vault", "remove", "a.x-api-key"],
  ]

  for (const [at, command] of commands.entries()) {
    const args = at % 2 === 0 ? [...command, "--json"] : command
    const outcome = await person.postern(args, { stdin: secret })
    expect([command, outcome.code, outcome.stderr]).toEqual([command, 0, ""])
    if (at % 2 === 0) expect(outcome.json()).toBeTypeOf("object")
    else expect(outcome.stdout).toMatch(/\n$/)
    expect(outcome.stdout).not.toContain(secret)
  }
})

test.concurrent("7: local wins over project, project over user, the whole entry, wherever in the project one stands", async () => {
  await using person = await makePerson()
  await person.added(
    ["add", "both", "--header", "X-From: user", "--environment", "prod", "https://user.example/mcp"],
    ["add", "both", "--scope", "project", "https://project.example/mcp"],
    ["add", "all", "https://user.example/mcp"],
    ["add", "all", "--scope", "project", "https://project.example/mcp"],
    ["add", "all", "--scope", "local", "https://local.example/mcp"],
  )
  await person.write("deep/er/file", "")

  const below = await person.postern(["list", "--json"], { cwd: `${person.project}/deep/er` })
  const outside = await person.postern(["list", "--json"], { cwd: person.home })

  expect(below.json()).toMatchObject({
    servers: [
      { name: "all", url: "https://local.example/mcp", scope: "local" },
      { name: "both", url: "https://project.example/mcp", scope: "project", method: "none", environment: null },
    ],
  })
  expect(outside.json()).toMatchObject({
    servers: [
      { name: "all", scope: "user" },
      { name: "both", scope: "user", environment: "prod" },
    ],
  })
})

test.concurrent("7: POSTERN_HOME moves all that is written; without it the XDG folders are used, the key apart from the vault", async () => {
  await using person = await makePerson()
  const add = (env: NodeJS.ProcessEnv) => person.postern(["add", "a", "--header", "X-Api-Key: -", URL], { stdin: newSecret(), env })

  expect((await add({})).code).toBe(0)
  expect((await add({ POSTERN_HOME: undefined })).code).toBe(0)
  expect(
    (
      await add({
        POSTERN_HOME: undefined,
        XDG_CONFIG_HOME: `${person.home}/c`,
        XDG_DATA_HOME: `${person.home}/d`,
        XDG_STATE_HOME: `${person.home}/s`,
      })
    ).code,
  ).toBe(0)

  expect([...(await person.files()).keys()].toSorted()).toEqual([
    ".config/postern/config.json",
    ".local/share/postern/vault.json",
    ".local/state/postern/vault.key",
    "c/postern/config.json",
    "d/postern/vault.json",
    "postern/config.json",
    "postern/vault.json",
    "postern/vault.key",
    "s/postern/vault.key",
  ])
})
