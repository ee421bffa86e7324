/** Columns for a person, on terminals wide and narrow. */
import { expect, test } from "vitest"
import { table } from "../../src/cli/table.ts"

const ROWS = [
  ["NAME", "METHOD", "WHO"],
  ["weather", "header", "key 8123b1e6"],
  ["files", "none", "-"],
]

test("a terminal that is wide enough gets columns, and so does a program", () => {
  const columns = "NAME     METHOD  WHO\nweather  header  key 8123b1e6\nfiles    none    -"

  expect(table(ROWS)).toBe(columns)
  expect(table(ROWS, 29)).toBe(columns)
})

test("a narrower terminal gets row by row, each cell named", () => {
  expect(table(ROWS, 28)).toBe("weather\n  METHOD  header\n  WHO     key 8123b1e6\n\nfiles\n  METHOD  none\n  WHO     -")
})

test("a cell stays in its row, whatever it holds", () => {
  expect(table([["NAME"], ["a\nb\tc\u001b[2J"]])).toBe("NAME\na\\nb\\tc\\u001b[2J")
})

test("of two columns the second needs no name on a narrow terminal", () => {
  const rows = [
    ["TOOL", "DESCRIPTION"],
    ["echo", "Echoes back the input string"],
  ]

  expect(table(rows, 20)).toBe("echo\n  Echoes back the input string")
})

test.each([
  ["wide letters", "日本語"],
  ["a wide sign outside the first plane", "🚀🚀🚀"],
  ["a letter whose mark is a sign of its own", "zwei-o\u0308"],
])("columns stand below one another with %s", (_, name) => {
  const sixWide = [
    ["NAME", "METHOD"],
    [name, "none"],
    ["abcdef", "none"],
  ]

  expect(table(sixWide)).toBe(`NAME    METHOD\n${name}  none\nabcdef  none`)
})
