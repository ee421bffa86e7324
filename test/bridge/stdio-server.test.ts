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
