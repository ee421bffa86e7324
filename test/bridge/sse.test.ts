import type { Socket } from "node:net"
import { expect, test } from "vitest"
import { withoutProof } from "../harness/without-proof.ts"
import { withRelease } from "../../src/bridge/server/release.ts"
import { sseLink } from "../../src/bridge/server/sse.ts"
import { systemClock } from "../../src/core/clock.ts"
import { createHttp } from "../../src/core/http.ts"
import { silentLog } from "../../src/core/log.ts"
import { startBridge } from "../harness/bridge.ts"
import { startMcpServer } from "../servers/mcp-server.ts"
import { startSseServer } from "../servers/sse-server.ts"

function bridgeTo(url: string, silenceMs = 30_000, log = silentLog) {
  const http = createHttp({ silenceMs: 30_000, connectMs: 5_000 })
  const door = {
    http,
    authenticator: withoutProof,
    clock: systemClock,
  }
  return startBridge(url, {
    link: (receive, onSent) =>
      withRelease(sseLink({ name: "test", url: new URL(url), door, receive, onSent, log, silenceMs, maxFrameBytes: 1 << 20 }), http, 50),
  })
}

test("messages go to the address that the stream names, and answers come back on the stream (S1)", async () => {
  await using server = await startSseServer()
  await using bridge = bridgeTo(server.url)

  const opened = await bridge.open()
  const answers = await Promise.all([bridge.request("tools/list"), bridge.request("tools/call", { name: "x" })])

  expect(opened.result).toMatchObject({ serverInfo: { name: "sse" } })
  expect(answers.map((answer) => answer.result)).toEqual([{ method: "tools/list" }, { method: "tools/call" }])
  expect(server.seen.filter(({ method }) => method === "POST").every(({ path }) => path === "/messages?session=1")).toBe(true)
  expect(server.seen.filter(({ method }) => method === "GET")).toHaveLength(1)
})

test("what the server says unasked passes, and foreign and second answers are dropped", async () => {
  await using server = await startSseServer()
  await using bridge = bridgeTo(server.url)
  await bridge.open()
  const { answer } = server
  server.answer = (message) => [
    { jsonrpc: "2.0", id: 999, result: { wrong: true } },
    ...answer(message),
    { jsonrpc: "2.0", id: message.id, result: { wrong: true } },
  ]

  await bridge.request("tools/list")
  server.say({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })
  await bridge.heard((message) => message.method === "notifications/tools/list_changed")

  expect(bridge.lines.join("\n")).not.toContain("wrong")
})

test.each([
  ["another origin", "http://127.0.0.1:9/steal"],
  ["another scheme", "file:///etc/passwd"],
])("an address for messages of %s is refused, and nothing goes there (S1)", async (_, endpoint) => {
  await using stranger = await startMcpServer()
  await using server = await startSseServer()
  server.endpoint = endpoint.replace("http://127.0.0.1:9", stranger.origin)
  await using bridge = bridgeTo(server.url)

  const { error } = await bridge.open()

  expect(server.seen).toHaveLength(1) // the trap was reached
  expect(error?.data?.code).toBe("endpoint-refused")
  expect(stranger.seen).toEqual([])
})

test("a stream that begins with something else than an address is refused, and nothing is sent (S1)", async () => {
  await using server = await startMcpServer()
  server.handler = ({ method }, response) => {
    if (method === "GET") response.writeHead(200, { "content-type": "text/event-stream" }).write("data: /messages\n\n")
    return method === "GET"
  }
  await using bridge = bridgeTo(server.url)

  const { error } = await bridge.open()

  expect(error?.data?.code).toBe("endpoint-refused")
  expect(server.seen.every(({ method }) => method === "GET")).toBe(true)
})

test("a session that the server does not know any more (404) is opened again, and the message is sent once more", async () => {
  await using server = await startSseServer()
  await using bridge = bridgeTo(server.url)
  await bridge.open()
  let lost = false
  server.onPost = (message) => {
    server.postStatus = message?.method === "tools/list" && !lost ? 404 : 202
    lost ||= message?.method === "tools/list"
    return false
  }

  const { result } = await bridge.request("tools/list")

  const posted = server.seen.flatMap(({ message }) => (message?.method === undefined ? [] : [message.method]))
  expect(result).toEqual({ method: "tools/list" })
  expect(posted.slice(2)).toEqual(["tools/list", "initialize", "notifications/initialized", "tools/list"])
  expect(server.seen.filter(({ method }) => method === "GET")).toHaveLength(2)
})

test("a stream that breaks loses what was asked, and the next message opens a new one", async () => {
  await using server = await startSseServer()
  await using bridge = bridgeTo(server.url)
  await bridge.open()
  const { answer } = server
  server.answer = (message) => (message.method === "tools/call" ? [] : answer(message))

  const lost = bridge.request("tools/call", { name: "x" })
  await expect.poll(() => server.seen.some(({ message }) => message?.method === "tools/call")).toBe(true)
  for (const stream of server.streams) stream.destroy()
  const { error } = await lost
  const next = await bridge.request("tools/list")

  expect(error?.data?.code).toBe("connection-lost")
  expect(next.result).toEqual({ method: "tools/list" })
  expect(server.seen.filter(({ method }) => method === "GET")).toHaveLength(2)
  expect(bridge.messages.filter((message) => message.result?.["serverInfo"])).toHaveLength(1)
})

