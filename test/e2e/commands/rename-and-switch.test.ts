/** Row 7: rename, enable and disable, from outside. */
import { readFile } from "node:fs/promises"
import { expect, test } from "vitest"
import { makeHome, startClient } from "../../harness/client.ts"
import { type ErrorObject, makePerson, newSecret, whereIs } from "../../harness/postern.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"

test.concurrent("7: a renamed server answers under its new name, with its secrets where they were", async () => {
  const key = newSecret()
  await using server = await startMcpServer({ key })
  await using person = await makePerson()
  await person.postern(["add", "old", "--header", "Authorization: Bearer -", server.url], { stdin: key })
  const before = await person.read("config.json")

  const renamed = await person.postern(["rename", "old", "new", "--json"])
  const tools = await person.postern(["tools", "new"])
  const gone = await person.postern(["tools", "old"])

  expect(renamed.json()).toEqual({
    name: "new",
    formerName: "old",
    file: `${person.folder}/config.json`,
    scope: "user",
    secrets: ["old.authorization"],
  })
  expect(await person.read("config.json")).toBe(before.replace('"old":', '"new":'))
  expect([tools.code, tools.stderr, gone.code]).toEqual([0, "", 2])
  expect(tools.stdout).toContain("echo")
  expect(await whereIs(key, person)).toEqual([])
})

test.concurrent("a renamed server is still remembered: while it is down, its client keeps its tools", async () => {
  await using server = await startMcpServer()
  await using home = await makeHome()
  await home.postern(["add", "old", server.url])
  {
    await using client = startClient(home, ["run", "old"])
    await client.open()
    await client.request("tools/list")
    client.child.stdin.end()
    await client.exited
  }
  await server.close()

  await home.postern(["rename", "old", "new"])
  await using client = startClient(home, ["run", "new"])
  const opened = await client.open()
  const listed = await client.request("tools/list")

  expect(opened.result).toMatchObject({ serverInfo: { name: "test" } })
  expect(listed.result?.["tools"]).toHaveLength(1)
})

test.concurrent("7: a bridge that runs goes on when its server is renamed, switched off and on", async () => {
  await using server = await startMcpServer()
  await using person = await makePerson()
  await person.added(["add", "one", server.url])
  const bridge = person.start(["run", "one"])
  const answers = lines(bridge.stdout)
  const say = (message: object): void => void bridge.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
  say({ id: 1, method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } } })
  expect(await answers.next()).toMatchObject({ value: { id: 1, result: {} } })

  const renamed = await person.postern(["rename", "one", "two"])
  const disabled = await person.postern(["disable", "two"])
  say({ id: 2, method: "tools/list" })
  const answer = await answers.next()
  const refused = await person.postern(["tools", "two", "--json"])
  const enabled = await person.postern(["enable", "two"])
  bridge.stdin.end()

  expect([renamed.code, disabled.code, enabled.code]).toEqual([0, 0, 0])
  expect(renamed.stdout).toMatch(/^Renamed "one" to "two" in .*\n.*note: Bridges that run go on.*\n {2}next: postern run two/)
  expect(answer).toMatchObject({ value: { id: 2, result: { tools: [{ name: "echo" }] } } })
  expect([refused.code, refused.json<ErrorObject>().error]).toMatchObject([1, { code: "server-disabled", next: "postern enable two" }])
  expect((await person.postern(["tools", "two"])).code).toBe(0)
})

test.concurrent("7: an entry is renamed and switched in its own scope, and its project file stays approved", async () => {
  await using person = await makePerson()
  await person.added(
    ["add", "same", "https://user.example/"],
    ["add", "same", "--scope", "project", "https://project.example/"],
    ["add", "same", "--scope", "local", "https://local.example/"],
  )

  const off = await person.postern(["disable", "same", "--scope", "project", "--json"])
  const renamed = await person.postern(["rename", "same", "near"])
  const servers = (await person.postern(["list", "--json"])).json<{ servers: { name: string; scope: string }[] }>().servers

  expect(off.json()).toMatchObject({ scope: "project", enabled: false, changed: true })
  expect(renamed.code).toBe(0)
  expect(servers).toMatchObject([
    { name: "near", scope: "local", url: "https://local.example/" },
    { name: "same", scope: "project", enabled: false, trusted: true },
  ])
})

test.concurrent("7: a project file that nobody approved can be switched, and is not approved by it", async () => {
  await using person = await makePerson()
  const file = await person.write(".postern.json", { mcpServers: { theirs: { command: "true" } } })

  const off = await person.postern(["disable", "theirs"])
  const list = (await person.postern(["list", "--json"])).json<{ servers: unknown[] }>()

  expect(off.code).toBe(0)
  expect(JSON.parse(await readFile(file, "utf8"))).toEqual({ mcpServers: { theirs: { command: "true", enabled: false } } })
  expect(list.servers).toMatchObject([{ name: "theirs", enabled: false, trusted: false }])
})

test.concurrent("7: what cannot be renamed or switched is told with its code, and nothing changes", async () => {
  await using person = await makePerson()
  await person.added(["add", "weather-service", "https://w.example/"], ["add", "other", "https://o.example/"])
  const before = await person.read("config.json")
  const attempts: readonly (readonly [readonly string[], number, string])[] = [
    [["rename", "wether-service", "x"], 2, "unknown-server"],
    [["rename", "other", "weather-service"], 1, "server-exists"],
    [["rename", "other", "../x"], 2, "server-name-invalid"],
    [["rename", "other", "x", "--scope", "project"], 2, "unknown-server"],
    [["enable", "wether-service"], 2, "unknown-server"],
    [["disable", "wether-service"], 2, "unknown-server"],
    [["rename", "other"], 2, "usage-wrong"],
    [["enable"], 2, "usage-wrong"],
  ]

  const outcomes = await Promise.all(attempts.map(([words]) => person.postern([...words, "--json"])))

  expect(outcomes.map((outcome) => [outcome.code, outcome.json<ErrorObject>().error.code])).toEqual(
    attempts.map(([, code, name]) => [code, name]),
  )
  expect(outcomes[0]?.stdout).toContain('did you mean \\"weather-service\\"')
  expect(await person.read("config.json")).toBe(before)
  expect((await person.postern(["enable", "other"])).stdout).toMatch(/^"other" was enabled before/)
})

async function* lines(stream: AsyncIterable<Buffer>): AsyncGenerator<unknown> {
  let held = ""
  for await (const chunk of stream) {
    const parts = (held + chunk.toString()).split("\n")
    held = parts.pop() ?? ""
    for (const part of parts) yield JSON.parse(part)
  }
}

test.concurrent("a name that a shell would not take for one word is quoted in the next step, which does what it says", async () => {
  await using person = await makePerson()
  await person.write(`${person.folder}/config.json`, {
    mcpServers: { "-d's": { url: "https://a.example/", headers: { A: "${vault:k}" } } },
  })

  const disabled = await person.postern(["disable", "--", "-d's"])
  const rotated = await person.postern(["rotate", "--", "-d's"])
  const enabled = await person.postern(["enable", "--", "-d's"])

  expect(disabled.stdout).toContain("\n  next: postern enable -- '-d'\\''s'\n")
  expect(rotated.stderr).toContain("\n  next: postern rotate -- '-d'\\''s' -\n")
  expect(enabled.stdout).toMatch(/is enabled now/)
})
