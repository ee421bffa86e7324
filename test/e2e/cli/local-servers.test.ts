/** Row 4: local processes, and housekeeping. */
import { expect, test } from "vitest"
import { makePerson, newSecret, whereIs } from "../../harness/postern.ts"

const serversIn = (config: string): Record<string, unknown> => JSON.parse(config).mcpServers

test.concurrent("4: the guide's command adds a local server; what stands after -- is its own, word by word", async () => {
  await using person = await makePerson()

  await person.added(
    ["add", "my-local-server", "--", "node", "/path/to/server.js"],
    [
      "add",
      "odd",
      "--env",
      "LOG_LEVEL=debug",
      "--env",
      "EMPTY=",
      "--",
      "/opt/my server",
      "--json",
      "--env",
      "A=b",
      "$(touch x)",
      "a b",
      "--",
      "-",
    ],
  )
  const got = await person.postern(["get", "odd"])

  expect(serversIn(await person.read("config.json"))).toEqual({
    "my-local-server": { type: "stdio", command: "node", args: ["/path/to/server.js"] },
    odd: {
      type: "stdio",
      command: "/opt/my server",
      args: ["--json", "--env", "A=b", "$(touch x)", "a b", "--", "-"],
      env: { LOG_LEVEL: "debug", EMPTY: "" },
    },
  })
  expect(got.stdout).toContain("LOG_LEVEL=(5 characters in the file)")
  expect(got.stdout).not.toContain("debug")
})

test.concurrent("4: a variable named like a credential goes to the vault, and - asks for any", async () => {
  await using person = await makePerson()
  const [literal, asked] = [newSecret(), newSecret()]

  const added = await person.postern(["add", "one", "--env", `API_TOKEN=${literal}`, "--env", "LOG_LEVEL=debug", "--", "node", "x.js"])
  const piped = await person.postern(["add", "two", "--env", "DATABASE_URL=-", "--", "node", "x.js"], { stdin: `${asked}\n` })
  const listed = await person.postern(["list", "--json"])

  expect(added).toMatchObject({ code: 0, stderr: "" })
  expect(added.stdout).toContain("history")
  expect(added.stdout).toContain("--env 'API_TOKEN=${APP_API_TOKEN}'")
  expect(piped).toMatchObject({ code: 0, stderr: "" })
  expect(piped.stdout).not.toContain("history")
  expect(serversIn(await person.read("config.json"))).toMatchObject({
    one: { env: { API_TOKEN: "${vault:one.api_token}", LOG_LEVEL: "debug" } },
    two: { env: { DATABASE_URL: "${vault:two.database_url}" } },
  })
  expect(listed.json()).toMatchObject({
    servers: [
      {
        name: "one",
        transport: "stdio",
        url: null,
        command: ["node", "x.js"],
        storedIn: ["vault:one.api_token"],
        since: expect.any(String),
      },
      { name: "two", storedIn: ["vault:two.database_url"], since: expect.any(String) },
    ],
  })
  expect([...(await whereIs(literal, person)), ...(await whereIs(asked, person))]).toEqual([])
})

test.concurrent("4: a secret is for the command line that it was stored with, and for no other", async () => {
  await using person = await makePerson()
  await person.postern(["add", "local", "--env", "API_TOKEN=-", "--", "node", "own.js"], { stdin: newSecret() })
  const canary = `${person.project}/canary`
  const config = await person.read("config.json")
  const changed = JSON.stringify({
    ...JSON.parse(config),
    mcpServers: { local: { command: "touch", args: [canary], env: { API_TOKEN: "${vault:local.api_token}" } } },
  })
  await person.write(`${person.folder}/config.json`, changed)

  const run = await person.postern(["run", "local"])

  expect(run).toMatchObject({ code: 4, stdout: "" })
  expect(run.stderr).toContain('"node" "own.js"')
  await expect(person.read(canary)).rejects.toThrow("ENOENT")
})

test.concurrent("4: remove forgets the secrets of a server, and keeps one that another server refers to", async () => {
  await using person = await makePerson()
  const URL = "https://api.example/mcp"
  await person.postern(["add", "one", "--header", "Authorization: Bearer -", URL], { stdin: newSecret() })
  await person.postern(["add", "two", "--header", "X-Api-Key: -", "--header", "Authorization: ${vault:one.authorization}", URL], {
    stdin: newSecret(),
  })
  const names = async (): Promise<string[]> =>
    (await person.postern(["vault", "status", "--json"])).json<{ entries: { name: string }[] }>().entries.map(({ name }) => name)
  expect(await names()).toEqual(["one.authorization", "two.x-api-key"])

  const one = await person.postern(["remove", "one"])
  expect(one).toMatchObject({ code: 0, stderr: "" })
  expect(one.stdout).toContain("keeps one.authorization")
  expect(await names()).toEqual(["one.authorization", "two.x-api-key"])

  const two = await person.postern(["remove", "two", "--json"])
  expect(two.json()).toMatchObject({
    server: "two",
    removedSecrets: ["two.x-api-key", "one.authorization"],
    keptSecrets: [],
    leftSecrets: [],
  })
  expect(await names()).toEqual([])
  expect((await person.postern(["list", "--json"])).json()).toEqual({ servers: [] })
})

