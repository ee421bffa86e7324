/** Finding the era of a server from the client's own first message (S21 to S25, S27, S29). */
import type { ServerResponse } from "node:http"
import { expect, test } from "vitest"
import type { MemoryStore, Remembered } from "../../../src/bridge/memory.ts"
import { systemClock } from "../../../src/core/clock.ts"
import { startBridge } from "../../harness/bridge.ts"
import { type McpServer, startMcpServer } from "../../servers/mcp-server.ts"
import { type ModernServer, failure, modern, startModernServer } from "../../servers/modern-server.ts"
import { startSseServer } from "../../servers/sse-server.ts"

/** A memory that outlives a bridge, as its file does. */
function memoryStore(): MemoryStore & { readonly kept: () => Remembered } {
  let remembered: Remembered = {}
  return {
    kept: () => remembered,
    recall: () => Promise.resolve(remembered),
    keep(key, text) {
      const others = Object.entries(remembered).filter(([name]) => name !== key)
      remembered = Object.fromEntries(text === undefined ? others : [...others, [key, text]])
    },
    written: () => Promise.resolve(),
  }
}

const methods = ({ seen }: Pick<McpServer | ModernServer, "seen">): readonly unknown[] =>
  seen.map(({ method, message }) => message?.method ?? method)

const answering =
  (status: number, body: string, type = "application/json") =>
  (response: ServerResponse): boolean => {
    response.writeHead(status, { "content-type": type }).end(body)
    return true
  }

test("a modern client before a modern server: its first request is the question, and nothing else is asked (S21)", async () => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)

  const answer = await bridge.request("server/discover", modern())

  expect(answer.result).toMatchObject({ supportedVersions: ["2026-07-28"] })
  expect(methods(server)).toEqual(["server/discover"])
})

test.each<[string, (response: ServerResponse) => boolean]>([
  ["400 and words of a session", answering(400, '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"No valid session ID"}}')],
  ["400 and nothing", answering(400, "")],
  ["404 and HTML", answering(404, "<h1>Not Found</h1>", "text/html")],
  ["405", answering(405, "")],
  ["406", answering(406, '{"error":"Not Acceptable"}')],
  ["success and an unknown method", answering(200, '{"jsonrpc":"2.0","id":"probe","error":{"code":-32601,"message":"nope"}}')],
])("a probe that a server answers with %s gets an ordinary unknown method, and the client falls back (S21, S27)", async (_, answer) => {
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => message?.method === "server/discover" && answer(response)
  await using bridge = startBridge(server.url)

  const probe = await bridge.request("server/discover", modern(), "probe")
  const opened = await bridge.open()
  const listed = await bridge.request("tools/list")

  expect(probe.error).toEqual({ code: -32601, message: "Method not found" })
  expect(opened.result).toBeDefined()
  expect(listed.result).toBeDefined()
  expect(methods(server).slice(0, 2)).toEqual(["server/discover", "initialize"])
})

test.each<[string, (response: ServerResponse) => unknown]>([
  ["401", answering(401, "")],
  ["403", answering(403, "")],
  ["429", answering(429, "")],
  ["500", answering(500, "")],
  ["503", answering(503, "")],
  ["a reset connection", (response) => response.destroy() && true],
  ["success and a fault", answering(200, '{"jsonrpc":"2.0","id":"probe","error":{"code":-32603,"message":"oops"}}')],
])("%s says nothing about the era: it is told as what it is, and the next probe goes out again (S22)", async (_, answer) => {
  await using server = await startModernServer()
  let ill = true
  server.handler = (__, response) => {
    if (ill) answer(response)
    return ill
  }
  const store = memoryStore()
  await using bridge = startBridge(server.url, { store })

  const first = await bridge.request("server/discover", modern(), "probe")
  ill = false
  const second = await bridge.request("server/discover", modern())

  expect(first.error?.code).toSatisfy((code) => code === 1000 || code === -32603)
  expect(second.result).toBeDefined()
  expect(store.kept()).not.toHaveProperty("era")
})

