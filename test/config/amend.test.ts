import { readFile } from "node:fs/promises"
import { expect, test } from "vitest"
import { renameServer, switchServer } from "../../src/config/amend.ts"
import { type Configuration, loadConfiguration } from "../../src/config/files.ts"
import { findInScope } from "../../src/config/find.ts"
import { renameJsonc } from "../../src/config/jsonc-edit.ts"
import type { Server } from "../../src/config/server.ts"
import { systemClock } from "../../src/core/clock.ts"
import { type TestFolder, makeFolder } from "./folder.ts"

const surroundingsOf = (folder: TestFolder) => ({ cwd: folder.project, env: folder.env, places: folder.places })

/** The server, and what an amendment works with. */
async function found(folder: TestFolder, name: string): Promise<{ server: Server; tools: Parameters<typeof renameServer>[2] }> {
  const surroundings = surroundingsOf(folder)
  const configuration: Configuration = await loadConfiguration(surroundings)
  return { server: findInScope(configuration, name), tools: { configuration, surroundings, clock: systemClock } }
}

test.each([
  ['{"b": {"a": 1}}', '{"b": {"c": 1}}'],
  ['{ "b": { /* x */ "a" /* y */ : [1], // z\n } }', '{ "b": { /* x */ "c" /* y */ : [1], // z\n } }'],
  ['{"a": 0, "b": {"x": 1,\r\n  "\\u0061": 1}}', '{"a": 0, "b": {"x": 1,\r\n  "c": 1}}'],
])("another name for b.a in %j changes the key and nothing else", (text, expected) => {
  expect(renameJsonc(text, ["b", "a"], "c")).toBe(expected)
})

test("a renamed server keeps its place, its comments and its references", async ({ signal }) => {
  await using folder = await makeFolder()
  const text = `{
  // my servers
  "mcpServers": {
    "a": { "url": "https://a.example/" },
    /* the old one */ "old": { "url": "https://o.example/", "headers": { "Authorization": "Bearer \${vault:old.authorization}" } }, // keep
    "z": { "url": "https://z.example/" },
  },
}
`
  await folder.write(folder.places.config, text)
  const { server, tools } = await found(folder, "old")

  const file = await renameServer(server, { name: "new" }, tools, signal)

  expect(file).toBe(folder.places.config)
  expect(await readFile(file, "utf8")).toBe(text.replace('"old":', '"new":'))
})

test("a name that is taken in any scope, and one that cannot be a name, is refused and leaves the file as it is", async ({ signal }) => {
  await using folder = await makeFolder()
  const config = {
    mcpServers: { mine: { url: "https://m.example/" }, broken: { url: 5 } },
    projects: { [folder.project]: { mcpServers: { near: { url: "https://n.example/" } } } },
  }
  await folder.write(folder.places.config, config)
  const { server, tools } = await found(folder, "near")
  const before = await readFile(folder.places.config, "utf8")

  for (const name of ["mine", "broken", "near"])
    await expect(renameServer(server, { name }, tools, signal)).rejects.toMatchObject({ diagnosis: { code: "server-exists" } })
  for (const name of ["../x", "", "-x", "a b", "__proto__"])
    await expect(renameServer(server, { name }, tools, signal)).rejects.toMatchObject({ diagnosis: { code: "server-name-invalid" } })
  expect(await readFile(folder.places.config, "utf8")).toBe(before)
})

test("a name that somebody takes while one looks at the list is seen under the lock", async ({ signal }) => {
  await using folder = await makeFolder()
  await folder.write(folder.places.config, { mcpServers: { old: { url: "https://o.example/" } } })
  const { server, tools } = await found(folder, "old")
  await folder.write(folder.places.config, { mcpServers: { old: { url: "https://o.example/" }, new: { url: "https://n.example/" } } })

  await expect(renameServer(server, { name: "new" }, tools, signal)).rejects.toMatchObject({ diagnosis: { code: "server-exists" } })
  await folder.write(folder.places.config, { mcpServers: {} })
  await expect(renameServer(server, { name: "other" }, tools, signal)).rejects.toMatchObject({ diagnosis: { code: "unknown-server" } })
})

test.each([
  ['{ "url": "https://x.example/" }', '{ "url": "https://x.example/", "enabled": false }'],
  ['{ "enabled": true, /* c */ "url": "https://x.example/" }', '{ "enabled": false, /* c */ "url": "https://x.example/" }'],
])("switching %s off, and on again, edits it in place", async (on, off) => {
  await using folder = await makeFolder()
  const wrap = (entry: string): string => `{\n  "mcpServers": {\n    "x": ${entry} // x\n  }\n}\n`
  await folder.write(folder.places.config, wrap(on))
  const { server, tools } = await found(folder, "x")
  const { signal } = new AbortController()

  expect(await switchServer(server, true, tools, signal)).toMatchObject({ changed: false })
  expect(await switchServer(server, false, tools, signal)).toMatchObject({ changed: true })
  expect(await readFile(folder.places.config, "utf8")).toBe(wrap(off))
  expect(await switchServer(server, false, tools, signal)).toMatchObject({ changed: false })
  expect(await switchServer(server, true, tools, signal)).toMatchObject({ changed: true })
  expect((await found(folder, "x")).server.enabled).toBe(true)
})

test("what another client spells disabled is taken out, together with our own word", async ({ signal }) => {
  await using folder = await makeFolder()
  const entry = { url: "https://x.example/", disabled: true, enabled: false, timeout: 5000 }
  await folder.write(folder.places.config, { mcpServers: { x: entry, y: { url: "https://y.example/", disabled: true } } })

  const x = await found(folder, "x")
  await switchServer(x.server, true, x.tools, signal)
  const y = await found(folder, "y")

  expect(await switchServer(y.server, false, y.tools, signal)).toMatchObject({ changed: false })
  const { mcpServers } = JSON.parse(await readFile(folder.places.config, "utf8")) as { mcpServers: Record<string, unknown> } // written above
  expect(mcpServers["x"]).toEqual({ url: "https://x.example/", timeout: 5000 })
})
