/** A modern server that lies: each trap is reached, each id gets one answer, and the bridge goes on. */
import type { ServerResponse } from "node:http"
import { expect, test } from "vitest"
import { startBridge } from "../../harness/bridge.ts"
import { sse, startMcpServer } from "../../servers/mcp-server.ts"
import { modern, modernMeta, startModernServer } from "../../servers/modern-server.ts"

type Lie = (id: unknown, response: ServerResponse) => void

const result = (id: unknown, text: string): object => ({ jsonrpc: "2.0", id, result: { resultType: "complete", text } })
const body =
  (...messages: ((id: unknown) => object)[]): Lie =>
  (id, response) =>
    void response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify(messages.length === 1 ? messages[0]?.(id) : messages.map((message) => message(id))))
const stream =
  (...messages: ((id: unknown) => object)[]): Lie =>
  (id, response) => {
    const say = sse(response)
    for (const message of messages) say(message(id))
    response.end()
  }

const right = (id: unknown): object => result(id, "right")
const foreign = (): object => result("somebody-else", "wrong")
const withoutId = (): object => ({ jsonrpc: "2.0", id: null, error: { code: -32603, message: "wrong" } })

test.each<[string, Lie, string]>([
  ["a second answer", stream(right, (id) => result(id, "wrong")), "right"],
  ["a second answer in a batch", body(right, (id) => result(id, "wrong")), "right"],
  ["a foreign answer first", stream(foreign, right), "right"],
  ["an error for nobody first", stream(withoutId, right), "right"],
  ["nothing but a foreign answer", body(foreign), "no-answer"],
  ["nothing but a foreign answer on a stream", stream(foreign), "no-answer"],
  ["an empty body", (_, response) => void response.writeHead(200).end(), "no-answer"],
  ["202", (_, response) => void response.writeHead(202).end(), "no-answer"],
  ["HTML", (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>"), "answer-unreadable"],
  [
    "broken JSON in an event",
    (_, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).end('data: {"\n\n'),
    "answer-unreadable",
  ],
  [
    "an event id, as if one could come back for the rest",
    (_, response) => {
      sse(response)("", "cursor-1")
      response.end()
    },
    "no-answer",
  ],
])("%s: the call has one answer, is not repeated, and the next one works", async (_, lie, expected) => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    lie(message.id, response)
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.request("tools/list", modern())

  const answer = await bridge.request("tools/call", modern({ name: "echo" }), "mine")
  const next = await bridge.request("tools/list", modern())

  expect(server.seenOf("tools/call")).toHaveLength(1)
  expect(server.seen.every(({ method, headers }) => method === "POST" && !("last-event-id" in headers))).toBe(true)
  expect(answer.result?.["text"] ?? answer.error?.data?.code).toBe(expected)
  expect(bridge.messages.filter(({ id }) => id === "mine")).toHaveLength(1)
  expect(next.result).toBeDefined()
})

test("a server cannot make its annotations set a header of ours, or smuggle one in", async () => {
  await using server = await startModernServer()
  const property = (header: string): object => ({ type: "string", "x-mcp-header": header })
  server.tools = [
    { name: "t", inputSchema: { properties: { a: property("Authorization"), b: property("Mcp-Name"), c: property("__proto__") } } },
  ]
  await using bridge = startBridge(server.url)

  const given = JSON.parse('{"a":"Bearer stolen","b":"other\\r\\nX-Evil: 1","c":"x","__proto__":{"d":"y"}}') as object
  const answer = await bridge.request("tools/call", modern({ name: "t", arguments: given }))

  const { headers } = server.seenOf("tools/call")[0] ?? { headers: {} }
  expect(answer.result).toBeDefined()
  expect(headers).toMatchObject({ "mcp-name": "t", "mcp-param-authorization": "Bearer stolen" })
  expect(headers).not.toHaveProperty("authorization")
  expect(headers).not.toHaveProperty("x-evil")
})

test("a schema that points elsewhere is not followed", async () => {
  await using stranger = await startMcpServer()
  await using server = await startModernServer()
  server.tools = [{ name: "t", inputSchema: { $ref: `${stranger.url}/schema`, properties: { a: { $ref: `${stranger.url}/a` } } } }]
  await using bridge = startBridge(server.url)

  const listed = await bridge.request("tools/list", modern())
  await bridge.request("tools/call", modern({ name: "t", arguments: { a: 1 } }))

  expect(JSON.stringify(listed.result)).toContain(stranger.origin) // the trap was handed on to the client as it is
  expect(stranger.seen).toEqual([])
})

test("a list without end is given up, and the call goes on without it", async () => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/list") return false
    const page = server.seenOf("tools/list").length
    const answer = { jsonrpc: "2.0", id: message.id, result: { tools: [], nextCursor: `page-${page}` } }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer))
    return true
  }
  await using bridge = startBridge(server.url)

  const answer = await bridge.request("tools/call", modern({ name: "echo", arguments: { text: "x" } }))

  expect(server.seenOf("tools/list")).toHaveLength(100)
  expect(answer.result).toBeDefined()
})

test("a client's own cancel ends a call that waits for our list, and nothing of it is sent", async () => {
  await using server = await startModernServer()
  let release: (() => void) | undefined
  server.handler = async ({ message }) => {
    if (message?.method === "tools/list") await new Promise<void>((resolve) => (release = resolve))
    return false
  }
  await using bridge = startBridge(server.url)

  bridge.send({ id: "waits", method: "tools/call", params: modern({ name: "echo" }) })
  await expect.poll(() => server.seenOf("tools/list")).toHaveLength(1)
  bridge.send({ method: "notifications/cancelled", params: { requestId: "waits", _meta: modernMeta() } })
  const other = bridge.request("prompts/get", modern({ name: "x" }))
  await other
  release?.()
  await bridge.request("resources/read", modern({ uri: "a:b" }))

  expect(server.seenOf("tools/call")).toEqual([])
  expect(bridge.messages.filter(({ id }) => id === "waits")).toEqual([])
})

test("what comes deep and huge in a result passes as it is", async () => {
  await using server = await startModernServer()
  const deep = `${'{"a":['.repeat(20_000)}1${"]}".repeat(20_000)}`
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(`{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","structuredContent":${deep}}}`)
    return true
  }
  await using bridge = startBridge(server.url)

  await bridge.request("tools/call", modern({ name: "echo" }))

  expect(bridge.lines.some((line) => line.includes(deep))).toBe(true)
})