test("a revision that the server does not speak is the server's answer, and shows that it is modern (S21)", async () => {
  await using server = await startModernServer()
  const error = { code: -32022, message: "Unsupported protocol version", data: { supported: ["2026-07-28"], requested: "2027-01-01" } }
  server.handler = ({ message }, response) => message?.method === "server/discover" && failure(response, 400, message.id, error)
  await using bridge = startBridge(server.url)

  const probe = await bridge.request("server/discover", modern())
  const unknown = await bridge.request("vendor/unknown", modern())

  expect(probe.error).toEqual(error)
  expect(unknown.error).toEqual({ code: -32601, message: "Method not found" }) // 404, in the server's words
})

test.each([404, 405, 400])("once a server has shown to be modern, a bare %i is no sign of another era", async (status) => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)
  await bridge.request("server/discover", modern())
  server.handler = (_, response) => answering(status, "gone")(response)

  const { error } = await bridge.request("server/discover", modern())

  expect(error?.data?.code).toBe("server-refused")
})

test("a client that asks nothing first is told that the server is of an earlier era", async () => {
  await using server = await startMcpServer()
  await using bridge = startBridge(server.url)

  const { error } = await bridge.request("tools/list", modern())

  expect(methods(server)).toEqual(["tools/list"])
  expect(error?.data).toMatchObject({ code: "server-only-legacy" })
})

test.each<[string, number, object]>([
  ["headers that are missing", 400, { code: -32020, message: "MCP-Protocol-Version is missing" }],
  ["its revisions", 400, { code: -32022, message: "Unsupported protocol version", data: { supported: ["2026-07-28", "2027-03-01"] } }],
  ["an unknown method", 404, { code: -32601, message: "Method not found" }],
  ["a `_meta` that is missing", 400, { code: -32602, message: "_meta is required" }],
  ["a code of its own, with revisions", 400, { code: -32000, message: "no", data: { supported: ["2026-07-28"] } }],
])("a legacy client before a server that answers initialize with %s is told the server's revisions (S29)", async (_, status, error) => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) => message?.method === "initialize" && failure(response, status, message.id, error)
  await using bridge = startBridge(server.url)

  const opened = await bridge.open()

  expect(methods(server).slice(0, 2)).toEqual(["initialize", "server/discover"])
  expect(opened.error).toMatchObject({ code: 1000, data: { code: "server-only-modern" } })
  expect(opened.error?.message).toContain("2026-07-28")
  expect(opened.error?.data?.next).toContain("MCP_PROTOCOL_NEGOTIATION=auto")
})

test("a server that refuses initialize in modern words, and then knows no discovery, has its own words passed on", async () => {
  await using server = await startMcpServer()
  const error = { code: -32602, message: "clientInfo.version is missing" }
  server.handler = ({ message }, response) => message?.method === "initialize" && failure(response, 400, message.id, error)
  await using bridge = startBridge(server.url)

  const opened = await bridge.request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "x" } })

  expect(methods(server)).toEqual(["initialize", "server/discover"])
  expect(opened.error).toEqual(error)
})

test.each([401, 500])("an initialize that is refused with %i is not followed by anything (S22)", async (status) => {
  await using server = await startModernServer()
  server.handler = (_, response) => answering(status, "")(response)
  await using bridge = startBridge(server.url)

  const opened = await bridge.request("initialize", {})

  expect(methods(server)).toEqual(["initialize"])
  expect(opened.error?.data?.code).not.toBe("server-only-modern")
})

test("an address of the HTTP+SSE transport is found out by its stream, and used for all that follows (S21)", async () => {
  await using server = await startSseServer()
  await using bridge = startBridge(server.url)

  const opened = await bridge.open()
  const answer = await bridge.request("tools/list")

  expect(opened.result).toMatchObject({ serverInfo: { name: "sse" } })
  expect(answer.result).toEqual({ method: "tools/list" })
  expect(server.seen.slice(0, 3).map(({ method, path }) => `${method} ${path}`)).toEqual([
    "POST /sse",
    "GET /sse",
    "POST /messages?session=1",
  ])
})

test("an address that is neither has its first refusal told, in the server's words", async () => {
  await using server = await startMcpServer()
  server.handler = (_, response) => answering(404, "nothing here", "text/plain")(response)
  await using bridge = startBridge(server.url)

  const opened = await bridge.request("initialize", {})

  expect(server.seen.map(({ method }) => method)).toEqual(["POST", "GET"])
  expect(opened.error?.data).toMatchObject({ code: "server-refused", evidence: ["it said: nothing here"] })
})

