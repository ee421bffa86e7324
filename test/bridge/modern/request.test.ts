/** A modern message before a modern server: what leaves, and what comes back (S6 to S10, S16, S17). */
import { expect, test } from "vitest"
import { readFrames } from "../../../src/bridge/frame.ts"
import { modernHttpSide } from "../../../src/bridge/server/modern-http.ts"
import { systemClock } from "../../../src/core/clock.ts"
import { createHttp } from "../../../src/core/http.ts"
import { silentLog } from "../../../src/core/log.ts"
import { startBridge } from "../../harness/bridge.ts"
import { withoutProof } from "../../harness/without-proof.ts"
import { sse } from "../../servers/mcp-server.ts"
import { failure, modern, startModernServer } from "../../servers/modern-server.ts"

test("a modern line leaves with its own bytes, and its headers say what stands in it (S6, S8, S9)", async () => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)
  const meta =
    '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"traceparent":"00-1-2-01","x/unknown":1.50}'
  const line = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"\\u00e9","big":12345678901234567890},${meta}}}`

  bridge.write(line)
  await bridge.heard((message) => message.result !== undefined)

  const [request] = server.seenOf("tools/call")
  expect(request?.body).toBe(line)
  expect(request?.headers).toMatchObject({
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "echo",
  })
})

test.each([
  ["tools/call", { name: "get weather" }, "get weather"],
  ["prompts/get", { name: "greet" }, "greet"],
  ["resources/read", { uri: "file:///a%20b" }, "file:///a%20b"],
  ["tasks/get", { taskId: "t-1" }, "t-1"],
  ["tools/call", { name: "Grüße" }, "=?base64?R3LDvMOfZQ==?="],
  ["tools/call", { name: " padded " }, "=?base64?IHBhZGRlZCA=?="],
  ["tools/call", { name: "line1\r\nX-Evil: 1" }, "=?base64?bGluZTENClgtRXZpbDogMQ==?="],
  ["tools/call", { name: "=?base64?literal?=" }, "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="],
  ["tools/call", { name: "" }, "=?base64??="],
])("%s of %j is named as %s (S9, S10)", async (method, params, expected) => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)

  await bridge.request(method, modern(params))

  expect(server.seenOf(method)[0]?.headers["mcp-name"]).toBe(expected)
})

test("a method that names nothing has no Mcp-Name, and one that no header can carry is marked, not smuggled", async () => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)

  await bridge.request("tools/list", modern())
  const answer = await bridge.request("évil\nX-Evil: 1", modern())

  expect(server.seenOf("tools/list")[0]?.headers).not.toHaveProperty("mcp-name")
  expect(server.seen.at(-1)?.headers).not.toHaveProperty("x-evil")
  expect(answer.error?.code).toBe(-32020) // the server's own word for it
})

test("there is no session, no GET stream and no DELETE", async () => {
  await using server = await startModernServer()
  const bridge = startBridge(server.url)

  await bridge.request("server/discover", modern())
  await bridge.request("tools/call", modern({ name: "echo", arguments: { text: "x" } }))
  await bridge.end()

  expect(server.seen.map(({ method }) => method)).toEqual(["POST", "POST", "POST"]) // the third: the list, which no one had asked for
  expect(server.seen.every(({ headers }) => !("mcp-session-id" in headers) && !("last-event-id" in headers))).toBe(true)
})

test("a notification with a revision leaves with its headers, and nobody is answered (S8)", async () => {
  await using server = await startModernServer()
  const bridge = startBridge(server.url)

  bridge.send({ method: "notifications/custom", params: modern() })
  await bridge.end()

  expect(server.seenOf("notifications/custom")[0]?.headers).toMatchObject({
    "mcp-method": "notifications/custom",
    "mcp-protocol-version": "2026-07-28",
  })
  expect(bridge.lines).toEqual([])
})

test("results, cache members and unknown result types pass untouched (S7, S19)", async () => {
  await using server = await startModernServer()
  const text = '{"resultType":"of_an_extension","ttlMs":1.0,"cacheScope":"private","big":12345678901234567890,"inputRequests":{"a":{}}}'
  server.handler = ({ message }, response) => {
    if (message?.method !== "prompts/get") return false
    response.writeHead(200, { "content-type": "application/json" }).end(`{"jsonrpc":"2.0","id":${String(message.id)},"result":${text}}`)
    return true
  }
  await using bridge = startBridge(server.url)

  await bridge.request("prompts/get", modern({ name: "x" }))

  expect(bridge.lines).toEqual([`{"jsonrpc":"2.0","id":1,"result":${text}}`])
})

test("progress comes on the stream of its request, and a request of the server does not pass (S7)", async () => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    const say = sse(response)
    say({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 1, progress: 1 } })
    say({ jsonrpc: "2.0", id: 99, method: "sampling/createMessage", params: {} })
    say({ jsonrpc: "2.0", id: message.id, result: { resultType: "complete", content: [] } })
    response.end()
    return true
  }
  await using bridge = startBridge(server.url)

  await bridge.request("tools/call", modern({ name: "echo" }))

  expect(bridge.messages.map(({ method, id }) => method ?? id)).toEqual(["notifications/progress", 1])
})

test("a message that the server has taken makes room for others, however long its answer takes", async () => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    sse(response)
    response.flushHeaders()
    return true
  }
  const taken: string[] = []
  const door = { http: createHttp({ silenceMs: 5_000, connectMs: 5_000 }), authenticator: withoutProof, clock: systemClock }
  const side = modernHttpSide({
    name: "test",
    url: new URL(server.url),
    door,
    log: silentLog,
    maxFrameBytes: 1 << 20,
    onSent: (frame) => void taken.push(frame.id),
    onModern: () => undefined,
  })
  const stop = new AbortController()
  const [call] = readFrames(Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: modern({ name: "echo" }) })))

  const carrying = call && side.carry(call, () => undefined, stop.signal)
  await expect.poll(() => taken).toContain("7")
  stop.abort(new Error("over"))

  await expect(carrying).rejects.toThrow("over")
  await side.close(stop.signal)
})

test("a cancel closes the stream of its request; nothing else leaves, and nobody is answered (S16)", async () => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    sse(response)
    response.flushHeaders()
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.request("tools/list", modern())

  bridge.send({ id: "slow", method: "tools/call", params: modern({ name: "echo" }) })
  await expect.poll(() => server.seenOf("tools/call")).toHaveLength(1)
  bridge.send({ method: "notifications/cancelled", params: { requestId: "slow" } })
  await expect.poll(() => server.closedEarly).toEqual(['"slow"'])
  await bridge.request("tools/list", modern())

  expect(server.seenOf("notifications/cancelled")).toEqual([])
  expect(bridge.messages.filter(({ id }) => id === "slow")).toEqual([])
})

test.each(["tools/list", "resources/read", "prompts/get", "server/discover"])(
  "%s whose stream was cut is asked again under a new id, and answered under the client's (S17)",
  async (method) => {
    await using server = await startModernServer()
    let cuts = 0
    server.handler = ({ message }, response) => {
      if (message?.method !== method || cuts++ > 0) return false
      sse(response)({ jsonrpc: "2.0", method: "notifications/progress", params: {} })
      setTimeout(() => response.destroy(), 10)
      return true
    }
    await using bridge = startBridge(server.url)

    const answer = await bridge.request(method, modern({ name: "x", uri: "a:b" }), "mine")

    expect(answer.result).toMatchObject({ resultType: "complete" })
    expect(server.seenOf(method).map(({ message }) => message?.id)).toEqual(["mine", "postern:1"])
  },
)

test.each([
  ["a call of a tool", "tools/call", {}],
  ["a method that nobody knows", "vendor/do", {}],
  ["a read that carries the server's state", "resources/read", { requestState: "s" }],
])("%s whose stream was cut is not repeated: its outcome is unknown (S17)", async (_, method, params) => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== method) return false
    sse(response)({ jsonrpc: "2.0", method: "notifications/progress", params: {} })
    setTimeout(() => response.destroy(), 10)
    return true
  }
  await using bridge = startBridge(server.url)

  const { error } = await bridge.request(method, modern({ name: "echo", uri: "a:b", ...params }))

  expect(server.seenOf(method)).toHaveLength(1)
  expect(error).toMatchObject({ code: 1000, data: { code: "connection-lost" } })
  expect(error?.message).toContain("outcome is unknown")
})

test("a server that always cuts is asked three times, and then told", async () => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/list") return false
    response.destroy()
    return true
  }
  await using bridge = startBridge(server.url)

  const { error } = await bridge.request("tools/list", modern())

  expect(server.seenOf("tools/list")).toHaveLength(3)
  expect(error?.data?.code).toBe("connection-lost")
})

test.each([
  ["an error with the id", 404, (id: unknown) => id],
  ["an error without an id", 400, () => null],
])("%s in a refusal is the answer, in the server's words (S2)", async (_, status, idOf) => {
  await using server = await startModernServer()
  const error = { code: -32021, message: "needs elicitation", data: { requiredCapabilities: { elicitation: {} } } }
  server.handler = ({ message }, response) => message?.method === "tools/call" && failure(response, status, idOf(message.id) ?? null, error)
  await using bridge = startBridge(server.url)

  const answer = await bridge.request("tools/call", modern({ name: "echo" }))

  expect(answer).toMatchObject({ id: 1, error })
})
