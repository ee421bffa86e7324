/** Checks the contract against the names of the tests. */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import { contract } from "./contract.ts"

const FOLDER = fileURLToPath(new URL(".", import.meta.url))

/** A text that begins like the name of a test of a row: after the bracket of `test(` or `test.each(...)(`. */
const NAMED = /\(\s*["'`](\d+(?:\.\d+)*): /g

async function idsInTests(): Promise<ReadonlySet<string>> {
  const names = (await readdir(FOLDER, { recursive: true })).filter((name) => name.endsWith(".test.ts"))
  const texts = await Promise.all(names.map((name) => readFile(join(FOLDER, name), "utf8")))
  return new Set(texts.flatMap((text) => [...text.matchAll(NAMED)].map(([, id]) => id ?? "")))
}

describe("the contract", async () => {
  const tested = await idsInTests()

  test.each(Object.entries(contract))("row %s has a test if any of it is built, and none if it comes later", (id, row) => {
    expect(tested.has(id), `${id}: ${row.asks}`).toBe(!("later" in row))
  })

  test("the row of every test exists", () => {
    expect([...tested].filter((id) => !Object.hasOwn(contract, id))).toEqual([])
  })
})
