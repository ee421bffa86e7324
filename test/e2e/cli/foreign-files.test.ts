/** Row 1.2: files of the mcpServers shape, read as they are. */
import { expect, test } from "vitest"
import { type ErrorObject, makePerson } from "../../harness/postern.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"

/** The guide's block, word for word. */
const GUIDE =
  '{"mcpServers": {"data-tool": {"url": "https://api.myservice.com/mcp", "type": "http", "headers": {"Authorization": "Bearer ${APP_API_TOKEN}", "X-Org-Id": "org-888"}}}}'

test.concurrent("1.2: the guide's block in .claude/settings.json is listed, and it is said that Claude Code does not look there", async () => {
  await using person = await makePerson()
  const file = await person.write(".claude/settings.json", GUIDE)
  const env = { APP_API_TOKEN: "never-shown-1234" }

  const listed = await person.postern(["list", "--config", ".claude/settings.json", "--json"], { env })
  const got = await person.postern(["get", "data-tool", "--config", file], { env })

  expect(listed.code).toBe(0)
  expect(listed.json()).toMatchObject({
    servers: [
      {
        name: "data-tool",
        transport: "http",
        url: "https://api.myservice.com/mcp",
        method: "header",
        storedIn: ["variable APP_API_TOKEN"],
      },
    ],
  })
  expect(got.code).toBe(0)
  expect(got.stdout).toContain("Authorization: Bearer ${APP_API_TOKEN}")
  for (const { stderr } of [listed, got]) {
    expect(stderr).toContain("Claude Code does not read servers from this file")
    expect(stderr).toContain(file)
    expect(stderr).toContain(".mcp.json in the project folder, or ~/.claude.json")
  }
  expect(listed.stdout + got.stdout).not.toContain("never-shown-1234")
})

test.concurrent("1.2: .mcp.json and the project's part of ~/.claude.json are read without a remark", async () => {
  await using person = await makePerson()
  await person.write(".mcp.json", GUIDE)
  const global = {
    mcpServers: { everywhere: { command: "node" } },
    projects: { [person.project]: JSON.parse(GUIDE), "/other": { mcpServers: {} } },
  }
  const claude = await person.write(`${person.home}/.claude.json`, { numStartups: 3, ...global })

  const project = await person.postern(["list", "--config", ".mcp.json", "--json"])
  const user = await person.postern(["list", "--config", claude, "--json"])

  expect(project).toMatchObject({ code: 0, stderr: "" })
  expect(user).toMatchObject({ code: 0, stderr: "" })
  const names = (outcome: typeof user): string[] => outcome.json<{ servers: { name: string }[] }>().servers.map(({ name }) => name)
  expect([names(project), names(user)]).toEqual([["data-tool"], ["data-tool", "everywhere"]])
})

test.concurrent("1.2: an unset variable is told with its name, the server and the file, before anything is sent", async () => {
  await using server = await startMcpServer()
  await using person = await makePerson()
  const file = await person.write(".mcp.json", GUIDE.replace("https://api.myservice.com/mcp", server.url))

  const headers = await person.postern(["headers", "data-tool", "--config", file, "--json"])
  const run = await person.postern(["run", "data-tool", "--config", file])

  expect(headers.code).toBe(1)
  const { error } = headers.json<ErrorObject>()
  expect(error).toMatchObject({
    code: "variable-not-set",
    evidence: ["server: data-tool", `file: ${file}`, "key: headers.Authorization", "nothing was sent"],
  })
  expect(error.cause).toContain("APP_API_TOKEN")
  expect(run).toMatchObject({ code: 1, stdout: "" })
  expect(run.stderr).toContain("APP_API_TOKEN")
  expect(server.seen).toEqual([])
})

test.concurrent("1.2: a default takes the place of a variable that is unset or empty, and only then", async () => {
  await using person = await makePerson()
  const headers = { Authorization: "Bearer ${APP_API_TOKEN:-anonymous-key}", "X-Stage": "${STAGE:-dev}-1" }
  const file = await person.write("servers.json", { mcpServers: { tool: { url: "https://${HOST:-api.example}/mcp", headers } } })
  const ask = async (env: NodeJS.ProcessEnv): Promise<unknown> =>
    (await person.postern(["headers", "tool", "--config", file], { env })).json()

  expect(await ask({})).toEqual({ authorization: "Bearer anonymous-key", "x-stage": "dev-1" })
  expect(await ask({ APP_API_TOKEN: "own-key", STAGE: "", HOST: "other.example" })).toEqual({
    authorization: "Bearer own-key",
    "x-stage": "dev-1",
  })
})

