import { expect, test } from "vitest"
import { stdioLink } from "../../src/bridge/server/stdio.ts"
import { silentLog } from "../../src/core/log.ts"
import { startBridge } from "../harness/bridge.ts"

/** A local server that answers each request with a result of so many characters, or in a way of its own. */
const SERVER = `
  const heard = []
  require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, method, params } = JSON.parse(line)
    if (method === "initialize") console.log(JSON.stringify({ jsonrpc: "2.0", id, result: { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo: { name: "x", version: "1" } } }))
    else if (method === "x/silent") heard.push(id)
    else if (method === "x/moving") {
      const beat = setInterval(() => console.log(JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: params._meta.progressToken, progress: 1 } })), 100)
      setTimeout(() => { clearInterval(beat); console.log(JSON.stringify({ jsonrpc: "2.0", id, result: { moved: true } })) }, 1200)
    } else if (method === "x/long-line") {
      process.stdout.write('{"jsonrpc":"2.0","id":' + id + ',"result":{"text":"')
      let parts = 0
      const drip = setInterval(() => { process.stdout.write("part"); if (++parts === 12) { clearInterval(drip); console.log('"}}') } }, 100)
    } else if (method === "x/asks") {
      console.log(JSON.stringify({ jsonrpc: "2.0", id: "q", method: "elicitation/create", params: {} }))
      const asking = setInterval(() => console.log(JSON.stringify({ jsonrpc: "2.0", id: "q" + Math.random(), method: "ping" })), 150)
      setTimeout(() => { clearInterval(asking); console.log(JSON.stringify({ jsonrpc: "2.0", id, result: { asked: true } })) }, 1000)
    } else if (method === "notifications/cancelled") heard.push("cancelled " + params.requestId)
    else if (method === "x/heard") console.log(JSON.stringify({ jsonrpc: "2.0", id, result: { heard } }))
    else if (id !== undefined) console.log(JSON.stringify({ jsonrpc: "2.0", id, result: { text: "x".repeat(params.length) } }))
  })`

const bridgeTo = (maxFrameBytes: number, silenceMs = 30_000) =>
  startBridge("http://unused.invalid", {
    link: (receive, onSent) =>
      stdioLink({
        name: "local",
        look: "postern get local",
        command: process.execPath,
        args: ["-e", SERVER],
        env: {},
        receive,
        onSent,
        stderr: () => undefined,
        log: silentLog,
        silenceMs,
        maxFrameBytes,
      }),
  })

test("a line of a local server over the limit ends its own request, and the next one works", async () => {
  await using bridge = bridgeTo(1 << 20)
  await bridge.open()

  const large = await bridge.request("x/large", { length: 3 << 20 })
  const small = await bridge.request("x/small", { length: 10 })

  expect(large.error?.data?.code).toBe("answer-too-large")
  expect(small.result).toEqual({ text: "x".repeat(10) })
})

test("modern lines reach a local server as they are, with no opening and no question of ours (S23)", async () => {
  await using bridge = bridgeTo(1 << 20)
  const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} }

  const answer = await bridge.request("x/first", { length: 3, _meta: meta })

  expect(answer.result).toEqual({ text: "xxx" })
  expect(bridge.lines).toHaveLength(1)
})

test("a local server that a modern line has ended is started again by the next one, or by initialize", async () => {
  const fragile = SERVER.replace("else if (id", 'else if (method === "x/die") process.exit(1)\n    else if (id')
  await using bridge = startBridge("http://unused.invalid", {
    link: (receive) =>
      stdioLink({
        name: "local",
        look: "postern get local",
        command: process.execPath,
        args: ["-e", fragile],
        env: {},
        receive,
        stderr: () => undefined,
        log: silentLog,
        maxFrameBytes: 1 << 20,
      }),
  })
  const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} }

  const lost = await bridge.request("x/die", { _meta: meta })
  const next = await bridge.request("x/next", { length: 1, _meta: meta })
  await bridge.request("x/die", { _meta: meta })
  const opened = await bridge.open()

  expect(lost.error?.data?.code).toBe("server-exited")
  expect(next.result).toEqual({ text: "x" })
  expect(opened.result).toMatchObject({ serverInfo: { name: "x" } })
})

test("a local server that says nothing about a request is given up at the limit, told so, and goes on", async () => {
  await using bridge = bridgeTo(1 << 20, 400)
  await bridge.open()

  const silent = await bridge.request("x/silent", {}, 71)
  const { result } = await bridge.request("x/heard", {})

  expect(result?.["heard"]).toEqual([71, "cancelled 71"]) // it was reached, and need not go on
  expect(silent.error?.data).toMatchObject({ code: "server-silent", evidence: ["limit: 400 ms without a byte"] })
})

test.each([
  ["progress of its own", "x/moving", { moved: true }],
  ["a part of a long message", "x/long-line", { text: "part".repeat(12) }],
  ["a question of the server", "x/asks", { asked: true }],
])("%s keeps a request of a local server alive beyond the limit", async (_, method, result) => {
  await using bridge = bridgeTo(1 << 20, 400)
  await bridge.open()

  const answer = await bridge.request(method, { _meta: { progressToken: 5 } })

  expect(answer.result).toEqual(result)
})

test("progress of another request keeps nobody alive", async () => {
  await using bridge = bridgeTo(1 << 20, 400)
  await bridge.open()

  const moving = bridge.request("x/moving", { _meta: { progressToken: "5" } })
  const silent = await bridge.request("x/silent", { _meta: { progressToken: 5 } }) // a number is not the text

  expect(silent.error?.data?.code).toBe("server-silent")
  expect((await moving).result).toEqual({ moved: true })
})
