import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { expect, test, vi } from "vitest"
import { withResolvers } from "../../src/core/with-resolvers.ts"
import { startBridge } from "../harness/bridge.ts"
import { json, sse, startMcpServer } from "../servers/mcp-server.ts"

const call = (text: string) => ({ name: "echo", arguments: { text } })

test("a call goes to the server as it was written, and its answer comes back", async () => {
  await using server = await startMcpServer()
  await using bridge = startBridge(server.url)
  await bridge.open()

  const line =
    '{"jsonrpc":"2.0", "id":"x\\u0041",  "method":"tools/call","params":{"name":"echo","arguments":{"text":"hé","n":12345678901234567890}},"extra":1.50}'
  bridge.write(line)
  const answer = await bridge.heard((message) => message.id === "xA")

  expect(server.seenOf("tools/call").map((request) => request.body)).toEqual([line])
  expect(answer.result).toEqual({ content: [{ type: "text", text: "hé" }] })
})

test("each request after initialize carries the session and the negotiated revision (S3, S5)", async () => {
  await using server = await startMcpServer()
  await using bridge = startBridge(server.url)

  await bridge.open()
  await bridge.request("tools/list")

  const [session] = server.sessions
  expect(server.seenOf("initialize")[0]?.headers).not.toHaveProperty("mcp-protocol-version")
  for (const method of ["notifications/initialized", "tools/list"]) {
    expect(server.seenOf(method)[0]?.headers).toMatchObject({ "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" })
  }
})

test("before revision 2025-06-18 no request names the negotiated revision (S5)", async () => {
  await using server = await startMcpServer()
  await using bridge = startBridge(server.url)

  await bridge.request("initialize", { protocolVersion: "2025-03-26", capabilities: {}, clientInfo: { name: "old", version: "1" } })
  await bridge.request("tools/list")

  const [listed] = server.seenOf("tools/list")
  expect(listed?.headers).toHaveProperty("mcp-session-id")
  expect(listed?.headers).not.toHaveProperty("mcp-protocol-version")
})

test("requests that come before the answer to initialize wait for it, and none is lost", async () => {
  await using server = await startMcpServer()
  server.handler = async ({ message }) => {
    if (message?.method === "initialize") await new Promise((resolve) => setTimeout(resolve, 100))
    return false
  }
  await using bridge = startBridge(server.url)

  const opening = bridge.open()
  const answers = await Promise.all([bridge.request("tools/list"), bridge.request("tools/call", call("early"))])
  await opening

  expect(answers.every((answer) => answer.result)).toBe(true)
  expect(server.seen[0]?.message?.method).toBe("initialize")
  expect(server.seen.slice(1).every((request) => request.headers["mcp-session-id"] !== undefined)).toBe(true)
})

test("a lost session is opened again once, and the call is sent again once (S3)", async () => {
  await using server = await startMcpServer()
  await using bridge = startBridge(server.url)
  await bridge.open()
  await bridge.request("tools/list")

  server.sessions.clear()
  const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => bridge.request("tools/call", call(`after ${index}`))))

  expect(answers.map((answer) => answer.result?.["content"])).toEqual(answers.map((_, index) => [{ type: "text", text: `after ${index}` }]))
  const openings = server.seenOf("initialize").map(({ headers }) => headers["mcp-session-id"])
  expect(openings).toEqual([undefined, undefined]) // the lost session is not named: a server may refuse what does
  expect(server.seenOf("notifications/initialized")).toHaveLength(2)
  expect(bridge.messages.filter((message) => message.result?.["serverInfo"])).toHaveLength(1) // the second opening is not told
})

test("while a lost session is opened again, later messages wait until `initialized` has arrived", async () => {
  await using server = await startMcpServer()
  await using bridge = startBridge(server.url)
  await bridge.open()
  await bridge.request("tools/list")
  const { promise: arriving, resolve: arrives } = withResolvers()
  const { promise: ready, resolve: becomesReady } = withResolvers()
  server.handler = async ({ message }) => {
    if (message?.method === "notifications/initialized") {
      arrives()
      await ready
    }
    return false
  }

  server.sessions.clear()
  const first = bridge.request("tools/call", call("first"))
  await arriving
  const later = bridge.request("tools/call", call("later"))
  bridge.write("{") // answered at once, so what was written before it has been read
  await bridge.heard(({ error }) => error?.data?.code === "message-malformed")
  await fetch(server.origin) // a way to the server and back
  becomesReady()
  await Promise.all([first, later])

  const calls = server.seenOf("tools/call").filter(({ headers }) => server.sessions.has(String(headers["mcp-session-id"])))
  expect(calls).toHaveLength(2)
  for (const one of calls) expect(server.seen.indexOf(one)).toBeGreaterThan(server.seen.findIndex(({ path }) => path === "/"))
})