test("a refused message is told with the server's words", async () => {
  await using server = await startSseServer()
  await using bridge = bridgeTo(server.url)
  await bridge.open()
  await bridge.request("tools/list")
  server.postStatus = 500

  expect((await bridge.request("tools/call", { name: "x" })).error?.data).toMatchObject({
    code: "server-refused",
    evidence: ["it said: no"],
  })
})

test("a message that was refused is not waited for: an answer that comes all the same is nobody's", async () => {
  await using server = await startSseServer()
  const dropped: unknown[] = []
  const log = { ...silentLog, info: (_: string, facts?: Record<string, unknown>) => void dropped.push(facts?.["claims"]) }
  await using bridge = bridgeTo(server.url, 30_000, log)
  await bridge.open()
  server.postStatus = 500
  await bridge.request("tools/call", { name: "x" }, 77)

  server.say({ jsonrpc: "2.0", id: 77, result: {} })

  await expect.poll(() => dropped).toEqual(["77"])
})

test("of two that open a session at once, one stream is left, and none when the bridge has ended", async () => {
  await using server = await startSseServer()
  {
    await using bridge = bridgeTo(server.url)
    await bridge.open()

    await Promise.all([bridge.request("initialize", {}, "a"), bridge.request("initialize", {}, "b")])
    expect(server.seen.filter(({ method }) => method === "GET")).toHaveLength(3) // both opened one
    await expect.poll(() => server.streams.size).toBe(1)
  }
  await expect.poll(() => server.streams.size).toBe(0)
})

test("a server that is none of this transport is told as that", async () => {
  await using server = await startMcpServer()
  server.handler = (_, response) => {
    response.writeHead(404).end("nothing here")
    return true
  }
  await using bridge = bridgeTo(server.url)

  expect((await bridge.open()).error?.data).toMatchObject({ code: "server-refused" })
})

test("a request that nothing is said about is given up at the limit on silence; one that makes progress is not", async () => {
  await using server = await startSseServer()
  await using bridge = bridgeTo(server.url, 400)
  await bridge.open()
  const { answer } = server
  server.answer = (message) => (message.method === "tools/call" ? [] : answer(message))
  const beat = setInterval(
    () => server.say({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: "a", progress: 1 } }),
    100,
  )

  const moving = bridge.request("tools/call", { name: "x", _meta: { progressToken: "a" } }, 71)
  const silent = await bridge.request("tools/call", { name: "x", _meta: { progressToken: "b" } }, 72)
  clearInterval(beat)
  server.say({ jsonrpc: "2.0", id: 71, result: { done: true } })

  expect(silent.error?.data).toMatchObject({ code: "server-silent", evidence: ["limit: 400 ms without a byte"] })
  expect((await moving).result).toEqual({ done: true })
  expect((await bridge.request("tools/list")).result).toEqual({ method: "tools/list" })
})

test("a call that is cancelled while its POST hangs gives its connection back, and is not answered (S16)", async () => {
  await using server = await startSseServer()
  await using bridge = bridgeTo(server.url)
  await bridge.open()
  const hanging: Socket[] = []
  server.onPost = (message, { socket }) => message?.method === "tools/call" && hanging.push(socket) > 0
  bridge.send({ id: 7, method: "tools/call", params: { name: "slow" } })
  await expect.poll(() => hanging).toHaveLength(1) // the trap was reached

  bridge.send({ method: "notifications/cancelled", params: { requestId: 7 } })
  await expect.poll(() => hanging[0]?.destroyed).toBe(true)

  await bridge.request("tools/list")
  expect(bridge.messages.filter(({ id }) => id === 7)).toEqual([])
})

test.each([
  ["a list is sent again", "tools/list", undefined],
  ["a call is not, and its outcome is told as unknown", "tools/call", "connection-lost"],
])("where the connection that was kept open has died, %s (S17)", async (_, method, code) => {
  await using server = await startSseServer()
  await using bridge = bridgeTo(server.url)
  await bridge.open()
  const used = new Set<Socket>()
  const killed: Socket[] = []
  server.onPost = (_message, { socket }) => {
    if (killed.length > 0 || !used.has(socket)) return !used.add(socket)
    return killed.push(socket.destroy()) > 0
  }

  // The answer comes on the stream, perhaps before the connection of the POST is free again.
  let sent = 0
  let answer
  do answer = await bridge.request(method, { name: `x${++sent}` })
  while (killed.length === 0)

  expect(answer.error?.data?.code).toBe(code)
  expect(server.seen.filter(({ message }) => message?.params?.name === `x${sent}`)).toHaveLength(code === undefined ? 2 : 1)
})
