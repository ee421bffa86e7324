/** Row 7: `postern tools` and `postern call`, one question to a server. */
import { expect, test } from "vitest"
import { type ErrorObject, makePerson, newSecret } from "../../harness/postern.ts"
import { json, startMcpServer } from "../../servers/mcp-server.ts"

test.concurrent("7: tools and call reach a guarded server, and leave no session behind", async () => {
  const key = newSecret()
  await using server = await startMcpServer({ key })
  await using person = await makePerson()
  await person.postern(["add", "weather", "--header", "Authorization: Bearer -", server.url], { stdin: key })

  const tools = await person.postern(["tools", "weather"])
  const toolsJson = await person.postern(["tools", "weather", "--json"])
  const pairs = await person.postern(["call", "weather", "echo", "text=sunny"])
  const whole = await person.postern(["call", "weather", "echo", '{"text": "a b"}', "--json"])
  const piped = await person.postern(["call", "weather", "echo", "-"], { stdin: '{"text": "from a pipe"}' })

  expect(tools).toMatchObject({ code: 0, stderr: "" })
  expect(tools.stdout).toMatch(/^TOOL +DESCRIPTION\necho\n$/)
  expect(toolsJson.json()).toEqual({ tools: [{ name: "echo", inputSchema: { type: "object" } }] })
  expect(pairs).toMatchObject({ code: 0, stdout: "sunny\n", stderr: "" })
  expect(whole.json()).toEqual({ content: [{ type: "text", text: "a b" }] })
  expect(piped).toMatchObject({ code: 0, stdout: "from a pipe\n", stderr: "" })
  expect(server.sessions.size).toBe(0)
})

test.concurrent("arguments from standard input may be a whole document; a secret may not", async () => {
  await using server = await startMcpServer()
  await using person = await makePerson()
  await person.added(["add", "weather", server.url])
  const text = "x".repeat(1_000_000)

  const called = await person.postern(["call", "weather", "echo", "-", "--json"], { stdin: JSON.stringify({ text }) })
  const added = await person.postern(["add", "other", "--header", "X-Api-Key: -", server.url, "--json"], { stdin: text })

  expect(called).toMatchObject({ code: 0, stderr: "" })
  expect(called.json()).toMatchObject({ content: [{ text: expect.stringContaining(text) }] })
  expect([added.code, added.json<ErrorObject>().error.code]).toEqual([2, "input-too-long"])
})

test.concurrent("7: what stands between a question and its answer is told by code and exit code", async () => {
  const key = newSecret()
  await using server = await startMcpServer({ key })
  server.handler = ({ message }, response) =>
    message?.method === "tools/call" &&
    json(response, { jsonrpc: "2.0", id: message.id, result: { isError: true, content: [{ type: "text", text: "no rain data" }] } })
  await using person = await makePerson()
  await person.postern(["add", "wrong", "--header", "Authorization: Bearer -", server.url], { stdin: newSecret() })
  await person.postern(["add", "right", "--header", "Authorization: Bearer -", server.url], { stdin: key })
  await person.added(
    ["add", "none", server.url],
    ["add", "unset", "--header", "X-Api-Key: ${KEY}", server.url],
    ["add", "away", "http://127.0.0.1:1/mcp"],
  )
  const seenBefore = server.seen.length

  const unset = await person.postern(["tools", "unset", "--json"])
  const away = await person.postern(["tools", "away", "--json"])
  expect(server.seen.length).toBe(seenBefore)
  const wrong = await person.postern(["tools", "wrong", "--json"])
  const none = await person.postern(["tools", "none", "--json"])
  const unknown = await person.postern(["tools", "rigth", "--json"])
  const failed = await person.postern(["call", "right", "rain", "--json"])
  const told = await person.postern(["call", "right", "rain"])
  const badWord = await person.postern(["call", "right", "rain", "noequals"])

  const codeOf = (outcome: typeof wrong): unknown => [outcome.code, outcome.json<ErrorObject>().error.code, outcome.stderr]
  expect(codeOf(unset)).toEqual([1, "variable-not-set", ""])
  expect(codeOf(away)).toEqual([1, "server-unreachable", ""])
  expect(codeOf(wrong)).toEqual([1, "header-refused", ""])
  expect(codeOf(none)).toEqual([3, "oauth-sign-in-needed", ""])
  expect(codeOf(unknown)).toEqual([2, "unknown-server", ""])
  expect(failed).toMatchObject({ code: 1, stderr: "" })
  expect(failed.json()).toMatchObject({ isError: true })
  expect(told).toMatchObject({ code: 1, stdout: "" })
  expect(told.stderr).toContain("no rain data\n  next: postern tools right --json")
  expect(badWord.code).toBe(2)
})

