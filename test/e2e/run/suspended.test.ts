/** Processes that are stopped for a while, as a closed laptop or a shell's Ctrl-Z does it. */
import { expect, test } from "vitest"
import { makeHome, startClient } from "../../harness/client.ts"
import { json, startMcpServer } from "../../servers/mcp-server.ts"

const call = { name: "echo", arguments: { text: "x" } }

test("a bridge that was stopped for longer than the limit on silence takes its own sleep for nobody's silence", async () => {
  await using server = await startMcpServer()
  await using home = await makeHome()
  const file = await home.config({ weather: { type: "http", url: server.url, timeout: 1_000 } })
  await using client = startClient(home, ["run", "weather", "--config", file])
  await client.open()
  let answer: (() => void) | undefined
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    answer = () => void json(response, { jsonrpc: "2.0", id: message.id, result: { after: "the sleep" } })
    return true
  }

  const called = client.request("tools/call", call)
  await expect.poll(() => answer !== undefined).toBe(true)
  client.child.kill("SIGSTOP")
  await new Promise((resolve) => setTimeout(resolve, 3_500)) // beyond the limit, and beyond the next look
  answer?.()
  client.child.kill("SIGCONT")

  expect((await called).result).toEqual({ after: "the sleep" })
})

test("the same bridge, awake, gives a silent server up at the limit", async () => {
  await using server = await startMcpServer()
  await using home = await makeHome()
  const file = await home.config({ weather: { type: "http", url: server.url, timeout: 1_000 } })
  await using client = startClient(home, ["run", "weather", "--config", file])
  await client.open()
  server.handler = ({ message }) => message?.method === "tools/call"

  expect((await client.request("tools/call", call)).error?.data?.code).toBe("server-silent")
})
