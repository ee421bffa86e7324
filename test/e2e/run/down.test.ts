/** A server that is down when its client starts, or goes down later: the client keeps its tools, and each call tells the cause. */
import { readFile, readdir } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { makeHome, startClient } from "../../harness/client.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"

const call = { name: "echo", arguments: { text: "here" } }

/** A home whose server "weather" was reached once, and is down now. */
async function reachedOnce() {
  const home = await makeHome()
  const server = await startMcpServer({ key: "right-key-123456" })
  await home.postern(["add", "weather", "--header", "Authorization: Bearer -", server.url], "right-key-123456\n")
  const client = startClient(home, ["run", "weather"])
  const opened = await client.open()
  const listed = await client.request("tools/list")
  client.child.stdin.end()
  await client.exited
  await server.close()
  return { home, port: Number(new URL(server.url).port), opened, listed, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() }
}

test("a server that is down at start is answered for from memory, each call tells the cause, and all works once it is back", async () => {
  await using set = await reachedOnce()
  await using client = startClient(set.home, ["run", "weather"])

  const opened = await client.open()
  const listed = await client.request("tools/list")
  const called = await client.request("tools/call", call)
  await using server = await startMcpServer({ key: "right-key-123456", port: set.port })
  const again = await client.request("tools/call", call)
  await client.heard((message) => message.method === "notifications/tools/list_changed")

  expect(opened.result).toMatchObject({ serverInfo: { name: "test" }, capabilities: { tools: { listChanged: true } } })
  expect(listed.result).toEqual(set.listed.result)
  expect(called.error?.data).toMatchObject({ code: "server-unreachable" })
  expect(again.result).toEqual({ content: [{ type: "text", text: "here" }] })
  expect(server.seenOf("initialize")).toHaveLength(1)
})

test("a key that is refused at start is told by each call, and the tools stay", async () => {
  await using set = await reachedOnce()
  await using server = await startMcpServer({ key: "another-key-12345", port: set.port })
  await using client = startClient(set.home, ["run", "weather"])

  const opened = await client.open()
  const called = await client.request("tools/call", call)
  await set.home.postern(["rotate", "weather", "-"], "another-key-12345\n")
  const again = await client.request("tools/call", call)

  expect(opened.result).toBeDefined()
  expect(called.error?.data).toMatchObject({ code: "header-refused", next: "postern rotate weather" })
  expect(again.result).toBeDefined()
  expect(server.seen.length).toBeGreaterThan(2)
})

test("what is remembered is private, holds no secret, and belongs to one entry", async () => {
  await using set = await reachedOnce()
  const folder = join(set.home.path, "postern/memory")
  const [file = ""] = await readdir(folder)
  const text = await readFile(join(folder, file), "utf8")

  expect(Object.keys(JSON.parse(text) as object)).toEqual(["initialize", "tools/list"])
  expect(text).not.toContain("right-key-123456")
  const changed = await set.home.config({ weather: { type: "http", url: `http://127.0.0.1:${set.port}/other` } })
  await using client = startClient(set.home, ["run", "weather", "--config", changed])
  expect((await client.open()).error?.data).toMatchObject({ code: "server-unreachable" })
})

test("a server that was never reached is told in the answer to initialize", async () => {
  await using home = await makeHome()
  const file = await home.config({ never: { type: "http", url: "http://127.0.0.1:9/mcp" } })
  await using client = startClient(home, ["run", "never", "--config", file])

  expect((await client.open()).error?.data).toMatchObject({ code: "server-unreachable" })
})
