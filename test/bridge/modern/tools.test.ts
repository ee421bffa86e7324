/** Tools whose parameters are mirrored into headers, and tools that are left out of the list (S11 to S13, S87). */
import { expect, test } from "vitest"
import { knownTools } from "../../../src/bridge/server/modern/known-tools.ts"
import { readMirrors } from "../../../src/bridge/server/modern/mirrors.ts"
import { paramHeaders } from "../../../src/bridge/server/modern/param-headers.ts"
import type { Ask } from "../../../src/bridge/server/modern/tool-list.ts"
import { makeFrame, readFrame, readFrames } from "../../../src/bridge/frame.ts"
import { silentLog } from "../../../src/core/log.ts"
import { startBridge } from "../../harness/bridge.ts"
import { failure, modern, startModernServer } from "../../servers/modern-server.ts"

const annotated = (name: string, properties: Record<string, unknown>): object => ({ name, inputSchema: { type: "object", properties } })

const query = annotated("query", {
  region: { type: "string", "x-mcp-header": "Region" },
  limit: { type: "integer", "x-mcp-header": "Limit" },
  dry: { type: "boolean", "x-mcp-header": "Dry-Run" },
  sql: { type: "string" },
  where: { type: "object", properties: { tenant: { type: "string", "x-mcp-header": "Tenant" } } },
})

/** The headers that a call left with. */
const mirrored = (request: { readonly headers: object } | undefined): object =>
  Object.fromEntries(Object.entries(request?.headers ?? {}).filter(([name]) => name.startsWith("mcp-param-")))

test("annotated parameters leave as headers too, from the list that has passed (S11)", async () => {
  await using server = await startModernServer()
  server.tools = [query]
  await using bridge = startBridge(server.url)
  await bridge.request("tools/list", modern())

  const given = { region: "us-west1", limit: 42, dry: false, sql: "SELECT 1", where: { tenant: "Ü 1" } }
  const answer = await bridge.request("tools/call", modern({ name: "query", arguments: given }))

  expect(answer.result).toBeDefined()
  expect(mirrored(server.seenOf("tools/call")[0])).toEqual({
    "mcp-param-region": "us-west1",
    "mcp-param-limit": "42",
    "mcp-param-dry-run": "false",
    "mcp-param-tenant": "=?base64?w5wgMQ==?=",
  })
  expect(server.seenOf("tools/list")).toHaveLength(1)
})

test("what is absent, null, no simple value or no exact integer has no header (S11)", async () => {
  await using server = await startModernServer()
  server.tools = [query]
  server.handler = ({ message }, response) =>
    message?.method === "tools/call" && response.writeHead(200, { "content-type": "application/json" }).end("{}") !== undefined
  await using bridge = startBridge(server.url)
  await bridge.request("tools/list", modern())

  const given = { region: null, limit: 2 ** 60, dry: { a: 1 }, where: "text" }
  await bridge.request("tools/call", modern({ name: "query", arguments: given }))

  expect(server.seenOf("tools/call")).toHaveLength(1)
  expect(mirrored(server.seenOf("tools/call")[0])).toEqual({})
})

test("a call before any list makes us ask for the list, all its pages, once for all calls that wait (S11)", async () => {
  await using server = await startModernServer()
  const pages = [{ tools: [annotated("other", {})], nextCursor: "2" }, { tools: [query] }]
  server.tools = [query]
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/list") return false
    const page = pages[(message.params as { cursor?: string }).cursor === "2" ? 1 : 0]
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { resultType: "complete", ...page } }))
    return true
  }
  await using bridge = startBridge(server.url)

  const call = (region: string): unknown => bridge.request("tools/call", modern({ name: "query", arguments: { region } }))
  await Promise.all([call("a"), call("b"), call("c")])
  await bridge.request("tools/call", modern({ name: "nobody-knows-it" }))

  expect(server.seenOf("tools/call").slice(0, 3).map(mirrored)).toEqual(["a", "b", "c"].map((region) => ({ "mcp-param-region": region })))
  expect(server.seenOf("tools/list")).toHaveLength(2) // and none for the tool that does not exist
  expect(bridge.messages.every(({ id }) => typeof id === "number")).toBe(true) // the answers to our own requests stay here
})

