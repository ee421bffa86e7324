/** What is remembered of a server, and when it stands in for it. */
import { expect, test } from "vitest"
import type { MemoryStore } from "../../src/bridge/memory.ts"
import { PosternError } from "../../src/core/diagnosis.ts"
import { startBridge } from "../harness/bridge.ts"
import { withoutProof } from "../harness/without-proof.ts"
import { json, startMcpServer } from "../servers/mcp-server.ts"

/** A store without a file. */
function storeOf(texts: Readonly<Record<string, string>>): MemoryStore {
  const kept = new Map(Object.entries(texts))
  return {
    recall: () => Promise.resolve(Object.fromEntries(kept)),
    keep: (key, text) => void (text === undefined ? kept.delete(key) : kept.set(key, text)),
    written: () => Promise.resolve(),
  }
}

/** Nobody listens there. */
const DOWN = "http://127.0.0.1:9/mcp"

/** A server whose opening has this result, in JSON text, and that is down after it was opened once. */
async function openedOnce(result: string) {
  const store = storeOf({})
  await using server = await startMcpServer()
  server.handler = ({ message }, response) =>
    message?.method === "initialize" &&
    response.writeHead(200, { "content-type": "application/json" }).end(`{"jsonrpc":"2.0","id":1,"result":${result}}`) !== undefined
  await using bridge = startBridge(server.url, { store })
  const opened = await bridge.request("initialize", {}, 1)
  return { store, opened, url: server.url, port: Number(new URL(server.url).port) }
}

test.each(['{"capabilities":null}', '{"capabilities":7}', '{"capabilities":{"tools":null}}', "{}"])(
  "a server that said %s of itself is answered for while it is down, and welcome when it is back",
  async (result) => {
    const { store, opened, url, port } = await openedOnce(result)
    await using bridge = startBridge(url, { store })

    const remembered = await bridge.request("initialize", {})
    await using back = await startMcpServer({ port })
    const again = await bridge.request("initialize", {})

    expect(opened.result).toEqual(JSON.parse(result))
    expect(remembered.result).toHaveProperty("capabilities")
    expect(again.result).toMatchObject({ serverInfo: { name: "test" } })
    expect(back.seenOf("initialize")).toHaveLength(1)
  },
)

test.each(["null", "7", '"text"', "[]"])("a result of a server that is no object is not remembered: %s", async (result) => {
  const { store, opened, url } = await openedOnce(result)
  await using bridge = startBridge(url, { store })

  expect(opened.result).toEqual(JSON.parse(result))
  expect((await bridge.request("initialize", {})).error?.data?.code).toBe("server-unreachable")
})

test.each(['""', '"cursor"', '["cursor",1]', "null", "7"])(
  "a list that is asked for with the parameters %s is remembered like any other",
  async (params) => {
    await using bridge = startBridge(DOWN, { store: storeOf({ initialize: "{}", "tools/list": '{"tools":[]}' }) })
    await bridge.request("initialize", {})

    bridge.write(`{"jsonrpc":"2.0","id":"odd","method":"tools/list","params":${params}}`)
    const listed = await bridge.heard(({ id }) => id === "odd")

    expect(listed.result).toEqual({ tools: [] })
  },
)

test("a bridge that ends gives up what it was asked, and answers nothing from memory: the server is not down", async () => {
  await using server = await startMcpServer()
  server.handler = ({ message }) => message?.method === "initialize" // never answers
  const bridge = startBridge(server.url, { store: storeOf({ initialize: "{}" }) })

  const opened = bridge.request("initialize", {})
  await expect.poll(() => server.seenOf("initialize").length).toBe(1)
  bridge.abort()
  await bridge.ended

  expect((await opened).error?.data?.code).toBe("bridge-stopping")
})

test("a page that a cursor names is neither remembered nor answered for: the server may have forgotten it", async () => {
  const store = storeOf({})
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/list") return false
    const { cursor } = (message.params ?? {}) as { cursor?: string }
    const result = cursor === undefined ? { tools: [{ name: "one" }], nextCursor: "2" } : { tools: [{ name: "two" }] }
    return json(response, { jsonrpc: "2.0", id: message.id, result })
  }
  const bridge = startBridge(server.url, { store })
  await bridge.open()
  await bridge.request("tools/list")
  const second = await bridge.request("tools/list", { cursor: "2" })
  await bridge.end()
  await server.close()
  await using later = startBridge(server.url, { store })
  await later.open()

  const remembered = await later.request("tools/list")
  const beyond = await later.request("tools/list", { cursor: "2" })

  expect(second.result).toEqual({ tools: [{ name: "two" }] })
  expect(remembered.result).toEqual({ tools: [{ name: "one" }], nextCursor: "2" })
  expect(beyond.error?.data?.code).toBe("server-unreachable")
})

test("a locked door is not answered for from memory: somebody can open it", async () => {
  const needed = new PosternError({ code: "a-sign-in", kind: "sign-in", cause: "Somebody has to sign in.", evidence: [] })
  const authenticator = { ...withoutProof, authorize: () => Promise.reject(needed) }
  await using bridge = startBridge(DOWN, { authenticator, store: storeOf({ initialize: "{}" }) })

  expect((await bridge.request("initialize", {})).error?.data?.code).toBe("a-sign-in")
})

test("a server that is back is told of as soon as it answers anything: the client reads its lists anew, once", async () => {
  const store = storeOf({ initialize: '{"capabilities":{"tools":{},"prompts":{}}}', "tools/list": '{"tools":[]}' })
  const gone = await startMcpServer()
  await gone.close()
  await using bridge = startBridge(gone.url, { store })
  await bridge.open()
  await bridge.request("tools/list")
  await using back = await startMcpServer({ port: Number(new URL(gone.url).port) })

  await bridge.request("tools/call", { name: "echo", arguments: { text: "here" } })
  await bridge.request("tools/call", { name: "echo", arguments: { text: "again" } })

  const told = bridge.messages.flatMap(({ method }) => (method === undefined ? [] : [method]))
  expect(back.seenOf("tools/call")).toHaveLength(2)
  expect(told.toSorted()).toEqual(["notifications/prompts/list_changed", "notifications/tools/list_changed"])
})