test.concurrent("1.2: comments, a trailing comma and a byte order mark are no obstacle in somebody else's file", async () => {
  await using person = await makePerson()
  const file = await person.write(
    ".mcp.json",
    `\uFEFF// ours\n{"mcpServers": {"tool": {"url": "https://api.example/mcp", /* plain */ },},}\n`,
  )

  const listed = await person.postern(["list", "--config", file, "--json"])

  expect(listed).toMatchObject({ code: 0, stderr: "" })
  expect(listed.json()).toMatchObject({ servers: [{ name: "tool" }] })
})

test.concurrent("1.2: a literal secret in somebody else's file is told as that, and never shown", async () => {
  await using person = await makePerson()
  const file = await person.write(".mcp.json", {
    mcpServers: { tool: { url: "https://api.example/mcp", headers: { Authorization: "Bearer left-in-clear-1" } } },
  })

  const listed = await person.postern(["list", "--config", file, "--json"])
  const got = await person.postern(["get", "tool", "--config", file])

  expect(listed.json()).toMatchObject({ servers: [{ storedIn: ["file (in clear)"] }] })
  expect(got.stdout).toContain("(22 characters in the file)")
  expect(listed.stdout + got.stdout).not.toContain("left-in-clear-1")
})

test.concurrent("1.2: a literal secret beside a reference, in a default or in the address is never shown either", async () => {
  await using person = await makePerson()
  const secrets = ["in-address-1", "beside-a-reference-2", "in-a-default-3", "in-an-account-4"]
  const headers = { Authorization: `Bearer ${secrets[1]}\${X:-}`, "X-Key": `\${Y:-${secrets[2]}}`, Cookie: "id=${vault:id}" }
  const file = await person.write(".mcp.json", {
    mcpServers: {
      tool: { url: `https://api.example/mcp?q=1&api_key=${secrets[0]}&token=\${T}`, headers },
      local: { command: "x", env: { DB: `postgres://\${U}:${secrets[3]}@db` } },
    },
  })

  const shown = await Promise.all(
    [["list"], ["get", "tool"], ["get", "local"]].flatMap((command) =>
      [[], ["--json"]].map((json) => person.postern([...command, "--config", file, ...json])),
    ),
  )

  const got = shown[2]?.stdout ?? ""
  expect(shown.map(({ code, stderr }) => [code, stderr])).toEqual(shown.map(() => [0, ""]))
  for (const secret of secrets) for (const { stdout } of shown) expect(stdout).not.toContain(secret)
  expect(got).toContain("address                https://api.example/mcp?q=1&api_key=(12 characters in the file)&token=${T}")
  expect(got).toContain("Authorization: Bearer (20 characters in the file)${X:-}")
  expect(got).toContain("X-Key: ${Y:-(14 characters in the file)}")
  expect(got).toContain("Cookie: id=${vault:id}")
})

test.concurrent("1.2: one wrong entry is told with line, column and what would be right, and the others go on working", async () => {
  await using person = await makePerson()
  const file = await person.write(".mcp.json", `{"mcpServers": {\n  "good": {"url": "https://api.example/mcp"},\n  "bad": {"url": 42}\n}}`)
  const cause = "The configuration has a wrong value at mcpServers.bad.url."

  const listed = await person.postern(["list", "--config", file, "--json"])
  const [first] = listed.json<{ servers: readonly { problem: unknown }[] }>().servers
  const bad = await person.postern(["headers", "bad", "--config", file])
  const good = await person.postern(["headers", "good", "--config", file])

  expect(listed.code).toBe(0)
  expect(listed.json()).toMatchObject({
    servers: [
      { name: "bad", transport: "unknown", trusted: true },
      { name: "good", problem: null },
    ],
  })
  expect(first?.problem).toEqual({ code: "config-invalid", cause }) // the shape of every problem, and no more
  expect(bad.code).toBe(1)
  expect(bad.stderr).toContain("line 3, column")
  expect(bad.stderr).toContain("found a number, right would be the address")
  expect(good.code).toBe(0)
})

test.concurrent("1.2: a next step for a server of somebody else's file names the file, and works", async () => {
  await using server = await startMcpServer()
  await using person = await makePerson()
  const servers = { locked: { url: server.url, oauth: {} }, gone: { command: process.execPath, args: ["-e", "process.exit(7)"] } }
  const file = await person.write(".mcp.json", JSON.stringify({ mcpServers: servers }))

  const headers = await person.postern(["headers", "locked", "--config", file, "--json"])
  const tools = await person.postern(["tools", "gone", "--config", file, "--json"])

  expect(headers.code).toBe(3)
  expect(headers.json<ErrorObject>().error.next).toBe(`postern auth locked --config ${file}`)
  const { code, next = "" } = tools.json<ErrorObject>().error
  expect({ code, next }).toEqual({ code: "server-exited", next: `postern get gone --config ${file}` })
  expect(await person.postern(next.split(" ").slice(1))).toMatchObject({ code: 0, stdout: expect.stringContaining("process.exit(7)") })
})