test("a message that waits for a session which is lost at once, too, is sent all the same, and answered", async () => {
  await using server = await startMcpServer()
  await using bridge = startBridge(server.url)
  await bridge.open()
  await bridge.request("tools/list")
  const { promise: arriving, resolve: arrives } = withResolvers()
  const { promise: written, resolve: isWritten } = withResolvers()
  server.handler = async ({ message }, response) => {
    if (message?.method !== "notifications/initialized" || server.seenOf("notifications/initialized").length > 2) return false
    arrives()
    await written
    server.sessions.clear()
    return json(response, { error: "no session" }, 404)
  }

  server.sessions.clear()
  const first = bridge.request("tools/call", call("first"))
  await arriving
  const waiting = bridge.request("tools/call", call("waiting"))
  bridge.write("{") // answered at once, so what was written before it has been read
  await bridge.heard(({ error }) => error?.data?.code === "message-malformed")
  isWritten()

  expect((await waiting).result).toMatchObject({ content: [{ text: "waiting" }] })
  expect((await first).error?.data?.code).toBe("session-lost") // it was sent before, and its one new session was lost
})

test("a server that always forgets its session is not asked for ever", async () => {
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => message?.method === "tools/call" && json(response, { error: "no session" }, 404)
  await using bridge = startBridge(server.url)
  await bridge.open()

  const answer = await bridge.request("tools/call", call("x"))

  expect(answer.error?.data?.code).toBe("session-lost")
  expect(server.seenOf("tools/call")).toHaveLength(2)
})

test("foreign, swapped and second answers are dropped, and the right one arrives", async () => {
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    const event = sse(response)
    event({ jsonrpc: "2.0", id: 9999, result: { wrong: true } })
    event({ jsonrpc: "2.0", id: String(message.id), result: { wrong: true } })
    event({ jsonrpc: "2.0", id: message.id, result: { right: true } })
    event({ jsonrpc: "2.0", id: message.id, result: { wrong: true } })
    response.end()
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.open()

  const answer = await bridge.request("tools/call", call("x"), 41)
  await bridge.request("tools/list")

  expect(server.seenOf("tools/call")).toHaveLength(1)
  expect(answer.result).toEqual({ right: true })
  expect(bridge.lines.join("\n")).not.toContain("wrong")
})

test("answers of two calls that the server has swapped are dropped on both", async () => {
  await using server = await startMcpServer()
  server.handler = ({ message }, response) =>
    message?.method === "tools/call" && json(response, { jsonrpc: "2.0", id: message.id === 41 ? 42 : 41, result: { swapped: true } })
  await using bridge = startBridge(server.url)
  await bridge.open()

  const answers = await Promise.all([bridge.request("tools/call", call("a"), 41), bridge.request("tools/call", call("b"), 42)])

  expect(answers.map((answer) => answer.error?.data?.code)).toEqual(["no-answer", "no-answer"])
})

test("progress, a request of the server and its answer pass while the call is open", async () => {
  await using server = await startMcpServer()
  let answerCall: (() => void) | undefined
  server.handler = ({ message }, response) => {
    if (message?.method === "tools/call") {
      const event = sse(response)
      event({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 7, progress: 1 } })
      event({ jsonrpc: "2.0", id: "srv-1", method: "sampling/createMessage", params: {} })
      answerCall = () => {
        event({ jsonrpc: "2.0", id: message.id, result: { done: true } })
        response.end()
      }
      return true
    }
    if (message?.id === "srv-1" && message.result) answerCall?.()
    return false
  }
  await using bridge = startBridge(server.url)
  await bridge.open({ sampling: {} })

  const answer = bridge.request("tools/call", call("x"))
  await bridge.heard((message) => message.method === "notifications/progress")
  await bridge.heard((message) => message.method === "sampling/createMessage")
  bridge.send({ id: "srv-1", result: { role: "assistant" } })

  expect((await answer).result).toEqual({ done: true })
})

test("what the server says unasked arrives over the GET stream", async () => {
  await using server = await startMcpServer()
  await using bridge = startBridge(server.url)
  await bridge.open()
  await expect.poll(() => server.streams.size).toBe(1)

  for (const stream of server.streams) stream.write('data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n')

  expect(await bridge.heard((message) => message.method === "notifications/tools/list_changed")).toBeTruthy()
})

test("an answer on the GET stream is dropped, whether or not its request is pending: there is one for each, on its own stream", async () => {
  await using server = await startMcpServer()
  await using bridge = startBridge(server.url)
  await bridge.open()
  await expect.poll(() => server.streams.size).toBe(1)
  const [stream] = server.streams
  const say = (message: object): void => void stream?.write(`data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`)
  server.handler = async ({ message }) => {
    if (message?.method !== "tools/call") return false
    say({ id: message.id, result: { wrong: true } })
    say({ id: 777, result: { wrong: true } })
    say({ method: "notifications/message", params: { data: "said after them" } })
    await bridge.heard(({ method }) => method === "notifications/message")
    return false
  }

  const answer = await bridge.request("tools/call", call("x"))

  expect(answer.result).toMatchObject({ content: [{ text: "x" }] })
  expect(bridge.lines.join("\n")).not.toContain("wrong")
})