test.concurrent("a secret with quotes and backslashes, which JSON writes in another way, is not told with --json either", async () => {
  const key = `${newSecret()}-"quoted"\\-end`
  await using server = await startMcpServer()
  server.handler = ({ headers }, response) => {
    response.writeHead(401).end(`you sent ${String(headers["x-api-key"])}`)
    return true
  }
  await using person = await makePerson()
  await person.postern(["add", "weather", "--header", "X-Api-Key: -", server.url], { stdin: key })

  const asJson = await person.postern(["tools", "weather", "--json"])
  const asText = await person.postern(["tools", "weather"])

  expect(server.seen.at(-1)?.headers["x-api-key"]).toBe(key)
  expect(asJson.json<ErrorObject>().error.evidence.at(-1)).toBe("the server said: you sent [redacted]")
  expect(asText.stderr).toContain("the server said: you sent [redacted]")
})

test.concurrent("a result that is no object, or whose parts are none, is told as far as it can be", async () => {
  const results = [
    null,
    5,
    { content: 5 },
    { content: [null, 5, "x", [], {}, { type: null }, { type: { toString: 1 } }, { type: "audio" }] },
  ]
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => {
    if (message?.method === "tools/list") return json(response, { jsonrpc: "2.0", id: message.id, result: null })
    if (message?.method !== "tools/call") return false
    return json(response, { jsonrpc: "2.0", id: message.id, result: results[Number(message.params?.name)] })
  }
  await using person = await makePerson()
  await person.added(["add", "odd", server.url])

  const tools = await person.postern(["tools", "odd"])
  const calls = await Promise.all(results.map((_, at) => person.postern(["call", "odd", String(at)])))

  expect(tools).toMatchObject({ code: 0, stdout: '"odd" offers no tools.\n', stderr: "" })
  const parts = [...Array<string>(7).fill("[unknown]"), "[audio]"]
  expect(calls.map(({ code, stdout, stderr }) => [code, stdout, stderr])).toEqual(
    ["\n", "\n", "\n", `${parts.join("\n")}\n`].map((stdout) => [0, stdout, ""]),
  )
})

test.concurrent("call rounds no number: neither one that was typed, nor one of the result that --json prints", async () => {
  const numbers = '"n":12345678901234567890,"h":1e400,"f":1.0'
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    response.writeHead(200, { "content-type": "application/json" })
    response.end(`{"jsonrpc":"2.0","id":${String(message.id)},"result":{"content":[],${numbers}}}`)
    return true
  }
  await using person = await makePerson()
  await person.added(["add", "numbers", server.url])

  const outcomes = [
    await person.postern(["call", "numbers", "add", "n=1", "n=12345678901234567890", "h=1e400", "f=1.0", "text=1e", "--json"]),
    await person.postern(["call", "numbers", "add", `{${numbers}}`, "--json"]),
    await person.postern(["call", "numbers", "add", "-", "--json"], { stdin: `{${numbers}}` }),
  ]

  const sent = server.seenOf("tools/call").map(({ body }) => /"arguments":(\{.*?\})/.exec(body)?.[1])
  expect(sent).toEqual([`{${numbers},"text":"1e"}`, `{${numbers}}`, `{${numbers}}`])
  for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 0, stdout: `{"content":[],${numbers}}\n`, stderr: "" })
})

test.concurrent("--json writes what steers a terminal as escapes, and means the same", async () => {
  const text = "\u007f\u009b31m \u202egnp.exe\u2066 \u001b[0m"
  const tool = { name: "echo", description: text, inputSchema: { type: "object" } }
  const result = { content: [{ type: "text", text }] }
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => {
    if (message?.method === "tools/list") return json(response, { jsonrpc: "2.0", id: message.id, result: { tools: [tool] } })
    return message?.method === "tools/call" && json(response, { jsonrpc: "2.0", id: message.id, result })
  }
  await using person = await makePerson()
  await person.added(["add", "evil", server.url])

  const tools = await person.postern(["tools", "evil", "--json"])
  const call = await person.postern(["call", "evil", "echo", "--json"])

  for (const { stdout } of [tools, call]) expect(stdout).toMatch(/^[\n -~]*$/)
  expect(tools.json()).toEqual({ tools: [tool] })
  expect(call.json()).toEqual(result)
})
