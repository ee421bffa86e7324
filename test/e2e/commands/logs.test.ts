/** Row 7: what run --log wrote, shown by logs. */
import { execFileSync } from "node:child_process"
import { appendFile, rename, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { expect, test } from "vitest"
import { type ErrorObject, type Person, makePerson, newSecret } from "../../harness/postern.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"

const line = (event: string, fields: object = {}): string =>
  `${JSON.stringify({ time: "2026-11-23T23:22:59.441Z", level: "info", event, ...fields })}\n`
const TOLD = "2026-11-23T23:22:59.441Z  info "

/** `logs --follow`, and what it has printed. */
function follow(person: Person, file: string): { until(text: string): Promise<void>; end(): Promise<[number | null, string]> } {
  const child = person.start(["logs", file, "--follow"])
  let seen = ""
  child.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()))
  return {
    async until(text) {
      for (let waited = 0; !seen.includes(text); waited += 20) {
        if (waited > 20_000) throw new Error(`"${text}" was not shown: ${seen}`)
        await delay(20)
      }
    },
    end: () =>
      new Promise((done) => {
        child.on("close", (code) => done([code, seen]))
        child.kill("SIGINT")
      }),
  }
}

test.concurrent("7: the log of a bridge is shown event by event, and holds no secret", async () => {
  const key = newSecret()
  await using person = await makePerson()
  const file = join(person.home, "bridge.log")
  await person.postern(["add", "down", "--header", "Authorization: Bearer -", "http://127.0.0.1:9/mcp"], { stdin: key })
  await person.postern(["run", "down", "--log", file], { stdin: `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })}\n` })

  const text = await person.postern(["logs", file])
  const asJson = await person.postern(["logs", file, "--json"])

  expect([text.code, text.stderr]).toEqual([0, ""])
  expect(text.stdout).toMatch(/^\d{4}-\d\d-\d\dT\S+Z {2}error {2}request failed {2}method=ping {2}code=server-unreachable$/m)
  expect(
    asJson.stdout
      .trim()
      .split("\n")
      .map((one) => (JSON.parse(one) as { event: string }).event),
  ).toContain("request failed") // one object a line
  expect(text.stdout + asJson.stdout).not.toContain(key)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
})

test.concurrent("a log that is a pipe which nobody reads keeps no bridge from its work, nor from its end", async () => {
  await using server = await startMcpServer()
  await using person = await makePerson()
  const pipe = join(person.home, "pipe")
  execFileSync("mkfifo", [pipe])
  await person.added(["add", "one", server.url])

  const ran = await person.postern(["run", "one", "--log", pipe], {
    stdin: `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} })}\n`,
  })

  expect(ran.code).toBe(0)
  expect(ran.stdout).toContain('"serverInfo"')
  expect(ran.stderr).toContain("the log cannot be written")
})

test.concurrent("7: what is no event is left out and counted, and no character of a log acts on a terminal", async () => {
  await using person = await makePerson()
  const evil = line("said", { by: "a\u001B]0;title\u0007\u009B31m", text: "two\nlines  x", empty: "", "k\u202E\n": 1, deep: { a: [1] } })
  await person.write("mixed.log", `greeting of something else\n${line("first")}${evil}\n[1]\n{"time":1}\n${line("half").slice(0, 30)}`)

  const text = await person.postern(["logs", "mixed.log"])
  const asJson = await person.postern(["logs", "mixed.log", "--json"])

  expect(text.code).toBe(0)
  expect(text.stdout.split("\n")).toEqual([
    `${TOLD}  first`,
    String.raw`${TOLD}  said  by=a\u001b]0;title\u0007\u009b31m  text="two\nlines  x"  empty=""  k\u202e=1  deep={"a":[1]}`,
    "",
  ])
  expect(text.stderr).toContain("3 lines were left out")
  expect(text.stderr).toContain("the last line is not finished")
  expect(
    asJson.stdout
      .trim()
      .split("\n")
      .map((one) => (JSON.parse(one) as { event: string }).event),
  ).toEqual(["first", "said"]) // still JSON
})

test.concurrent("7: a log that is not there, is empty, or is something else is told as that", async () => {
  await using person = await makePerson()
  await person.added(["add", "weather", "https://w.example/"])
  await person.write("empty.log", "")
  await person.write("other.log", "no json\n{}\n")

  const [missing, server, other, folder, empty] = await Promise.all(
    [["no.log"], ["weather"], ["other.log"], ["."], ["empty.log"]].map((words) => person.postern(["logs", ...words, "--json"])),
  )

  expect([missing, server, other, folder].map((outcome) => [outcome?.code, outcome?.json<ErrorObject>().error.code])).toEqual([
    [1, "log-missing"],
    [1, "log-missing"],
    [1, "log-unreadable"],
    [1, "file-unreadable"],
  ])
  expect(server?.json<ErrorObject>().error.next).toBe(
    `postern run weather --log ${person.project}/weather.log, in the configuration of the client`,
  )
  expect([empty?.code, empty?.stdout, empty?.stderr]).toMatchObject([0, "", expect.stringContaining("holds no event yet")])
})

test.concurrent("7: --follow goes on through half lines, a file that is cut short and one that is replaced, and ends with Ctrl-C", async () => {
  await using person = await makePerson()
  const file = await person.write("live.log", line("one"))
  const followed = follow(person, file)
  await followed.until("one\n")

  const two = line("two")
  await appendFile(file, two.slice(0, 20))
  await delay(300)
  await appendFile(file, two.slice(20))
  await followed.until("two\n")
  await truncate(file)
  await delay(500)
  await appendFile(file, line("three"))
  await followed.until("three\n")
  await writeFile(`${file}.new`, line("four"))
  await rename(`${file}.new`, file)
  await followed.until("four\n")

  expect(await followed.end()).toEqual([0, ["one", "two", "three", "four"].map((event) => `${TOLD}  ${event}\n`).join("")])
})
