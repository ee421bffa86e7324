/** What the completion offers. The shells themselves are tried in test/e2e/commands. */
import { PassThrough, Readable } from "node:stream"
import { expect, test } from "vitest"
import { main } from "../../src/cli/main.ts"
import { systemClock } from "../../src/core/clock.ts"
import { type TestFolder, makeFolder } from "../config/folder.ts"

/** Runs a command line in this process. @returns what it printed */
async function run(folder: TestFolder, argv: readonly string[], input = ""): Promise<string> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const { signal } = new AbortController()
  const streams = { stdin: Readable.from(input === "" ? [] : [Buffer.from(input)]), stdout, stderr }
  await main({ argv, env: folder.env, cwd: folder.project, ...streams, signal, clock: systemClock, version: "0.0.0" })
  expect(String(stderr.read() ?? "")).toBe("")
  return String(stdout.read() ?? "")
}

/** What the scripts are told. */
async function candidates(folder: TestFolder, shell: string, ...words: readonly string[]): Promise<readonly string[]> {
  return (await run(folder, ["completion", shell, "--candidates"], `${words.join("\n")}\n`)).trimEnd().split("\n")
}

const wordsOf = (lines: readonly string[]): readonly string[] => lines.slice(1).map((line) => line.split("\t")[0] ?? "")

const HTTP = { url: "https://w.example/" }

async function commandsOf(folder: TestFolder): Promise<readonly string[]> {
  return [...(await run(folder, ["--help"])).matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name = ""]) => name)
}

/** `help` tells of the others, and has neither options nor servers. */
const isOwn = (name: string): boolean => name !== "help"

test("7: every command and every option that a help shows is completed", async () => {
  await using folder = await makeFolder()
  const offered = wordsOf(await candidates(folder, "fish", ""))
  const commands = (await commandsOf(folder)).filter(isOwn)

  const options = await Promise.all(commands.map((name) => candidates(folder, "fish", name, "--")))
  const helps = await Promise.all(commands.map((name) => run(folder, [name, "--help"])))

  expect(commands.length).toBeGreaterThan(15)
  expect(offered.filter(isOwn)).toEqual(commands)
  for (const [at, name] of commands.entries()) {
    const shown = [...(helps[at]?.matchAll(/^ +(?:-\w, )?(--[\w-]+)/gm) ?? [])].map(([, option]) => option)
    expect.soft(wordsOf(options[at] ?? []).toSorted(), name).toEqual(shown.toSorted()) // a help has them in groups
  }
})

test("7: every argument that names a server is completed with names, also those of a file that --config names", async () => {
  await using folder = await makeFolder()
  await folder.write(folder.places.config, { mcpServers: { "weather-service": HTTP, off: { ...HTTP, enabled: false } } })
  await folder.write("other.json", { mcpServers: { elsewhere: { url: "https://e.example/" } } })
  const commands = (await commandsOf(folder)).filter(isOwn)
  const helps = await Promise.all(commands.map((name) => run(folder, [name, "--help"])))
  const taking = commands.filter((_, at) => /^ {2}\w+ +the server\b/m.test(helps[at] ?? ""))

  const named = await Promise.all(taking.map((name) => candidates(folder, "zsh", name, "")))
  const other = await Promise.all(
    [
      ["get", "--config", "other.json", ""],
      ["get", "--config=other.json", ""],
      ["get", "--config", "=", "other.json", ""],
    ].map((words) => candidates(folder, "bash", ...words)),
  )

  expect(taking).toEqual(
    expect.arrayContaining(["get", "remove", "rename", "enable", "disable", "run", "tools", "call", "headers", "rotate"]),
  )
  expect(named).toEqual(taking.map(() => ["words", "weather-service\thttp server", "off\thttp server"]))
  expect(other.map(wordsOf)).toEqual([["elsewhere"], ["elsewhere"], ["elsewhere"]])
})

test.each([
  [
    ["remove", "--scope", "p"],
    ["words", "project"],
  ],
  [
    ["remove", "--scope=p"],
    ["words", "--scope=project"],
  ],
  [
    ["remove", "--scope", "=", "p"],
    ["words", "project"],
  ],
  [
    ["remove", "--scope", "="],
    ["words", "user", "project", "local"],
  ],
  [
    ["vault", "set", "x", "--server", ""],
    ["words", "weather-service\thttp server"],
  ],
  [["logs", ""], ["files"]],
  [["run", "x", "--log", "we"], ["files"]],
  [["add", "x", "--", "no"], ["files"]],
  [["add", "weather-service", ""], ["words"]],
  [["rename", "weather-service", ""], ["words"]],
  [["nothing", ""], ["words"]],
])("7: behind %j stands %j", async (words, expected) => {
  await using folder = await makeFolder()
  await folder.write(folder.places.config, { mcpServers: { "weather-service": HTTP } })

  expect(await candidates(folder, "bash", ...words)).toEqual(expected)
})

test("7: a name that a shell would read as more than a name is not offered, and no broken file is told of", async () => {
  await using folder = await makeFolder()
  const entry = { url: "https://x.example/" }
  await folder.write(".postern.json", {
    mcpServers: { "$(touch canary)": entry, "a b": entry, "-x": entry, "`id`": entry, "a;b": entry, fine: entry },
  })

  const offered = await candidates(folder, "bash", "get", "")
  await folder.write(".postern.json", "{ broken")

  expect(wordsOf(offered)).toEqual(["fine"])
  expect(await candidates(folder, "bash", "get", "")).toEqual(["words"])
})
