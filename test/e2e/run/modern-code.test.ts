/** What a start of `run` loads: the code of the modern era comes with the first modern message, and not before. */
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { makeHome, startClient } from "../../harness/client.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"
import { modern, startModernServer } from "../../servers/modern-server.ts"

/** Runs a bridge to its end. @returns the files that its process had loaded */
async function filesLoaded(url: string, talk: (client: ReturnType<typeof startClient>) => Promise<unknown>): Promise<readonly string[]> {
  await using home = await makeHome()
  const told = join(home.path, "loaded.json")
  const preload = join(home.path, "preload.cjs")
  const tell = `require("node:fs").writeFileSync(${JSON.stringify(told)}, JSON.stringify(Object.keys(require.cache)))`
  await writeFile(preload, `process.on("exit", () => ${tell})`)
  const config = await home.config({ server: { type: "http", url } })
  const env = { ...home.env, NODE_OPTIONS: `--require ${preload}` }
  await using client = startClient({ ...home, env }, ["run", "server", "--config", config])
  await talk(client)
  client.child.stdin.end()
  await client.exited
  return JSON.parse(await readFile(told, "utf8")) as readonly string[]
}

const isModern = (file: string): boolean => /modern-http/.test(file)

test("a legacy session loads none of the modern era, and a modern message loads it", async () => {
  await using legacyServer = await startMcpServer()
  await using modernServer = await startModernServer()

  const legacy = await filesLoaded(legacyServer.url, async (client) => {
    await client.open()
    return client.request("tools/list")
  })
  const stateless = await filesLoaded(modernServer.url, (client) => client.request("tools/list", modern()))

  expect(legacy.length).toBeGreaterThan(1)
  expect(legacy.filter(isModern)).toEqual([])
  expect(stateless.filter(isModern)).toHaveLength(1)
})
