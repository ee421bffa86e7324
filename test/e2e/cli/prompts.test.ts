/** Questions on a terminal: how one leaves them, and terminals that cannot draw. */
import { expect, test } from "vitest"
import { makePerson, newSecret, type Person, type Terminal, whereIs } from "../../harness/postern.ts"

const URL = "https://api.example/mcp"
/** The two keys that end a question, as a terminal sends them. */
const LEAVING = { "Ctrl-C": "\u0003", "Ctrl-D": "\u0004" } as const

const addWeather = (person: Person): Promise<void> =>
  person.added(["add", "weather", "--header", "Authorization: Bearer abcdef123456", URL])

async function leave(terminal: Terminal, question: string, key: string): Promise<number> {
  await terminal.shows(question)
  terminal.type(key)
  return terminal.exited
}

test.each(Object.entries(LEAVING))("%s at the question for a secret is an interruption: exit 1, and the old key stays", async (_, key) => {
  await using person = await makePerson()
  await addWeather(person)
  const before = await person.read("vault.json")

  const terminal = person.terminal(["rotate", "weather"])

  expect(await leave(terminal, "not shown", key)).toBe(1)
  expect(terminal.seen()).toContain("postern: Interrupted.")
  expect(terminal.seen().lastIndexOf("\u001b[?25h")).toBeGreaterThan(terminal.seen().lastIndexOf("\u001b[?25l")) // the cursor is back
  expect(await person.read("vault.json")).toBe(before)
})

test("an entry that is pasted with its line breaks is taken whole, and nothing of it is shown or left to the shell", async () => {
  await using person = await makePerson()
  const secret = newSecret()
  const entry = JSON.stringify({ type: "http", url: URL, headers: { "X-Api-Key": secret } }, undefined, 2)

  const terminal = person.terminal(["add-json", "weather", "-"])
  await terminal.shows("The JSON entry")
  terminal.type(`${entry.replaceAll("\n", "\r")}\r`)

  expect(await terminal.exited).toBe(0)
  expect(terminal.seen()).toContain('Added "weather"')
  expect(terminal.seen()).not.toContain(secret)
  expect(JSON.parse(await person.read("config.json"))).toMatchObject({
    mcpServers: { weather: { headers: { "X-Api-Key": "${vault:weather.x-api-key}" } } },
  })
})

test.each(Object.entries(LEAVING))("%s at the question for an entry is an interruption: exit 1, and nothing is added", async (_, key) => {
  await using person = await makePerson()

  const terminal = person.terminal(["add-json", "weather", "-"])
  await terminal.shows("The JSON entry")
  terminal.type("{\r")

  expect(await leave(terminal, "The JSON entry", key)).toBe(1)
  expect(terminal.seen()).toContain("postern: Interrupted.")
  expect([...(await person.files()).keys()]).toEqual([])
})

test.each(Object.entries(LEAVING))("%s at a yes or no approves nothing, and is no success", async (_, key) => {
  await using person = await makePerson()
  await person.write(".postern.json", { mcpServers: { shop: { type: "http", url: URL } } })

  const terminal = person.terminal(["trust"])

  expect(await leave(terminal, "Approve this file", key)).toBe(1)
  expect((await person.postern(["run", "shop"])).code).toBe(4)
})

test("run that is typed on a terminal says that a client starts it, and ends with Ctrl-D", async () => {
  await using person = await makePerson()
  await addWeather(person)

  const terminal = person.terminal(["run", "weather"])
  await terminal.shows("a client starts this, and speaks MCP with it; Ctrl-D ends it. To look at the server: postern tools weather")
  terminal.type(LEAVING["Ctrl-D"])

  expect(await terminal.exited).toBe(0)
})

test("on a terminal that cannot draw, a secret is asked for in a plain line, and is not shown", async () => {
  await using person = await makePerson()
  await addWeather(person)
  const secret = newSecret()

  const terminal = person.terminal(["rotate", "weather"], { env: { TERM: "dumb" } })
  await terminal.shows("not shown")
  terminal.type(`${secret}\r`)

  expect(await terminal.exited).toBe(0)
  expect(terminal.seen()).toMatch(/^New Authorization for weather \(it is not shown\): \r\nweather: Authorization is now key /)
  expect(terminal.seen()).not.toContain("\u001b")
  expect(await whereIs(secret, person)).toEqual([])
  expect((await person.postern(["headers", "weather"])).json()).toEqual({ authorization: `Bearer ${secret}` })
})

test("on a terminal that cannot draw, yes or no is a plain line, whose bare Return is no", async () => {
  await using person = await makePerson()
  await person.write(".postern.json", { mcpServers: { shop: { type: "http", url: URL } } })

  for (const [typed, code] of [
    ["\r", 4],
    ["y\r", 0],
  ] as const) {
    const terminal = person.terminal(["trust"], { env: { TERM: "dumb" } })
    await terminal.shows("[y/N]")
    terminal.type(typed)
    expect(await terminal.exited).toBe(code)
    expect(terminal.seen()).not.toContain("\u001b")
  }
})

test.each(Object.entries(LEAVING))("%s ends the plain question as well", async (_, key) => {
  await using person = await makePerson()
  await addWeather(person)

  const terminal = person.terminal(["rotate", "weather"], { env: { TERM: "dumb" } })

  expect(await leave(terminal, "not shown", key)).toBe(1)
  expect(terminal.seen()).toContain("\r\npostern: Interrupted.")
})
