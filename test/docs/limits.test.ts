/** The table of limits stays true: each constant that it names stands in the file that it names, with the number that it tells. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { root } from "./pages.ts"

const page = await readFile(join(root, "docs/architecture.md"), "utf8")
const table = page.slice(page.indexOf("### Limits"), page.indexOf("## The lease"))
const rows = table.split("\n").flatMap((line) => {
  const [, what = "", limit = "", constants = "", file = ""] = line.split("|").map((cell) => cell.trim())
  const path = /^`(src\/.+)`$/.exec(file)?.[1]
  return path === undefined ? [] : names(constants).map((constant) => ({ what, limit, constant, path }))
})

function names(cell: string): readonly string[] {
  return Array.from(cell.matchAll(/`(\w+)`/g), ([, name = ""]) => name)
}

/** How many of the constant's own unit one of a unit of the table is: milliseconds, bytes or characters, or just a number. */
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  MiB: 2 ** 20,
  KiB: 1024,
  Mi: 2 ** 20,
  Ki: 1024,
}

/** The numbers that a limit tells, each as its constant may have it: a life in days is a number of seconds. */
function told(limit: string): readonly number[] {
  return Array.from(limit.matchAll(/(\d[\d.,]*\d|\d)(?: to \d+)? ?(days|[A-Za-z]+)?/g)).flatMap(([, digits = "", unit = ""]) => {
    const count = Number(digits.replaceAll(",", ""))
    return unit === "days" ? [count * 86_400] : [count * (UNITS[unit] ?? 1)]
  })
}

/** The numbers of a declaration: products such as `5 * 60_000` worked out, other constants of the house with what they say. */
async function declared(constant: string, path: string): Promise<readonly number[]> {
  const source = await readFile(join(root, path), "utf8")
  const declaration = new RegExp(`\\b${constant} = ([^\\n]*)`).exec(source)?.[1] ?? ""
  const text = declaration
    .replaceAll("TOKEN_LIMIT_MS", "60_000")
    .replaceAll("_", "")
    .replace(/\/\/.*/, "")
  return Array.from(text.matchAll(/[\d.]+(?: \* [\d.]+)*/g), ([product]) =>
    product.split(" * ").reduce((whole, factor) => whole * Number(factor), 1),
  )
}

test("the table has its rows", () => {
  expect(rows.length).toBeGreaterThan(70)
})

test.each(rows.filter(({ constant }) => constant !== "recovered"))("$what: $constant says $limit", async ({ limit, constant, path }) => {
  const numbers = await declared(constant, path)

  expect(numbers.length).toBeGreaterThan(0)
  expect(numbers.filter((number) => told(limit).includes(number))).not.toEqual([])
})
