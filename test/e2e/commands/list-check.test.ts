/** Row 7: list --check and its exit codes. */
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { type ErrorObject, type Outcome, makePerson, newSecret } from "../../harness/postern.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"

interface Listed {
  readonly servers: readonly { readonly name: string; readonly check?: { ok: boolean | null; code: string | null; cause: string | null } }[]
}

const checksOf = (outcome: Outcome): Record<string, unknown> =>
  Object.fromEntries(outcome.json<Listed>().servers.map(({ name, check }) => [name, [check?.ok, check?.code]]))

const CHECK = ["list", "--check", "--exit-code", "--json"]
const LOCAL_SERVER = fileURLToPath(new URL("../../servers/stdio-server.mjs", import.meta.url))

test.concurrent("7: each server is asked, and its entry says what came of it", async () => {
  const key = newSecret()
  await using server = await startMcpServer({ key })
  await using person = await makePerson()
  await person.postern(["add", "right", "--header", "Authorization: Bearer -", server.url], { stdin: key })
  await person.postern(["add", "wrong", "--header", "Authorization: Bearer -", server.url], { stdin: newSecret() })
  await person.added(
    ["add", "bare", server.url],
    ["add", "down", "http://127.0.0.1:9/mcp"],
    ["add", "local", "--", "node", LOCAL_SERVER],
    ["add", "off", "--", "sh", "-c", `echo ran > ${person.home}/canary`],
  )
  await person.postern(["disable", "off"])
  await person.write(".postern.json", { mcpServers: { theirs: { command: "sh", args: ["-c", `echo ran > ${person.home}/canary`] } } })
  const config = JSON.parse(await person.read("config.json")) as { mcpServers: Record<string, unknown> } // as written above
  await person.write(`${person.folder}/config.json`, { mcpServers: { ...config.mcpServers, broken: { url: 5 } } })

  const [asJson, text, plain] = await Promise.all([
    person.postern(CHECK),
    person.postern(["list", "--check"]),
    person.postern(["list", "--json"]),
  ])

  expect(checksOf(asJson)).toEqual({
    bare: [false, "oauth-sign-in-needed"],
    broken: [false, "config-invalid"],
    down: [false, "server-unreachable"],
    local: [true, null],
    off: [null, "server-disabled"],
    right: [true, null],
    theirs: [null, "project-not-trusted"],
    wrong: [false, "header-refused"],
  })
  expect([asJson.code, text.code]).toEqual([1, 0])
  expect(text.stdout).toMatch(/^NAME .* STATE +CHECK$/m)
  expect(text.stdout).toMatch(/^right .* answers$/m)
  expect(text.stdout).toMatch(/^bare +http +oauth +- .* needs a sign-in: postern auth bare +oauth-sign-in-needed$/m)
  expect(text.stdout).toMatch(/^off .* not asked$/m)
  expect(text.stdout).toContain('wrong: The server "wrong" does not accept the header Authorization.\n  next: postern rotate wrong')
  expect(text.stdout).toContain('off: not asked. The server "off" is disabled.\n  next: postern enable off')
  expect(text.stderr + asJson.stderr).not.toContain("asked ") // progress is for a terminal
  expect([...(await person.files()).keys()]).not.toContain("canary")
  expect(plain.json<Listed>().servers.some(({ check }) => check !== undefined)).toBe(false)
})

test.concurrent("7: --exit-code is 0 if all answer, 3 where only a sign-in is needed, 4 where only a guard refuses", async () => {
  await using server = await startMcpServer()
  await using closed = await startMcpServer({ key: newSecret() })
  await using moved = await startMcpServer()
  moved.handler = (_, response) => {
    response.writeHead(307, { location: "https://elsewhere.example/mcp" }).end()
    return true
  }
  await using person = await makePerson()

  const codes: unknown[] = []
  for (const [name, url] of [
    ["fine", server.url],
    ["moved", moved.url],
    ["closed", closed.url],
    ["down", "http://127.0.0.1:9/mcp"],
  ] as const) {
    await person.added(["add", name, url])
    codes.push((await person.postern(CHECK)).code)
  }
  const without = await person.postern(["list", "--check", "--json"])

  expect(codes).toEqual([0, 4, 3, 1])
  expect(without.code).toBe(0)
  expect(moved.seen.length).toBeGreaterThan(0)
})

test.concurrent("7: --exit-code without --check is wrong usage, and no server is no fault", async () => {
  await using person = await makePerson()

  const [alone, empty] = await Promise.all([person.postern(["list", "--exit-code", "--json"]), person.postern(CHECK)])

  expect([alone.code, alone.json<ErrorObject>().error.next]).toEqual([2, "postern list --check --exit-code"])
  expect([empty.code, empty.stdout]).toEqual([0, '{\n  "servers": []\n}\n'])
})

test.concurrent("7: on a terminal the progress is told, and taken away again", async () => {
  await using server = await startMcpServer()
  await using person = await makePerson()
  await person.added(["add", "one", server.url])

  const terminal = person.terminal(["list", "--check"])
  await terminal.shows("asked 1 of 1 servers")

  expect(await terminal.exited).toBe(0)
  expect(terminal.seen()).toContain("asked 1 of 1 servers\r\u001B[K")
})

test.concurrent("3.1: on a terminal that is narrower than the table each server has a paragraph of its own", async () => {
  await using person = await makePerson()
  await person.added(["add", "one", "https://api.example/mcp"])

  const terminal = person.terminal(["list"], { columns: 40 })

  expect(await terminal.exited).toBe(0)
  expect(terminal.seen()).toMatch(/^one\r\n {2}TRANSPORT +http\r\n {2}METHOD +none\r\n {2}WHO +nobody\r\n/)
})
