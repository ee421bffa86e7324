/** `subscriptions/listen` through the bridge (S18). */
import { expect, test } from "vitest"
import { type TestBridge, startBridge } from "../../harness/bridge.ts"
import { json, sse } from "../../servers/mcp-server.ts"
import { type ModernServer, failure, modern, startModernServer } from "../../servers/modern-server.ts"

const ID = "io.modelcontextprotocol/subscriptionId"
const changed = (id: unknown): object => ({ jsonrpc: "2.0", method: "notifications/tools/list_changed", params: { _meta: { [ID]: id } } })

/** A subscription that the server has agreed to. */
async function subscribe(bridge: TestBridge): Promise<void> {
  bridge.send({ id: "sub", method: "subscriptions/listen", params: modern({ notifications: { toolsListChanged: true } }) })
  await bridge.heard(({ method }) => method === "notifications/subscriptions/acknowledged")
}

const heardOf = ({ messages }: TestBridge, method: string): number => messages.filter((message) => message.method === method).length

/** Cuts all streams, and waits until the bridge has opened another. */
async function cut(server: ModernServer): Promise<void> {
  const before = server.seenOf("subscriptions/listen").length
  for (const stream of server.streams) stream.destroy()
  await expect.poll(() => server.seenOf("subscriptions/listen").length, { timeout: 10_000 }).toBe(before + 1)
  await expect.poll(() => server.streams.size).toBe(1)
}

test("what the client has asked for comes under the id that it chose; comments are signs of life", async () => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url, { silenceMs: 100 })
  await subscribe(bridge)

  for (const stream of server.streams) stream.write(": keep-alive\n\n:\r\n\r\n")
  server.say(changed)
  const said = await bridge.heard(({ method }) => method === "notifications/tools/list_changed")

  expect(said.params).toMatchObject({ _meta: { [ID]: "sub" } })
  expect(server.seenOf("subscriptions/listen")[0]?.headers["mcp-method"]).toBe("subscriptions/listen")
})

test("a stream that was cut is opened again, quietly and under the same id", async () => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)
  await subscribe(bridge)

  await cut(server)
  server.say(changed)
  await bridge.heard(({ method }) => method === "notifications/tools/list_changed")

  expect(server.seenOf("subscriptions/listen").map(({ message }) => message?.id)).toEqual(["sub", "sub"])
  expect(heardOf(bridge, "notifications/subscriptions/acknowledged")).toBe(1)
  expect(bridge.messages.filter(({ id }) => id === "sub")).toEqual([])
})

test("a final result ends it, and is the answer", async () => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)
  await subscribe(bridge)

  server.say((id) => ({ jsonrpc: "2.0", id, result: { resultType: "complete", _meta: { [ID]: id } } }))
  for (const stream of server.streams) stream.end()
  const end = await bridge.heard(({ id }) => id === "sub")

  expect(end.result).toEqual({ resultType: "complete", _meta: { [ID]: "sub" } })
  expect(server.seenOf("subscriptions/listen")).toHaveLength(1)
})

test("a notice of its end passes, and the request gets its one answer all the same", async () => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)
  await subscribe(bridge)

  server.say((id) => ({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } }))
  for (const stream of server.streams) stream.end()
  const end = await bridge.heard(({ id }) => id === "sub")

  expect(heardOf(bridge, "notifications/cancelled")).toBe(1)
  expect(end.result).toEqual({ resultType: "complete", _meta: { [ID]: "sub" } })
  expect(server.seenOf("subscriptions/listen")).toHaveLength(1)
})

test("the client's cancel closes the stream, and nothing is opened again", async () => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)
  await subscribe(bridge)

  bridge.send({ method: "notifications/cancelled", params: { requestId: "sub" } })
  await expect.poll(() => server.streams.size).toBe(0)
  await bridge.request("tools/list", modern())

  expect(server.seen.map(({ message }) => message?.method)).toEqual(["subscriptions/listen", "tools/list"])
  expect(bridge.messages.filter(({ id }) => id === "sub")).toEqual([])
})

test("an error before the server has agreed is the answer, and is not asked again", async () => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) =>
    message?.method === "subscriptions/listen" && failure(response, 200, message.id, { code: -32603, message: "Subscription limit" })
  await using bridge = startBridge(server.url)

  const { error } = await bridge.request("subscriptions/listen", modern({ notifications: {} }))

  expect(error?.code).toBe(-32603)
  expect(server.seenOf("subscriptions/listen")).toHaveLength(1)
})

test("a stream that breaks before the server has agreed is told", async () => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "subscriptions/listen") return false
    sse(response)
    response.end(": nothing\n\n")
    return true
  }
  await using bridge = startBridge(server.url)

  const { error } = await bridge.request("subscriptions/listen", modern({ notifications: {} }))

  expect(server.seenOf("subscriptions/listen")).toHaveLength(1)
  expect(error?.data?.code).toBe("no-answer")
})

test("a server that has agreed once and then refuses is asked three times more, and the client is told", async () => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)
  await subscribe(bridge)
  server.handler = ({ message }, response) => {
    if (message?.method !== "subscriptions/listen") return false
    response.writeHead(410).end("gone")
    return true
  }

  for (const stream of server.streams) stream.destroy()
  const end = await bridge.heard(({ id }) => id === "sub")

  expect(server.seenOf("subscriptions/listen")).toHaveLength(4)
  expect(end.error?.data?.code).toBe("server-refused")
}, 20_000)

test("a subscription does not keep the bridge from its end", async () => {
  await using server = await startModernServer()
  const bridge = startBridge(server.url)
  await subscribe(bridge)

  const begunMs = performance.now()
  await bridge.end()

  expect(performance.now() - begunMs).toBeLessThan(5_000) // an answer that is owed would be waited for a minute
  await expect.poll(() => server.streams.size).toBe(0)
})

test("one that stops in mid-event holds up no answer, however large", async () => {
  await using server = await startModernServer()
  const text = "x".repeat(30 << 20)
  server.handler = ({ message }, response) =>
    message?.method === "x/large" && json(response, { jsonrpc: "2.0", id: message.id, result: { resultType: "complete", text } })
  await using bridge = startBridge(server.url)
  await subscribe(bridge)

  for (const stream of server.streams) stream.write(`data: ${"x".repeat(100_000)}`)
  await bridge.request("tools/list", modern()) // by now the beginning of the event is read
  const answers = await Promise.all([1, 2, 3].map((at) => bridge.request("x/large", modern(), `large-${at}`)))

  expect(answers.map(({ result }) => String(result?.["text"]).length)).toEqual([1, 2, 3].map(() => text.length))
})
