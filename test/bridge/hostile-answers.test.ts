/** What a server may put into an answer to deceive a person or a client. */
import http from "node:http"
import type { AddressInfo } from "node:net"
import { expect, test } from "vitest"
import { tellInOneLine } from "../../src/bridge/error-answer.ts"
import { createRedactor } from "../../src/core/redact.ts"
import { startBridge } from "../harness/bridge.ts"
import { startMcpServer } from "../servers/mcp-server.ts"

const call = { name: "echo", arguments: { text: "x" } }
const STEERING = {
  "a title of C0": "\u001b]0;owned\u0007",
  C1: "\u009b31mred\u0090",
  "a link of OSC 8": "\u001b]8;;https://evil.example\u001b\\click\u001b]8;;\u001b\\",
  bidi: "\u202egnp.exe\u2066",
}
// oxlint-disable-next-line no-control-regex -- these characters are what it is about
const ACTS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

test.each(Object.entries(STEERING))("%s in the body of a refusal is shown as escapes and acts on no terminal", async (_, text) => {
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    response.writeHead(500, { "content-type": "text/plain" }).end(`before ${text} after`)
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.open()

  const { error } = await bridge.request("tools/call", call)

  expect(server.seenOf("tools/call")).toHaveLength(1)
  expect(error?.data?.evidence.join()).toContain("before ")
  expect(error?.data?.evidence.join()).toContain(" after")
  expect(JSON.stringify(error)).not.toMatch(ACTS)
  expect(error?.message).not.toMatch(ACTS)
})

test("an address that a server redirects to is shown cut, as escapes, without our key, and never as a link", async () => {
  const bytes = Buffer.from(Array.from({ length: 128 }, (_, at) => at + 128)).toString("latin1")
  const key = "key-0123456789abcdef"
  const locations = [bytes, `?k=${key}`, `?k=${encodeURIComponent(btoa(key))}`, "x".repeat(10_000), `${"x".repeat(168)}${key}`]
  const listener = http.createServer((_, response) => {
    response.writeHead(301, { location: `http://elsewhere.example/${locations[0]}` }).end()
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  const redactor = createRedactor()
  redactor.learn(key)
  await using bridge = startBridge(`http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`, { redactor })

  const told: string[] = []
  for (; locations.length > 0; locations.shift()) {
    const { error } = await bridge.open()
    expect(error?.data?.code).toBe("redirect-refused")
    told.push(JSON.stringify(error))
  }
  listener.close()

  expect(told[0]).toContain("\\\\u0080")
  for (const text of told) {
    expect(text).not.toMatch(ACTS)
    expect(text).not.toContain("http://elsewhere")
    expect(text).not.toContain(key.slice(0, 10))
    expect(text).not.toContain(btoa(key).slice(2, 12))
    expect(text.length).toBeLessThan(3_000)
  }
})

test("two documents in one body are no answer, and nothing of them reaches the client", async () => {
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    const one = JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { smuggled: true } })
    response.writeHead(200, { "content-type": "application/json" }).end(`${one}\n${one}`)
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.open()

  const { error } = await bridge.request("tools/call", call)

  expect(server.seenOf("tools/call")).toHaveLength(1)
  expect(error?.data?.code).toBe("answer-unreadable")
  expect(bridge.messages.some((message) => message.result?.["smuggled"])).toBe(false)
})

test("a JSON answer with line breaks is one line for the client, its content untouched", async () => {
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    response.writeHead(200, { "content-type": "application/json" })
    response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { text: "two\nlines" } }, null, "\r\n\t"))
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.open()

  const answer = await bridge.request("tools/call", call)

  expect(answer.result).toEqual({ text: "two\nlines" })
  expect(bridge.lines).toHaveLength(2)
})

test("a sign-in page in the place of the server, with 200 or with 401, is told as that", async () => {
  for (const [status, code] of [
    [200, "answer-unreadable"],
    [511, "server-refused"],
  ] as const) {
    await using server = await startMcpServer()
    server.handler = (_, response) => {
      response.writeHead(status, { "content-type": "text/html" }).end("<html>Sign in to Wi-Fi</html>")
      return true
    }
    await using bridge = startBridge(server.url)

    const { error } = await bridge.open()

    expect(error?.data?.code).toBe(code)
    expect(error?.data?.evidence.join()).toContain("Sign in to Wi-Fi")
    if (status === 200) expect(error?.data?.next).toContain("a network's sign-in page answers in the server's place")
  }
})

test("an answer that is JSON in part, or another text, is not told as a sign-in page", async () => {
  for (const body of ['{"jsonrpc":"2.0","id":1,"result":{', '{"hello":1}', "404 page not found"]) {
    await using server = await startMcpServer()
    server.handler = (_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(body)
      return true
    }
    await using bridge = startBridge(server.url)

    const { error } = await bridge.open()

    expect(error?.data).toMatchObject({ code: "answer-unreadable", evidence: [`content-type: application/json; begins with: ${body}`] })
    expect(error?.data?.next).toBe("check that the address is that of an MCP server; if it is, the fault is the server's")
  }
})

test("a byte order mark before an answer is passed over, in JSON as in a stream (RFC 8259 section 8.1)", async () => {
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    const answer = JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { marked: true } })
    const isStream = server.seenOf("tools/call").length > 1
    response.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" })
    response.end(`\uFEFF${isStream ? `data: ${answer}\n\n` : answer}`)
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.open()

  expect((await bridge.request("tools/call", call)).result).toEqual({ marked: true })
  expect((await bridge.request("tools/call", call)).result).toEqual({ marked: true })
  expect(bridge.lines.join("")).not.toContain("\uFEFF")
})

test("a diagnosis in one line stays one line, whatever was quoted", () => {
  const told = tellInOneLine({ code: "x", kind: "failed", cause: "It failed.", evidence: ["a", "b"], next: "do it" })

  expect(told).toBe("It failed (a; b). Next: do it")
})