test("messages that come before the answer to initialize wait until it is known whom they are for", async () => {
  await using server = await startSseServer()
  await using bridge = startBridge(server.url)

  const opening = bridge.request("initialize", { protocolVersion: "2024-11-05" })
  const answers = await Promise.all([bridge.request("tools/list"), bridge.request("prompts/list")])

  expect((await opening).result).toBeDefined()
  expect(answers.map(({ result }) => result)).toEqual([{ method: "tools/list" }, { method: "prompts/list" }])
})

test("a legacy verdict is remembered: the next probe is answered without a request, until a day has passed (S24)", async () => {
  await using server = await startMcpServer()
  const store = memoryStore()
  let nowMs = Date.parse("2026-11-26T12:00:00Z")
  const clock = { ...systemClock, now: () => nowMs }
  const probe = async (): Promise<unknown> => {
    await using bridge = startBridge(server.url, { store, clock })
    return (await bridge.request("server/discover", modern())).error
  }

  const answers = [await probe(), await probe()]
  nowMs += 25 * 60 * 60_000
  answers.push(await probe())

  expect(answers).toEqual(Array.from({ length: 3 }, () => ({ code: -32601, message: "Method not found" })))
  expect(methods(server)).toEqual(["server/discover", "server/discover"]) // the first, and the one after a day
  expect(JSON.parse(store.kept()["era"] ?? "{}")).toEqual({ era: "legacy", seen: "2026-11-27T13:00:00.000Z" })
})

test("a bare 404 answers the probe, and is not remembered: a gateway may stand before a server that starts (S22)", async () => {
  await using server = await startModernServer()
  const store = memoryStore()
  let starting = true
  server.handler = (_, response) => starting && answering(404, "<h1>no upstream</h1>", "text/html")(response)
  const probe = async (): Promise<unknown> => {
    await using bridge = startBridge(server.url, { store })
    return (await bridge.request("server/discover", modern())).error?.code
  }

  const first = await probe()
  starting = false
  const second = await probe()

  expect([first, second]).toEqual([-32601, undefined])
  expect(store.kept()).not.toHaveProperty("era")
})

test("a notification that is refused says nothing about the era", async () => {
  await using server = await startModernServer()
  const store = memoryStore()
  server.handler = ({ message }, response) => message?.method === "notifications/custom" && answering(400, "no")(response)
  const bridge = startBridge(server.url, { store })

  bridge.send({ method: "notifications/custom", params: modern() })
  await bridge.end()

  expect(methods(server)).toEqual(["notifications/custom"])
  expect(store.kept()).not.toHaveProperty("era")
})

test("a cancel right behind the first modern message, which loads its side, ends it all the same (S16)", async () => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/list") return false
    response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders()
    return true
  }
  await using bridge = startBridge(server.url)

  bridge.write(
    `${JSON.stringify({ jsonrpc: "2.0", id: "a", method: "tools/list", params: modern() })}\n` +
      JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "a" } }),
  )
  await bridge.request("server/discover", modern())

  await expect.poll(() => server.seenOf("tools/list").length - server.closedEarly.length).toBe(0)
  expect(bridge.messages.filter(({ id }) => id === "a")).toEqual([])
})

test("a server that was upgraded is believed, and the old verdict is gone (S24)", async () => {
  await using server = await startModernServer()
  const store = memoryStore()
  store.keep("era", JSON.stringify({ era: "legacy", seen: "2026-01-01T00:00:00.000Z" }))
  await using bridge = startBridge(server.url, { store })

  const answer = await bridge.request("server/discover", modern())

  expect(answer.result).toBeDefined()
  await expect.poll(() => store.kept()).not.toHaveProperty("era")
})