test("the list that we ask for by ourselves is asked in the client's name, and with nothing else of its call", async () => {
  await using server = await startModernServer()
  await using bridge = startBridge(server.url)
  const { ["_meta"]: meta } = modern() as { _meta: Record<string, unknown> }

  await bridge.request("tools/call", { name: "echo", _meta: { ...meta, progressToken: 5, traceparent: "00-1" } })

  expect(server.seenOf("tools/list")[0]?.message).toMatchObject({ params: { _meta: meta } })
  expect(server.seenOf("tools/list")[0]?.body).not.toContain("progressToken")
})

test("a list that cannot be had does not stop the call", async () => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) =>
    message?.method === "tools/list" && failure(response, 404, message.id, { code: -32601, message: "Method not found" })
  await using bridge = startBridge(server.url)

  const answer = await bridge.request("tools/call", modern({ name: "echo", arguments: { text: "x" } }))

  expect(server.seenOf("tools/list")).toHaveLength(1)
  expect(answer.result).toBeDefined()
})

test("a server that is not there is told at once, without a second try for the call", async () => {
  const server = await startModernServer()
  await server[Symbol.asyncDispose]()
  await using bridge = startBridge(server.url)

  const { error } = await bridge.request("tools/call", modern({ name: "echo" }))

  expect(error?.data?.code).toBe("server-unreachable")
})

test("headers that do not match are mended by a fresh list, and the call is sent once more (S13)", async () => {
  await using server = await startModernServer()
  server.tools = [query]
  await using bridge = startBridge(server.url)
  await bridge.request("tools/list", modern())
  server.tools = [annotated("query", { region: { type: "string", "x-mcp-header": "Zone" } })]

  const answer = await bridge.request("tools/call", modern({ name: "query", arguments: { region: "r" } }))

  expect(answer.result).toBeDefined()
  expect(server.seenOf("tools/call").map(mirrored)).toEqual([{ "mcp-param-region": "r" }, { "mcp-param-zone": "r" }])
})

test("a server that never likes the headers gets no third call, and its word is the answer (S13)", async () => {
  await using server = await startModernServer()
  let zone = 0
  server.handler = ({ message }, response) => {
    server.tools = [annotated("query", { region: { type: "string", "x-mcp-header": `Zone${++zone}` } })]
    return message?.method === "tools/call" && failure(response, 400, message.id, { code: -32020, message: "Header mismatch" })
  }
  await using bridge = startBridge(server.url)

  const { error } = await bridge.request("tools/call", modern({ name: "query", arguments: { region: "r" } }))
  const again = await bridge.request("tools/call", modern({ name: "query", arguments: { region: "r" } }))

  expect(server.seenOf("tools/call")).toHaveLength(4) // two for each
  expect([error?.code, again.error?.code]).toEqual([-32020, -32020])
})

test("a fresh list that changes nothing brings no second call", async () => {
  await using server = await startModernServer()
  server.handler = ({ message }, response) =>
    message?.method === "tools/call" && failure(response, 400, message.id, { code: -32020, message: "Header mismatch" })
  await using bridge = startBridge(server.url)

  const { error } = await bridge.request("tools/call", modern({ name: "echo" }))

  expect(server.seenOf("tools/call")).toHaveLength(1)
  expect(error?.code).toBe(-32020)
})

test("an invalid tool is cut from the list, and the rest of the text stays as it was written (S12)", async () => {
  await using server = await startModernServer()
  const good = '{ "name":"good", "inputSchema":{"type":"object","x":12345678901234567890} }'
  const bad = '{"name":"bad","inputSchema":{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}}'
  const list = (tools: string): string => `{"resultType":"complete", "tools":${tools},"ttlMs":1.50,"unknown":"\\u00e9"}`
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/list") return false
    const text = `{"jsonrpc":"2.0","id":${String(message.id)},"result":${list(`[${bad}, ${good} ,${bad},${good}, ${bad}]`)}}`
    response.writeHead(200, { "content-type": "application/json" }).end(text)
    return true
  }
  await using bridge = startBridge(server.url)

  await bridge.request("tools/list", modern())

  expect(bridge.lines).toEqual([`{"jsonrpc":"2.0","id":1,"result":${list(`[${good},${good}]`)}}`])
})

const schema = (property: unknown, more: object = {}): object => ({ type: "object", properties: { p: property }, ...more })
const bad = { type: "string", "x-mcp-header": "Bad" }

