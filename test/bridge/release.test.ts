/** A cancelled call over the transport of the legacy era (S16): the notice is forwarded, the stream kept for a moment, then given back. */
import type { ServerResponse } from "node:http"
import { expect, test, vi } from "vitest"
import { withRelease } from "../../src/bridge/server/release.ts"
import { streamableHttpLink } from "../../src/bridge/server/streamable-http.ts"
import { systemClock } from "../../src/core/clock.ts"
import { createHttp } from "../../src/core/http.ts"
import { silentLog } from "../../src/core/log.ts"
import { startBridge } from "../harness/bridge.ts"
import { withoutProof } from "../harness/without-proof.ts"
import { type McpServer, sse, startMcpServer } from "../servers/mcp-server.ts"

function startReleasing(server: McpServer, releaseMs: number) {
  const http = createHttp({ silenceMs: 30_000, connectMs: 30_000 })
  const door = { http, authenticator: withoutProof, clock: systemClock }
  return startBridge(server.url, {
    link: (receive) =>
      withRelease(
        streamableHttpLink({ name: "test", url: new URL(server.url), door, receive, log: silentLog, maxFrameBytes: 1024 * 1024 }),
        http,
        releaseMs,
      ),
  })
}

const call = { name: "slow", arguments: {} }
const cancel = { method: "notifications/cancelled", params: { requestId: 7 } }

test.each([
  ["before its answer has begun", (response: ServerResponse) => void response.statusCode],
  [
    "in the middle of its stream",
    (response: ServerResponse) => sse(response)({ jsonrpc: "2.0", method: "notifications/progress", params: {} }),
  ],
  ["in the middle of a stream that could be taken up again", (response: ServerResponse) => sse(response)("", "event-1")],
])("a call that is cancelled %s gives its connection back, and is not answered", async (_, begin) => {
  await using server = await startMcpServer()
  const closed = new Promise<void>((resolve) => {
    server.handler = ({ message }, response) => {
      if (message?.method !== "tools/call") return false
      begin(response)
      response.on("close", resolve)
      return true
    }
  })
  await using bridge = startReleasing(server, 50)
  await bridge.open()
  bridge.send({ id: 7, method: "tools/call", params: call })
  await vi.waitUntil(() => server.seenOf("tools/call").length === 1)

  bridge.send(cancel)
  await closed

  await vi.waitUntil(() => server.seenOf("notifications/cancelled").length === 1) // it was forwarded
  await bridge.request("tools/list")
  expect(bridge.messages.filter(({ id }) => id === 7)).toEqual([])
  expect(server.seen.filter(({ method, headers }) => method === "GET" && headers["last-event-id"])).toEqual([])
})

test("an answer that was on its way when the call was cancelled is still passed on", async () => {
  await using server = await startMcpServer()
  let answer: (() => void) | undefined
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    const send = sse(response)
    answer = () => (send({ jsonrpc: "2.0", id: 7, result: { content: [] } }), response.end())
    return true
  }
  await using bridge = startReleasing(server, 30_000)
  await bridge.open()
  bridge.send({ id: 7, method: "tools/call", params: call })
  await vi.waitUntil(() => answer !== undefined)

  bridge.send(cancel)
  await vi.waitUntil(() => server.seenOf("notifications/cancelled").length === 1)
  answer?.()

  await bridge.heard(({ id }) => id === 7)
})