test("a server that is known to be modern only is asked for its revisions in the place of initialize (S24, S29)", async () => {
  await using server = await startModernServer()
  const store = memoryStore()
  const open = async (): Promise<unknown> => {
    await using bridge = startBridge(server.url, { store })
    return (await bridge.open()).error?.data?.code
  }

  const told = [await open(), await open()]

  expect(told).toEqual(["server-only-modern", "server-only-modern"])
  expect(methods(server).filter((method) => method !== "notifications/initialized")).toEqual([
    "initialize",
    "server/discover",
    "server/discover",
  ])
})

test("a server that has learned the earlier era since is opened at once (S24)", async () => {
  await using server = await startMcpServer()
  const store = memoryStore()
  store.keep("era", JSON.stringify({ era: "modern", revisions: ["2026-07-28"], seen: new Date().toISOString() }))
  await using bridge = startBridge(server.url, { store })

  const opened = await bridge.open()

  expect(opened.result).toBeDefined()
  expect(methods(server).slice(0, 2)).toEqual(["server/discover", "initialize"])
  expect(store.kept()).not.toHaveProperty("era")
})

test("a server of the HTTP+SSE transport is remembered, and its stream is asked for first (S24)", async () => {
  await using server = await startSseServer()
  const store = memoryStore()
  for (let count = 0; count < 2; count++) {
    await using bridge = startBridge(server.url, { store })
    await bridge.open()
  }

  const first = server.seen.map(({ method, path }) => `${method} ${path}`)

  expect(first.filter((request) => request === "POST /sse")).toHaveLength(1)
  expect(JSON.parse(store.kept()["era"] ?? "{}")).toMatchObject({ era: "legacy", transport: "sse" })
})

test.each(["{", "null", "7", '{"era":"other"}', '{"era":"legacy"}', '{"era":"legacy","seen":"never"}'])(
  "a verdict that cannot be read counts as none: %s",
  async (kept) => {
    await using server = await startModernServer()
    const store = memoryStore()
    store.keep("era", kept)
    await using bridge = startBridge(server.url, { store })

    expect((await bridge.request("server/discover", modern())).result).toBeDefined()
  },
)

test("both eras may be spoken on one bridge at once, each with its side", async () => {
  await using server = await startMcpServer()
  const modernToo = await startModernServer()
  server.handler = async ({ headers, body }, response) => {
    if (headers["mcp-protocol-version"] !== "2026-07-28") return false
    const answer = await fetch(modernToo.url, { method: "POST", body, headers: headers as Record<string, string> })
    return answering(answer.status, await answer.text())(response)
  }
  await using bridge = startBridge(server.url)

  await bridge.open()
  const [legacy, stateless] = await Promise.all([bridge.request("tools/list"), bridge.request("tools/list", modern())])
  await modernToo[Symbol.asyncDispose]()

  expect(legacy.result).not.toHaveProperty("resultType")
  expect(stateless.result).toHaveProperty("resultType")
  expect(server.seenOf("tools/list").map(({ headers }) => "mcp-session-id" in headers)).toEqual(
    server.seenOf("tools/list").map(({ headers }) => headers["mcp-protocol-version"] !== "2026-07-28"),
  )
})

test("a modern server that is down is answered for from memory, and nothing of that counts as fresh (S19, S75)", async () => {
  const store = memoryStore()
  const server = await startModernServer()
  {
    await using bridge = startBridge(server.url, { store })
    await bridge.request("server/discover", modern())
    await bridge.request("tools/list", modern())
  }
  await server[Symbol.asyncDispose]()
  await using bridge = startBridge(server.url, { store })

  const discovered = await bridge.request("server/discover", modern())
  const listed = await bridge.request("tools/list", modern())
  const called = await bridge.request("tools/call", modern({ name: "echo" }))

  expect(discovered.result).toMatchObject({ supportedVersions: ["2026-07-28"], ttlMs: 0 })
  expect(listed.result).toMatchObject({ tools: [{ name: "echo" }], ttlMs: 0, cacheScope: "public" })
  expect(called.error?.data?.code).toBe("server-unreachable")
})

test("what is remembered of one era does not stand in where the server has moved to the other", async () => {
  const store = memoryStore()
  store.keep("initialize", '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"old","version":"1"}}')
  await using server = await startModernServer()
  await using bridge = startBridge(server.url, { store })

  expect((await bridge.open()).error?.data?.code).toBe("server-only-modern")
})