test.each<[string, (response: ServerResponse) => void]>([
  ["an end without answer", (response) => response.writeHead(200, { "content-type": "text/event-stream" }).end()],
  ["a refusal", (response) => response.writeHead(500).end("cancelled")],
  ["a broken connection", (response) => response.destroy()],
])("a cancelled call is told to the server; %s is then no error", async (_, end) => {
  await using server = await startMcpServer()
  let called: ServerResponse | undefined
  let ended: Promise<unknown> | undefined
  server.handler = ({ message }, response) => {
    if (message?.method === "tools/call") called = response
    if (message?.method === "notifications/cancelled" && called) {
      ended = once(called, "close")
      end(called)
    }
    return message?.method === "tools/call"
  }
  await using bridge = startBridge(server.url)
  await bridge.open()

  bridge.send({ id: 77, method: "tools/call", params: call("x") })
  await expect.poll(() => server.seenOf("tools/call").length).toBe(1)
  bridge.send({ method: "notifications/cancelled", params: { requestId: 77 } })
  await expect.poll(() => ended).toBeDefined()
  await ended
  await bridge.request("tools/list")

  expect(bridge.messages.filter((message) => message.id === 77)).toEqual([])
})

test("a call in flight when the input ends is still answered, and the session is deleted", async () => {
  await using server = await startMcpServer()
  server.handler = async ({ message }) => {
    if (message?.method === "tools/call") await new Promise((resolve) => setTimeout(resolve, 200))
    return false
  }
  const bridge = startBridge(server.url)
  await bridge.open()

  const answer = bridge.request("tools/call", call("last"))
  await bridge.end()

  expect((await answer).result).toEqual({ content: [{ type: "text", text: "last" }] })
  expect(server.sessions.size).toBe(0)
})

test("a notification that waits for the opening when the input ends still reaches the session, which is deleted after it", async () => {
  await using server = await startMcpServer()
  const { promise: arriving, resolve: arrives } = withResolvers()
  const { promise: ready, resolve: becomesReady } = withResolvers()
  server.handler = async ({ message }) => {
    if (message?.method !== "notifications/initialized") return false
    arrives()
    await ready
    return false
  }
  const bridge = startBridge(server.url)

  await bridge.open()
  await arriving
  bridge.send({ method: "notifications/roots/list_changed" })
  const ended = bridge.end()
  await new Promise(setImmediate) // the input's end is read
  await new Promise(setImmediate)
  becomesReady()
  await ended

  const order = server.seen.map(({ method, message }) => message?.method ?? method).filter((one) => one !== "GET")
  expect(order).toEqual(["initialize", "notifications/initialized", "notifications/roots/list_changed", "DELETE"])
})

test("told to end, the bridge answers what is pending with an error and deletes the session", async () => {
  await using server = await startMcpServer()
  server.handler = ({ message }) => message?.method === "tools/call" // never answers
  const bridge = startBridge(server.url)
  await bridge.open()

  const answer = bridge.request("tools/call", call("x"))
  await expect.poll(() => server.seenOf("tools/call").length).toBe(1)
  bridge.abort()
  await bridge.ended

  expect((await answer).error?.data?.code).toBe("bridge-stopping")
  expect(server.sessions.size).toBe(0)
})

test("a client waits for a thousand answers at once; what it asks beyond that is told, and nothing of the others is lost", async () => {
  await using server = await startMcpServer()
  const held: (() => void)[] = []
  server.handler = ({ message }, response) => {
    if (message?.method !== "x/slow") return false
    held.push(() =>
      response.writeHead(200, { "content-type": "application/json" }).end(`{"jsonrpc":"2.0","id":${String(message.id)},"result":{}}`),
    )
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.open()

  for (let id = 1000; id < 2000; id++) bridge.send({ id, method: "x/slow" })
  await vi.waitUntil(() => held.length === 1000, { timeout: 20_000 })
  const over = await bridge.request("tools/list", {}, "over")
  for (const answer of held) answer()
  await bridge.heard(() => bridge.messages.filter(({ id, result }) => typeof id === "number" && id >= 1000 && result).length === 1000)
  const after = await bridge.request("tools/list", {}, "after")

  expect(over.error?.data?.code).toBe("too-many-pending")
  expect(server.seenOf("tools/list")).toHaveLength(1)
  expect(after.error).toBeUndefined()
})
