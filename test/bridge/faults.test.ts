/** What a network and a server do to a call: each ends in one clear answer, and the bridge goes on. */
import type { ServerResponse } from "node:http"
import net from "node:net"
import { gzipSync } from "node:zlib"
import { expect, test } from "vitest"
import { newCursor, readEvents } from "../../src/bridge/server/events.ts"
import { startBridge } from "../harness/bridge.ts"
import { json, sse, startMcpServer } from "../servers/mcp-server.ts"

const call = { name: "echo", arguments: { text: "x" } }

/** A bridge whose server answers `tools/call` in its own way, and everything else honestly. */
async function withFault(fault: Parameters<typeof sabotage>[1], settings = {}) {
  const server = await startMcpServer()
  sabotage(server, fault)
  const bridge = startBridge(server.url, settings)
  await bridge.open()
  return {
    server,
    bridge,
    async [Symbol.asyncDispose]() {
      await bridge[Symbol.asyncDispose]()
      await server.close()
    },
  }
}

function sabotage(server: Awaited<ReturnType<typeof startMcpServer>>, fault: typeof server.handler): void {
  server.handler = (request, response) => (request.message?.method === "tools/call" ? (fault(request, response) ?? true) : false)
}

test.each<[string, string, Parameters<typeof sabotage>[1]]>([
  [
    "HTML instead of JSON",
    "answer-unreadable",
    (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>Sign in to Wi-Fi</html>"),
  ],
  [
    "broken JSON",
    "answer-unreadable",
    (_, response) => void response.writeHead(200, { "content-type": "application/json" }).end('{"jsonrpc":"2.0","id":'),
  ],
  [
    "broken JSON in an event",
    "answer-unreadable",
    (_, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).end('data: {"jsonrpc"\n\n'),
  ],
  ["JSON that is no message", "answer-unreadable", (_, response) => json(response, { hello: 1 })],
  ["an empty body", "no-answer", (_, response) => void response.writeHead(200, { "content-type": "application/json" }).end()],
  ["202 for a request", "no-answer", (_, response) => void response.writeHead(202).end()],
  [
    "a stream that ends without the answer",
    "no-answer",
    (_, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).end(": nothing\n\n"),
  ],
  ["an unknown encoding", "answer-unreadable", (_, response) => void response.writeHead(200, { "content-encoding": "zstd" }).end("x")],
  [
    "a broken gzip",
    "connection-lost",
    (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end("not gzip at all"),
  ],
  ["429 without Retry-After", "too-many-requests", (_, response) => json(response, { message: "Too Many Requests" }, 429)],
  ["a status without words", "server-refused", (_, response) => void response.writeHead(500).end()],
  ["a reset before the answer", "connection-lost", (_, response) => void response.socket?.destroy()],
  [
    "a close in mid-body",
    "connection-lost",
    (_, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": 1000 })
      response.write('{"jsonrpc":"2.0","id":1,"result":{')
      setTimeout(() => response.destroy(), 20)
    },
  ],
])("%s is told as %s, and the next request works", async (_, code, fault) => {
  await using faulty = await withFault(fault)

  const answer = await faulty.bridge.request("tools/call", call)
  const next = await faulty.bridge.request("tools/list")

  expect(faulty.server.seenOf("tools/call")).toHaveLength(1) // reached once, and not repeated
  expect(answer.error).toMatchObject({ code: 1000, data: { code } })
  expect(next.result).toBeDefined()
})

test("a switch of protocols is told, and not waited for", async () => {
  await using faulty = await withFault((_, response) => {
    response.writeHead(101, { connection: "upgrade", upgrade: "other" })
    response.end()
  })

  expect((await faulty.bridge.request("tools/call", call)).error?.data?.code).toBe("connection-lost")
})

test("a refusal whose body never ends is told with its status", async () => {
  await using faulty = await withFault((_, response) => {
    response.writeHead(500, { "content-type": "text/plain", "content-length": 1000 })
    response.write("half a sentence")
  })

  const { error } = await faulty.bridge.request("tools/call", call)

  expect(error?.data).toMatchObject({ code: "server-refused", evidence: ["it said: half a sentence"] })
})

test("streams that a server leaves open after its answers do not use up the bridge", async () => {
  let opened = 0
  let left = 0
  await using faulty = await withFault(({ message }, response) => {
    opened++
    response.on("close", () => left++)
    sse(response)({ jsonrpc: "2.0", id: message?.id, result: { done: true } })
  })

  const answers = await Promise.all(Array.from({ length: 300 }, () => faulty.bridge.request("tools/call", call)))
  await expect.poll(() => left, { timeout: 30_000 }).toBe(300) // after two seconds

  expect(answers.every((answer) => answer.result)).toBe(true)
  expect(opened).toBe(300)
})

test.each(["initialize", "notifications/initialized"])("a stream that stays open after %s keeps nobody waiting", async (method) => {
  await using server = await startMcpServer()
  server.handler = ({ message }, response) => {
    if (message?.method !== method) return false
    server.sessions.add("kept-open")
    response.writeHead(200, { "content-type": "text/event-stream", "mcp-session-id": "kept-open" })
    const result = { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "open", version: "1" } }
    response.write(message.id === undefined ? ": hello\n\n" : `data: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result })}\n\n`)
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.open()

  const answer = await Promise.race([
    bridge.request("tools/list"),
    new Promise((resolve) => setTimeout(() => resolve("kept waiting"), 5_000)),
  ])

  expect(server.seenOf(method)).toHaveLength(1)
  expect(answer).toMatchObject({ result: { tools: expect.anything() } })
})

test("a server that wants its stream back at once, again and again, is asked at a bearable pace", async () => {
  await using server = await startMcpServer()
  server.handler = ({ method }, response) => {
    if (method !== "GET") return false
    response.writeHead(200, { "content-type": "text/event-stream" }).end("retry: 0\n\n")
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.open()
  await new Promise((resolve) => setTimeout(resolve, 2_500))

  const streams = server.seen.filter(({ method }) => method === "GET").length
  expect(streams).toBeGreaterThan(0) // the trap was reached
  expect(streams).toBeLessThan(5)
})

test("a cut answer is asked for again from where it stood, and a server may let us come back for each piece (S4)", async () => {
  await using server = await startMcpServer()
  let pieces = 0
  server.handler = ({ message, method, headers }, response) => {
    if (message?.method === "tools/call") {
      response.writeHead(200, { "content-type": "text/event-stream" }).end("id: p0\nretry: 10\ndata: \n\n")
      return true
    }
    if (method !== "GET" || headers["last-event-id"] === undefined) return false
    expect(headers["last-event-id"]).toBe(`p${pieces}`)
    const done = ++pieces === 8
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.end(`id: p${pieces}\ndata: ${done ? JSON.stringify({ jsonrpc: "2.0", id: 41, result: { pieces } }) : ""}\n\n`)
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.open()

  expect((await bridge.request("tools/call", call, 41)).result).toEqual({ pieces: 8 })
})

/** A call whose stream is cut after its first event; `rest` answers whoever asks for the rest. */
async function withCutAnswer(rest: (response: ServerResponse) => void, settings: Parameters<typeof startBridge>[1]) {
  const server = await startMcpServer()
  server.handler = ({ message, method, headers }, response) => {
    if (message?.method === "tools/call") {
      response.writeHead(200, { "content-type": "text/event-stream" }).end("id: p0\nretry: 10\ndata: \n\n")
      return true
    }
    if (method !== "GET" || headers["last-event-id"] === undefined) return false
    rest(response.writeHead(200, { "content-type": "text/event-stream" }))
    return true
  }
  const bridge = startBridge(server.url, settings)
  await bridge.open()
  const resumed = () => server.seen.filter(({ method, headers }) => method === "GET" && headers["last-event-id"] === "p0")
  return {
    bridge,
    resumed,
    async [Symbol.asyncDispose]() {
      await bridge[Symbol.asyncDispose]()
      await server.close()
    },
  }
}

test("the rest of a cut answer is asked for five times in a row without anything new, and no more", async () => {
  const clock = { now: () => Date.now(), sleep: async () => undefined }
  await using cut = await withCutAnswer((response) => response.end(), { clock })

  const { error } = await cut.bridge.request("tools/call", call)

  expect(error?.data?.code).toBe("no-answer")
  expect(cut.resumed()).toHaveLength(5)
})

test("a stream that ends after its answer is not asked for a rest", async () => {
  const clock = { now: () => Date.now(), sleep: async () => undefined }
  await using server = await startMcpServer()
  sabotage(server, ({ message }, response) => {
    const event = sse(response)
    event({ jsonrpc: "2.0", id: message?.id, result: { done: true } }, "p0")
    response.end()
  })
  await using bridge = startBridge(server.url, { clock })
  await bridge.open()

  expect((await bridge.request("tools/call", call)).result).toEqual({ done: true })
  for (let times = 0; times < 3; times++) await bridge.request("tools/list")

  expect(server.seen.filter(({ headers }) => headers["last-event-id"] !== undefined)).toEqual([])
})

test("7: the rest of a cut answer that stays silent is given up at the limit for resumed streams, and not asked for again", async () => {
  await using cut = await withCutAnswer((response) => response.flushHeaders(), { silenceMs: 1_000, resumeSilenceMs: 300 })

  const { error } = await cut.bridge.request("tools/call", call)

  expect(cut.resumed()).toHaveLength(1) // the trap was reached
  expect(error?.data).toMatchObject({
    code: "server-silent",
    evidence: ["limit: 300 ms without a byte of an answer that was cut and taken up again"],
    next: 'raise "resumeTimeout" (seconds) in the server\'s entry if it needs longer',
  })
})

test("7: a limit for resumed streams far below the general one is looked at in its own time", async () => {
  const began = performance.now()
  await using cut = await withCutAnswer((response) => response.flushHeaders(), { silenceMs: 1_800_000, resumeSilenceMs: 200 })

  const { error } = await cut.bridge.request("tools/call", call)

  expect(error?.data?.code).toBe("server-silent")
  expect(performance.now() - began).toBeLessThan(4_500) // the general one is looked at every five seconds
})

test("7: any event or comment restarts the limit for resumed streams", async () => {
  await using cut = await withCutAnswer(
    (response) => {
      const beat = setInterval(() => void response.write(": still here\n\n"), 100)
      setTimeout(() => {
        clearInterval(beat)
        response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id: 41, result: { done: true } })}\n\n`)
      }, 1_500)
    },
    { silenceMs: 1_000, resumeSilenceMs: 700 },
  )

  expect((await cut.bridge.request("tools/call", call, 41)).result).toEqual({ done: true })
})

test("an event without data primes the stream: it moves the cursor, and no client sees it (S4)", async () => {
  await using cut = await withCutAnswer(
    (response) => response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id: 41, result: { done: true } })}\n\n`),
    {},
  )

  const answer = await cut.bridge.request("tools/call", call, 41)

  expect(cut.resumed()).toHaveLength(1)
  expect(answer.result).toEqual({ done: true })
  expect(cut.bridge.lines).toHaveLength(2) // the answers to initialize and to the call
})

test("the server's retry is waited for before a stream is asked for again, and no longer than half a minute (S4)", async () => {
  const waits: number[] = []
  for (const retry of [700, 86_400_000]) {
    const cursor = newCursor()
    const body = async function* () {
      yield Buffer.from(`retry: ${retry}\nid: 1\ndata: \n\n`)
    }
    for await (const event of readEvents(body(), cursor, 1_000, "x")) expect.unreachable(event.data)
    waits.push(cursor.retryMs ?? 0)
  }

  expect(waits).toEqual([700, 30_000])
})

test.each(["\n", "\r", "\r\n"])("an event whose lines end with %j is read once it is whole, wherever its text is cut", async (lineEnd) => {
  const text = [": a comment", "", "data: first", "data: second", "", ""].join(lineEnd)
  for (let cut = 1; cut <= text.length; cut++) {
    const body = async function* () {
      yield Buffer.from(text.slice(0, cut))
      yield Buffer.from(text.slice(cut))
      await new Promise(() => undefined) // the server leaves its stream open
    }

    const { value } = await readEvents(body(), newCursor(), 1_000, "x").next()

    expect(value).toEqual({ type: "message", data: "first\nsecond" })
  }
})

test("ids belong to one stream: two cut answers are each asked for from their own (S4)", async () => {
  await using server = await startMcpServer()
  const asked: unknown[] = []
  server.handler = ({ message, method, headers }, response) => {
    if (message?.method === "tools/call") {
      response.writeHead(200, { "content-type": "text/event-stream" }).end(`id: of-${String(message.id)}\nretry: 10\ndata: \n\n`)
      return true
    }
    if (method !== "GET" || headers["last-event-id"] === undefined) return false
    asked.push(headers["last-event-id"])
    const id = Number(/\d+/.exec(String(headers["last-event-id"]))?.[0])
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id, result: { of: id } })}\n\n`)
    return true
  }
  await using bridge = startBridge(server.url)
  await bridge.open()

  const answers = await Promise.all([bridge.request("tools/call", call, 51), bridge.request("tools/call", call, 52)])

  expect(asked.toSorted()).toEqual(["of-51", "of-52"])
  expect(answers.map(({ result }) => result)).toEqual([{ of: 51 }, { of: 52 }])
})

test("a session that the server refuses with 400 is opened again, and a 400 that is meant is passed on", async () => {
  await using server = await startMcpServer()
  server.handler = ({ message, headers }, response) => {
    const known = server.sessions.has(String(headers["mcp-session-id"]))
    if (message?.method === "initialize" || (known && message?.method !== "x/bad")) return false
    const text = known ? "Bad Request: params" : "Bad Request: No valid session ID provided"
    return json(response, { jsonrpc: "2.0", id: null, error: { code: -32000, message: text } }, 400)
  }
  await using bridge = startBridge(server.url)
  await bridge.open()
  await bridge.request("tools/list")

  server.sessions.clear()
  const answer = await bridge.request("tools/call", call)
  const bad = await bridge.request("x/bad")

  expect(answer.result).toBeDefined()
  expect(bad.error).toMatchObject({ code: -32000 })
})

test("a gzip answer is read although nobody asked for it", async () => {
  await using faulty = await withFault(({ message }, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
    response.end(gzipSync(JSON.stringify({ jsonrpc: "2.0", id: message?.id, result: { text: "small" } })))
  })

  expect((await faulty.bridge.request("tools/call", call)).result).toEqual({ text: "small" })
})

test("a compressed bomb ends at the limit", async () => {
  await using faulty = await withFault(
    (_, response) =>
      void response
        .writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
        .end(gzipSync(Buffer.alloc(8 << 20, 0x20))),
    { maxFrameBytes: 1 << 20 },
  )

  expect((await faulty.bridge.request("tools/call", call)).error?.data?.code).toBe("answer-too-large")
  expect((await faulty.bridge.request("tools/list")).result).toBeDefined()
})

test("an event over the limit ends its call, not the bridge", async () => {
  await using faulty = await withFault(
    (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(`data: ${"x".repeat(2 << 20)}`)
    },
    { maxFrameBytes: 1 << 20 },
  )

  expect((await faulty.bridge.request("tools/call", call)).error?.data?.code).toBe("answer-too-large")
  expect((await faulty.bridge.request("tools/list")).result).toBeDefined()
})

test("a server that never answers is given up at the limit on silence", async () => {
  await using faulty = await withFault(() => true, { silenceMs: 300 })

  expect((await faulty.bridge.request("tools/call", call)).error?.data).toMatchObject({
    code: "server-silent",
    evidence: ["limit: 300 ms without a byte"],
  })
})

test("progress restarts the limit on silence", async () => {
  await using faulty = await withFault(
    ({ message }, response) => {
      const event = sse(response)
      const beat = setInterval(
        () => event({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 1, progress: 1 } }),
        100,
      )
      setTimeout(() => {
        clearInterval(beat)
        event({ jsonrpc: "2.0", id: message?.id, result: { done: true } })
        response.end()
      }, 900)
    },
    { silenceMs: 400 },
  )

  expect((await faulty.bridge.request("tools/call", call)).result).toEqual({ done: true })
})

test("the server's own error in a refusal without an id reaches the request (S2)", async () => {
  await using faulty = await withFault((_, response) =>
    json(response, { jsonrpc: "2.0", id: null, error: { code: -32600, message: "Bad", data: 12345678901234567890n.toString() } }, 400),
  )

  expect((await faulty.bridge.request("tools/call", call)).error).toEqual({ code: -32600, message: "Bad", data: "12345678901234567890" })
})

test("a refused connection at start is told in the answer to initialize, and a later start of the server is enough", async () => {
  const free = net.createServer().listen(0, "127.0.0.1")
  await new Promise((resolve) => free.once("listening", resolve))
  const { port } = free.address() as net.AddressInfo
  await new Promise((resolve) => free.close(resolve))
  await using bridge = startBridge(`http://127.0.0.1:${port}/mcp`)

  const refused = await bridge.open()
  await using server = await startMcpServer({ port })
  const answer = await bridge.request("tools/list")

  expect(refused.error?.data).toMatchObject({ code: "server-unreachable" })
  expect(answer.result).toBeDefined()
  expect(server.seenOf("initialize")).toHaveLength(1)
})

test("a server that restarts in mid-session is met again without the client noticing", async () => {
  const first = await startMcpServer()
  await using bridge = startBridge(first.url)
  await bridge.open()
  await bridge.request("tools/list")

  await first.close()
  const down = await bridge.request("tools/call", call)
  await using second = await startMcpServer({ port: Number(new URL(first.url).port) })
  const up = await bridge.request("tools/call", call)

  expect(down.error?.data?.code).toMatch(/^(server-unreachable|connection-lost)$/)
  expect(up.result).toEqual({ content: [{ type: "text", text: "x" }] })
  expect(second.seenOf("initialize")).toHaveLength(1)
})

test("malformed JSON on standard input is told, and the next line is read", async () => {
  await using faulty = await withFault(() => true)

  faulty.bridge.write('{"jsonrpc":"2.0","id":55,"method":"tools/list",')
  faulty.bridge.write('{"method":"tools/list","params":{"broken":},"jsonrpc":"2.0","id":"last"}')
  faulty.bridge.write("not json at all")
  const told = await faulty.bridge.heard((message) => message.id === 55)
  const nameless = await faulty.bridge.heard((message) => message.id === null)
  const next = await faulty.bridge.request("tools/list")

  expect(told.error?.data?.code).toBe("message-malformed")
  expect((await faulty.bridge.heard((message) => message.id === "last")).error?.data?.code).toBe("message-malformed")
  expect(nameless.error?.data?.code).toBe("message-malformed")
  expect(next.result).toBeDefined()
})

test("what is no message in a batch is told by itself, and keeps no other request of the batch back", async () => {
  await using faulty = await withFault(() => true)

  faulty.bridge.write('[{"jsonrpc":"2.0","id":"b1","method":"tools/list"},5,[],{"jsonrpc":"2.0","id":"b2","method":7}]')
  const answer = await faulty.bridge.heard(({ id }) => id === "b1")
  await expect.poll(() => faulty.bridge.messages.length).toBe(1 + 4)

  expect(answer.result).toBeDefined()
  expect(faulty.server.seenOf("tools/list")).toHaveLength(1)
  const told = faulty.bridge.messages.filter(({ error }) => error?.data?.code === "message-malformed")
  expect(told.map(({ id }) => id)).toEqual([null, null, "b2"])
})

test("a byte order mark before a line of the client is passed over", async () => {
  await using faulty = await withFault(() => true)

  faulty.bridge.write('\uFEFF{"jsonrpc":"2.0","id":"marked","method":"tools/list"}')

  expect((await faulty.bridge.heard(({ id }) => id === "marked")).result).toBeDefined()
  expect(faulty.server.seenOf("tools/list")[0]?.body).toMatch(/^\{/)
})

test("a message over the limit is dropped while it arrives, and told under its id", async () => {
  await using faulty = await withFault(() => true, { maxFrameBytes: 1 << 20 })

  faulty.bridge.write(`{"jsonrpc":"2.0","id":"big","method":"tools/call","params":{"x":"${"y".repeat(3 << 20)}"}}`)
  const told = await faulty.bridge.heard((message) => message.id === "big")

  expect(told.error?.data?.code).toBe("message-too-large")
  expect((await faulty.bridge.request("tools/list")).result).toBeDefined()
  expect(faulty.server.seenOf("tools/call")).toEqual([])
})

test("a message of 64 MB passes as it is", async () => {
  await using faulty = await withFault(({ message, body }, response) =>
    json(response, { jsonrpc: "2.0", id: message?.id, result: { bytes: body.length } }),
  )

  const answer = await faulty.bridge.request("tools/call", { name: "echo", arguments: { text: "z".repeat(64 << 20) } })

  expect(answer.result?.["bytes"]).toBeGreaterThan(64 << 20)
})

test("a second request of an id that is pending is not sent, and the first is answered once", async () => {
  let release: (() => void) | undefined
  await using faulty = await withFault(({ message }, response) => {
    release = () => void json(response, { jsonrpc: "2.0", id: message?.id, result: {} })
  })

  const answer = faulty.bridge.request("tools/call", call, 9)
  faulty.bridge.send({ id: 9, method: "tools/call", params: call })
  await expect.poll(() => faulty.server.seenOf("tools/call").length).toBe(1)
  release?.()
  await answer
  await faulty.bridge.request("tools/list")

  expect(faulty.bridge.messages.filter((message) => message.id === 9)).toHaveLength(1)
})

test("a line that cannot be read takes no pending request's one answer, though its end looks like that one's id", async () => {
  let release: (() => void) | undefined
  await using faulty = await withFault(
    ({ message }, response) => {
      release = () => void json(response, { jsonrpc: "2.0", id: message?.id, result: { true: "answer" } })
    },
    { maxFrameBytes: 1 << 20 },
  )

  const answer = faulty.bridge.request("tools/call", call, "xA")
  await expect.poll(() => faulty.server.seenOf("tools/call").length).toBe(1)
  faulty.bridge.write('{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo","id":"x\\u0041"}') // one brace is missing
  faulty.bridge.write(`{"jsonrpc":"2.0","method":"tools/call","params":{"text":"${"y".repeat(3 << 20)}"},"id":"xA"}`)
  await faulty.bridge.heard((message) => message.error?.data?.code === "message-malformed")
  await faulty.bridge.heard((message) => message.error?.data?.code === "message-too-large")
  release?.()

  expect((await answer).result).toEqual({ true: "answer" })
  expect(faulty.bridge.messages.map(({ id }) => id).filter((id) => id === "xA" || id === null)).toEqual([null, null, "xA"])
})