test.each<[string, object]>([
  ["an empty name", schema({ type: "string", "x-mcp-header": "" })],
  ["a name with a space", schema({ type: "string", "x-mcp-header": "My Region" })],
  ["a name with a colon", schema({ type: "string", "x-mcp-header": "Region:Primary" })],
  ["a name that would be two headers", schema({ type: "string", "x-mcp-header": "Region\r\nAuthorization" })],
  ["a name outside of ASCII", schema({ type: "string", "x-mcp-header": "Région" })],
  ["a name that is no text", schema({ type: "string", "x-mcp-header": 7 })],
  ["a number", schema({ type: "number", "x-mcp-header": "P" })],
  ["an object", schema({ type: "object", "x-mcp-header": "P" })],
  ["an array", schema({ type: "array", "x-mcp-header": "P" })],
  ["null", schema({ type: "null", "x-mcp-header": "P" })],
  ["several types", schema({ type: ["string", "null"], "x-mcp-header": "P" })],
  ["no type", schema({ "x-mcp-header": "P" })],
  ["the root", { type: "object", "x-mcp-header": "P" }],
  ["two of one name", schema({ type: "string", "x-mcp-header": "Bad" }, { properties: { a: bad, b: bad } })],
  ["two that differ in case only", schema(bad, { properties: { a: bad, b: { type: "string", "x-mcp-header": "bAD" } } })],
  ["items", schema({ type: "array", items: bad })],
  ["a list of items", schema({ type: "array", prefixItems: [{}, bad] })],
  ["anyOf", schema({ anyOf: [bad] })],
  ["properties below oneOf", schema({}, { oneOf: [schema(bad)] })],
  ["else", schema({}, { if: {}, else: schema(bad) })],
  ["additionalProperties", schema({}, { additionalProperties: bad })],
  ["$defs", schema({ $ref: "#/$defs/x" }, { $defs: { x: bad } })],
  ["patternProperties", schema({}, { patternProperties: { "^x": bad } })],
])("an annotation on %s makes the tool invalid (S12)", (_, inputSchema) => {
  expect(readMirrors(inputSchema)).toHaveProperty("problem")
})

test.each<[string, unknown, number]>([
  ["none", schema({ type: "string" }), 0],
  ["no schema at all", undefined, 0],
  ["a schema that is none", "x", 0],
  ["one that is nested in properties only", schema(schema(schema(bad))), 1],
  ["a property that is called like the annotation", { properties: { "x-mcp-header": { type: "string" } } }, 0],
  ["a default that looks like one", schema({ type: "object", default: bad, examples: [bad], const: bad }), 0],
  ["a cycle of references, which nobody follows", schema({ $ref: "#" }, { $defs: { a: { $ref: "#/$defs/a" } } }), 0],
  ["a reference to another host, which nobody follows", schema({ $ref: "http://127.0.0.1:9/schema.json" }), 0],
])("a schema with %s is valid", (_, inputSchema, mirrors) => {
  expect(readMirrors(inputSchema)).toMatchObject({ mirrors: { length: mirrors } })
})

const nested = (levels: number): string => '{"properties":{"p":'.repeat(levels) + "{}" + "}}".repeat(levels)

test.each<[string, string]>([
  ["of 100,000 levels", nested(100_000)],
  ["with 200,000 properties", `{"properties":{${Array.from({ length: 200_000 }, (_, index) => `"p${index}":{}`).join(",")}}}`],
])("a schema %s is read up to the bound, and its tool is left out; the others stay (S87)", (_, inputSchema) => {
  const tools = `[{"name":"huge","inputSchema":${inputSchema}},{"name":"small"}]`
  const [answer] = readFrames(Buffer.from(`{"jsonrpc":"2.0","id":1,"result":{"tools":${tools}}}`))

  const learned = answer && knownTools(silentLog).learn(answer)

  expect(learned?.bytes.toString()).toBe('{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"small"}]}}')
})

test.each([
  '{"tools":{}}',
  '{"tools":[null,7,"x",[],{"name":7}]}',
  '{"tools":[{"inputSchema":{"properties":{"p":{"x-mcp-header":""}}}}]}',
  "null",
  "[]",
])("a list that is none passes as it is: %s", (result) => {
  const [answer] = readFrames(Buffer.from(`{"jsonrpc":"2.0","id":1,"result":${result}}`))

  expect(answer && knownTools(silentLog).learn(answer)).toBe(answer)
})

