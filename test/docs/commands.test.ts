/** Each `postern ...` that the words show is one: command and options exist. Only the help is asked; nothing runs. */
import { PassThrough, Readable } from "node:stream"
import { expect, test } from "vitest"
import { commands } from "../../src/cli/commands.ts"
import { main } from "../../src/cli/main.ts"
import { systemClock } from "../../src/core/clock.ts"
import { blocksOf, inlineCodeOf, type Page, readPages } from "./pages.ts"

const pages = await readPages()

/** What `postern WORDS... --help` prints. */
async function readHelp(...words: readonly string[]): Promise<string> {
  const stdout = new PassThrough()
  const { clock, signal } = { clock: systemClock, signal: new AbortController().signal }
  const streams = { stdin: Readable.from([]), stdout, stderr: new PassThrough() }
  await main({ argv: [...words, "--help"], env: {}, cwd: "/", ...streams, clock, signal, version: "0.0.0" })
  return String(stdout.read() ?? "")
}

/** A command line as a shell reads it, far enough: quotes, what is redirected; in a message, words may follow a comma. */
function splitWords(line: string): readonly string[] {
  const words = line.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []
  const end = words.findIndex((word) => ["|", "<", ">", "&&", "#"].includes(word) || word.endsWith(","))
  return end === -1 ? words : words.slice(0, end)
}

/** Every command line of Postern on a page, from the word behind `postern`. */
function commandLinesOf(page: Page): readonly (readonly string[])[] {
  const blocks = blocksOf(page).filter(({ language }) => !["json", "toml"].includes(language))
  const lines = [...blocks.flatMap(({ text }) => text.split("\n")), ...inlineCodeOf(page)]
  return lines.flatMap((line) => {
    const shown = /^(?:\$ |.*?\| |(?: +)|.*? next: )?postern (\S.*)$/.exec(line)?.[1]
    return shown === undefined ? [] : [splitWords(shown)]
  })
}

const lines = pages.flatMap((page) => commandLinesOf(page).map((words) => ({ page: page.path, words, line: words.join(" ") })))

test("the words show commands", () => {
  expect(lines.length).toBeGreaterThan(60)
})

test.each(lines)("$page: postern $line", async ({ words }) => {
  const [first = "", second = ""] = words
  if (first.startsWith("-") || first === "COMMAND") return // `postern --help`, and the word for any command
  expect(Object.keys(commands)).toContain(first)

  const isGroup = ["vault", "oauth", "aws"].includes(first) && second !== ""
  const help = await readHelp(first, ...(isGroup ? [second] : []))
  const own = words.slice(0, words.includes("--") ? words.indexOf("--") : undefined)
  const options = own.flatMap((word) => /^-{1,2}[a-z][\w-]*/.exec(word)?.[0] ?? [])

  expect(help).toContain(`Usage: postern ${isGroup ? `${first} ${second}` : first} `)
  for (const option of options) expect(help).toMatch(new RegExp(`^ +(?:-\\w, )?${option}\\b`, "m"))
})

test("the commands that know --config are those that docs/configuration.md names", async () => {
  const groups = ["vault", "oauth", "aws"]
  const inGroup = async (group: string): Promise<string[]> =>
    Array.from((await readHelp(group)).matchAll(/^ {2}(\w\S*) (?:\[options\]|<)/gm), ([, name = ""]) => `${group} ${name}`)
  const names = [...Object.keys(commands).filter((name) => !groups.includes(name)), ...(await Promise.all(groups.map(inGroup))).flat()]
  const helps = await Promise.all(names.map((name) => readHelp(...name.split(" "))))

  const text = pages.find(({ path }) => path === "docs/configuration.md")?.text ?? ""
  const told = inlineCodeOf({ path: "", text: /The commands that know it: ([^]*?)\.\n\n/.exec(text)?.[1] ?? "" })

  expect(names).toContain("vault set")
  expect(told.toSorted()).toEqual(names.filter((_, at) => /^ +--config\b/m.test(helps[at] ?? "")).toSorted())
})

test("every command stands in the README", () => {
  const shown = new Set(lines.filter(({ page }) => page === "README.md").map(({ words }) => words[0]))

  expect(Object.keys(commands).filter((name) => !shown.has(name))).toEqual([])
})
