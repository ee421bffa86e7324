import { expect, test } from "vitest"
import { stdioLink } from "../../src/bridge/server/stdio.ts"
import { silentLog } from "../../src/core/log.ts"
import { startBridge } from "../harness/bridge.ts"

/** A local server that answers each request with a result of so many characters. */
const SERVER = `
  require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, method, params } = JSON.parse(line)
    if (method === "initialize") console.log(JSON.stringify({ jsonrpc: "2.0", id, result: { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo: { name: "x", version: "1" } } }))
    else if (id !== undefined) console.log(JSON.stringify({ jsonrpc: "2.0", id, result: { text: "x".repeat(params.length) } }))
  })`

const bridgeTo = (maxFrameBytes: number) =>
  startBridge("http://unused.invalid", {
    link: (receive) =>
      stdioLink({
        name: "local",
        command: process.execPath,
        args: ["-e", SERVER],
        env: {},
        receive,
        stderr: () => undefined,
        log: silentLog,
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