test("a tool that is left out is told in the log, with its name and the reason, fit for a terminal (S12)", () => {
  const told: unknown[] = []
  const log = { ...silentLog, error: (event: string, fields?: object) => void told.push([event, fields]) }
  const tool = { name: "bad\u001b[2J", inputSchema: { properties: { a: { type: "number", "x-mcp-header": "A" } } } }
  const [answer] = readFrames(Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, result: { tools: [tool] } })))

  if (answer) knownTools(log).learn(answer)

  expect(told).toEqual([
    [
      "tool left out of the list",
      { tool: "bad\\u001b[2J", why: "x-mcp-header of a stands on something else than a string, an integer or a boolean" },
    ],
  ])
})

test("after the server has told that its list changed, the next call asks for it", async () => {
  await using server = await startModernServer()
  server.tools = [query]
  await using bridge = startBridge(server.url)
  await bridge.request("tools/list", modern())
  bridge.send({ id: "sub", method: "subscriptions/listen", params: modern({ notifications: { toolsListChanged: true } }) })
  await bridge.heard(({ method }) => method === "notifications/subscriptions/acknowledged")
  server.tools = [annotated("query", { region: { type: "string", "x-mcp-header": "Zone" } })]

  server.say(() => ({ jsonrpc: "2.0", method: "notifications/tools/list_changed" }))
  await bridge.heard(({ method }) => method === "notifications/tools/list_changed")
  await bridge.request("tools/call", modern({ name: "query", arguments: { region: "r" } }))

  expect(server.seenOf("tools/call").map(mirrored)).toEqual([{ "mcp-param-zone": "r" }])
})

/** A list of two pages that is asked for by `paramHeaders` itself; its second page is answered when the test says so. */
function twoPages() {
  const asked: (() => void)[] = []
  const tool = (name: string): object => annotated(name, { region: { type: "string", "x-mcp-header": name } })
  const pages = [{ tools: [tool("first")], nextCursor: "2" }, { tools: [tool("second")] }]
  let lastId = 0
  const ask: Ask = async (request, receive) => {
    const isSecond = request.bytes.includes('"cursor"')
    if (isSecond) await new Promise<void>((resolve) => asked.push(resolve))
    const said = `{"jsonrpc":"2.0","id":${request.id},"result":${JSON.stringify(pages[isSecond ? 1 : 0])}}`
    await receive(headers.learn(readFrame(said), request))
  }
  const headers = paramHeaders({ ask, newId: () => `"ours-${++lastId}"`, log: silentLog })
  const given = (name: string) => ({ name, arguments: { region: "r" } })
  const call = makeFrame({ id: 1, method: "tools/call", params: {} })
  const { signal } = new AbortController()
  return {
    asked,
    of: (name: string) => headers.of(call, given(name), signal),
    afresh: (name: string) => headers.afresh(call, given(name), signal),
    tellChange: () => headers.learn(makeFrame({ method: "notifications/tools/list_changed" }), call),
  }
}

test("two calls that need a fresh list at once have one, whole", async () => {
  const list = twoPages()

  const one = list.afresh("first")
  await expect.poll(() => list.asked.length).toBe(1) // its first page has been learned from
  const other = list.afresh("first")
  list.asked[0]?.()

  expect([await one, await other]).toEqual([{ "mcp-param-first": "r" }, { "mcp-param-first": "r" }])
  expect(await list.of("first")).toEqual({ "mcp-param-first": "r" })
  expect(list.asked).toHaveLength(1)
})

test("a list that changes while we ask for it is asked for again by the next call, which waits for no old page", async () => {
  const list = twoPages()

  const early = list.of("second")
  await expect.poll(() => list.asked.length).toBe(1)
  list.tellChange()
  const late = list.of("first")
  await expect.poll(() => list.asked.length).toBe(2)
  list.asked[1]?.()

  expect(await late).toEqual({ "mcp-param-first": "r" })
  list.asked[0]?.()
  expect(await early).toEqual({ "mcp-param-second": "r" })
})

test("a list of which a part was forgotten meanwhile is not taken for whole", async () => {
  const list = twoPages()

  const early = list.of("second")
  await expect.poll(() => list.asked.length).toBe(1)
  list.tellChange()
  list.asked[0]?.()
  expect(await early).toEqual({ "mcp-param-second": "r" })
  const late = list.of("first")
  await expect.poll(() => list.asked.length).toBe(2)
  list.asked[1]?.()

  expect(await late).toEqual({ "mcp-param-first": "r" })
})
