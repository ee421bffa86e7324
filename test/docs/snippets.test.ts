/** What a reader pastes into a file can be read there. */
import { expect, test } from "vitest"
import { parseEntry } from "../../src/config/schema.ts"
import { blocksOf, readPages } from "./pages.ts"

const pages = await readPages()
const snippets = pages.flatMap((page) =>
  blocksOf(page)
    .filter(({ language }) => language === "json")
    .map(({ text }) => ({ page: page.path, text })),
)

/** VS Code spells the key otherwise. */
interface ServersFile {
  readonly mcpServers?: Readonly<Record<string, unknown>>
  readonly servers?: Readonly<Record<string, unknown>>
}

test.each(snippets)("a JSON snippet of $page is a configuration without a fault", ({ page, text }) => {
  const file: ServersFile = JSON.parse(text)
  const entries = Object.entries(file.mcpServers ?? file.servers ?? {})

  const parsed = entries.map(([name, entry]) => parseEntry(entry, ["mcpServers", name], { name, scope: "file", file: page, trusted: true }))

  expect(entries).not.toHaveLength(0)
  expect(parsed.flatMap((one) => ("faults" in one ? one.faults : []))).toEqual([])
})

test("the README shows how four clients start the bridge", () => {
  const readme = pages.find(({ path }) => path === "README.md")
  const starts = blocksOf(readme ?? { path: "", text: "" }).filter(({ text }) => /"run", "weather-service"\]/.test(text))

  expect(starts.map(({ language }) => language)).toEqual(["json", "json", "json", "toml"])
})