test.concurrent("4: remove takes the entry of the scope that is named, also one that is hidden by another", async () => {
  await using person = await makePerson()
  for (const scope of ["user", "project", "local"]) await person.added(["add", "tool", "--scope", scope, `https://${scope}.example/mcp`])
  const url = async (): Promise<unknown> => (await person.postern(["get", "tool", "--json"])).json<{ url: string }>().url

  expect(await url()).toBe("https://local.example/mcp")
  expect((await person.postern(["remove", "tool", "--scope", "user"])).code).toBe(0)
  expect((await person.postern(["remove", "tool", "--scope", "user"])).code).toBe(2)
  expect(await url()).toBe("https://local.example/mcp")
  expect((await person.postern(["remove", "tool"])).code).toBe(0)
  expect(await url()).toBe("https://project.example/mcp")
  expect((await person.postern(["remove", "tool"])).code).toBe(0)
  expect((await person.postern(["get", "tool"])).code).toBe(2)
})

test.concurrent("a server that another scope's entry of its name hides is told as hidden when it is added", async () => {
  await using person = await makePerson()
  const add = (scope: string) => person.postern(["add", "tool", "--scope", scope, `https://${scope}.example/mcp`])

  const [project, user, local] = [await add("project"), await add("user"), await add("local")]

  expect(user).toMatchObject({ code: 0, stderr: "" })
  expect(user.stdout).toContain(`note: Here the entry in ${person.project}/.postern.json (project) is used in its place`)
  for (const { code, stdout } of [project, local]) expect([code, stdout]).toEqual([0, expect.not.stringContaining("in its place")])
})

test.concurrent("4: what does not go together on the command line is refused, and nothing is written", async () => {
  await using person = await makePerson()
  const wrong: readonly (readonly [readonly string[], string])[] = [
    [["x", "--"], "command is missing"],
    [["x", "--transport", "http", "--", "node"], "an address, not a command"],
    [["x", "--header", "A: b", "--", "node"], "takes no headers"],
    [["x", "--profile", "dev", "--", "node"], "takes no options of AWS"],
    [["x", "--pin-account", "123456789012", "--", "node"], "takes no options of AWS"],
    [["x", "--env", "A=b", "https://x.example/mcp"], "takes no --env"],
    [["x", "--env", "=b", "--", "node"], "NAME=value"],
    [["x", "--env", "A=1", "--env", "A=2", "--", "node"], "given twice"],
    [["x", "--env", "A=${B", "--", "node"], "${B"],
    [["x", "--env", "__proto__=1", "--", "node"], "other names than __proto__"],
    [["x", "--header", "__proto__: 1", "https://x.example/mcp"], "other names than __proto__"],
    [["x", "--transport", "stdio"], "command is missing"],
    [["x", "node", "server.js"], "a command after --"],
  ]

  const refusals = await Promise.all(wrong.map(([args]) => person.postern(["add", ...args])))

  expect(refusals.map(({ code, stdout }) => [code, stdout])).toEqual(wrong.map(() => [2, ""]))
  for (const [at, { stderr }] of refusals.entries()) expect(stderr).toContain(wrong[at]?.[1])
  expect([...(await person.files()).keys()]).toEqual([])
})

test.concurrent("a server for the project is not added in the home folder, where no project file is ever read", async () => {
  await using person = await makePerson()

  const refused = await person.postern(["add", "x", "--scope", "project", "https://x.example/mcp", "--json"], { cwd: person.home })
  const local = await person.postern(["add", "x", "--scope", "local", "https://x.example/mcp"], { cwd: person.home })

  expect(refused).toMatchObject({ code: 2, stderr: "" })
  expect(refused.json()).toMatchObject({ error: { code: "home-no-project" } })
  expect(local).toMatchObject({ code: 0 })
  expect([...(await person.files()).keys()]).toEqual(["postern/config.json"])
})

/** A server that tells its token on stderr, in colour, in two pieces; and again, without a line feed, when its input ends. */
const TALKER = `
import { createInterface } from "node:readline"
const token = process.env.API_TOKEN
process.stderr.write("\\u001b[31mtok " + token.slice(0, 9))
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line)
  if (method === "initialize") process.stderr.write(token.slice(9) + " \\u202eend\\n")
  const result = { protocolVersion: params?.protocolVersion, capabilities: {}, serverInfo: { name: "talker", version: "1" }, tools: [] }
  if (id !== undefined) process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n")
}
process.stderr.write("bye " + token)
`

test.concurrent("what a local server writes of itself is shown without the secrets that it was given, and steers no terminal", async () => {
  await using person = await makePerson()
  const token = newSecret()
  await person.write("talker.mjs", TALKER)
  await person.postern(["add", "talker", "--env", "API_TOKEN=-", "--", "node", "talker.mjs"], { stdin: token })
  const initialize = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} })

  const tools = await person.postern(["tools", "talker"])
  const call = await person.postern(["call", "talker", "any"])
  const run = await person.postern(["run", "talker"], { stdin: `${initialize}\n` })
  const terminal = person.terminal(["run", "talker"])
  await terminal.shows("Ctrl-D")
  terminal.type(`${initialize}\r`)
  await terminal.shows("\\u202eend")
  terminal.type("\u0004")
  await terminal.exited

  for (const { stderr } of [tools, call]) expect(stderr).toBe("\\u001b[31mtok [redacted] \\u202eend\nbye [redacted]")
  expect(run.stderr).toBe("\u001b[31mtok [redacted] \u202eend\nbye [redacted]") // a client reads it, and knows what it shows
  for (const text of ["\\u001b[31mtok [redacted] \\u202eend\r\n", "bye [redacted]"]) expect(terminal.seen()).toContain(text)
})
