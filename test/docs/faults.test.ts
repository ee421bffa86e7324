/** The table of faults stays true: each code exists, and each test that it names stands in the file that it names. */
import { readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { expect, test } from "vitest"
import * as cli from "../../src/cli/diagnoses.ts"
import { allDiagnoses } from "../../src/inspect/diagnoses.ts"
import { root } from "./pages.ts"

const page = join(root, "docs/faults.md")
const rows = (await readFile(page, "utf8")).split("\n").flatMap((line) => {
  const [, fault = "", , code = "", proof = ""] = line.split(" | ").length === 4 ? ["", ...line.replace(/^\| | \|$/g, "").split(" | ")] : []
  const [, name = "", file = ""] = /^\[(.*)\]\((\S+)\)$/.exec(proof) ?? []
  return name === "" ? [] : [{ fault, code: code.replaceAll("`", ""), name, file }]
})
const codes = new Set(allDiagnoses(cli).map(({ code }) => code))

test("the table has its rows", () => {
  expect(rows.length).toBeGreaterThan(45)
})

test.each(rows)("$fault: its code and its test exist", async ({ code, name, file }) => {
  if (code !== "–") expect(codes).toContain(code)

  const source = await readFile(join(dirname(page), file), "utf8")

  expect(['"', "`"].some((mark) => source.includes(`${mark}${name}${mark}`))).toBe(true)
})

test("the numbers of the long run are those of the run that is linked", async () => {
  const text = await readFile(page, "utf8")
  const [, file = "", said = ""] = /\]\((\S+long-run\.md)\)([^]*?)\n(?:\n|$)/.exec(text) ?? []
  const result = await readFile(join(dirname(page), file), "utf8")

  const numbers = said.match(/\d[\d,]*/g) ?? []

  expect(numbers).toHaveLength(2)
  for (const number of numbers) expect(result).toContain(`| ${number} |`)
})
