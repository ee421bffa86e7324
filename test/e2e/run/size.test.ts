/** Messages of any size through the built program: what memory they may take, and where they end. Made while they are sent. */
import type { ServerResponse } from "node:http"
import { createGzip } from "node:zlib"
import { expect, test } from "vitest"
import { flood } from "../../servers/flood.ts"
import type { McpServer } from "../../servers/mcp-server.ts"
import { type Transport, makeFloodSet } from "./flood-set.ts"

const MB = 1 << 20
const LARGE = 64 * MB
/** What a message of 64 MB may add to the memory of the process, as a multiple of its size (docs/architecture.md, Limits). */
const MOST_MULTIPLE = 6
/** The stated limit of a message. */
const LIMIT = 256 * MB

const ask = (id: number, method: string, params: object): string => `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`
const argument = (id: number, bytes: number): Buffer =>
  Buffer.concat([
    Buffer.from(`{"jsonrpc":"2.0","id":${id},"method":"x/large","params":{"text":"`),
    Buffer.alloc(bytes, "y"),
    Buffer.from('"}}\n'),
  ])

/** How an HTTP server sends a result of so many bytes. */
const answers = {
  async json(response: ServerResponse, id: unknown, bytes: number) {
    response.writeHead(200, { "content-type": "application/json" }).write(`{"jsonrpc":"2.0","id":${String(id)},"result":{"text":"`)
    await flood(response, bytes)
    response.end('"}}')
  },
  async event(response: ServerResponse, id: unknown, bytes: number) {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(`data: {"jsonrpc":"2.0","id":${String(id)},"result":{"text":"`)
    await flood(response, bytes)
    response.end('"}}\n\n')
  },
}

/** The server answers `x/big` in this way, and everything else honestly. */
function answerBig(server: McpServer, how: (response: ServerResponse, id: unknown, bytes: number) => unknown): void {
  server.handler = ({ message }, response) => {
    if (message?.method !== "x/big") return false
    void how(response, message.id, Number((message.params as { bytes?: unknown }).bytes))
    return true
  }
}

test.each<[string, Transport, keyof typeof answers | undefined]>([
  ["in a JSON body", "http", "json"],
  ["in an event", "http", "event"],
  ["in a line of a local server", "stdio", undefined],
])(`a result of 64 MB %s passes, and takes at most ${MOST_MULTIPLE} times its size`, async (_, transport, how) => {
  await using set = await makeFloodSet()
  if (how) answerBig(set.server, answers[how])
  const peakOf = async (bytes: number): Promise<number> => {
    await using client = await set.connect(transport)
    await client.write(ask(7, "x/big", { bytes }))
    const answer = await client.answerTo(7)
    expect(answer.bytes).toBeGreaterThan(bytes)
    return await client.peakBytes()
  }

  const small = await peakOf(1_000)
  const large = await peakOf(LARGE)

  expect((large - small) / LARGE).toBeLessThan(MOST_MULTIPLE)
})

test.each<Transport>(["http", "stdio"])(
  `an argument of 64 MB passes over %s, and takes at most ${MOST_MULTIPLE} times its size`,
  async (transport) => {
    await using set = await makeFloodSet()
    const peakOf = async (bytes: number): Promise<number> => {
      await using client = await set.connect(transport)
      await client.write(argument(7, bytes))
      const answer = await client.answerTo(7)
      expect(answer.beginning).toContain('"result"')
      return await client.peakBytes()
    }

    const small = await peakOf(1_000)
    const large = await peakOf(LARGE)

    if (transport === "http") expect(set.server.seenOf("x/large").map(({ body }) => body.length)).toContain(argument(7, LARGE).length - 1)
    expect((large - small) / LARGE).toBeLessThan(MOST_MULTIPLE)
  },
)

/** A gigabyte that never ends well: each way of it, and the most that may stand in memory before the limit is met. */
const endless: Readonly<Record<string, (response: ServerResponse, count: (bytes: number) => void) => Promise<void>>> = {
  async "a JSON body"(response, count) {
    response.writeHead(200, { "content-type": "application/json" }).write('{"jsonrpc":"2.0","id":7,"result":"')
    count(await flood(response, 1024 * MB))
  },
  async "one event"(response, count) {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: ")
    count(await flood(response, 1024 * MB))
  },
  async "one comment"(response, count) {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(": ")
    count(await flood(response, 1024 * MB))
  },
  async "an event of many lines"(response, count) {
    response.writeHead(200, { "content-type": "text/event-stream" })
    count(await flood(response, 1024 * MB, Buffer.from(`data: ${"x".repeat(1017)}\n`.repeat(1024))))
  },
  async "a compressed body"(response, count) {
    response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
    const zipped = createGzip({ level: 1 })
    zipped.pipe(response)
    response.on("close", () => zipped.destroy())
    count(await flood(zipped, 1024 * MB))
  },
}

test.each(Object.entries(endless))("%s of a gigabyte ends in the limit's error, while other calls go on", async (_, send) => {
  await using set = await makeFloodSet()
  let sent = 0
  set.server.handler = ({ message }, response) => {
    if (message?.method !== "x/big") return false
    void send(response, (bytes) => (sent = bytes))
    return true
  }
  await using client = await set.connect()
  const before = await client.peakBytes()

  await client.write(ask(7, "x/big", {}))
  const others = []
  for (let id = 100; id < 110; id++) {
    await client.write(ask(id, "tools/call", { name: "echo", arguments: { text: "meanwhile" } }))
    others.push(await client.answerTo(id))
  }
  const answer = await client.answerTo(7)
  await expect.poll(() => sent).toBeGreaterThan(0)

  expect(answer.beginning).toContain(`is longer than the limit of ${LIMIT} bytes`)
  expect(others.every(({ beginning }) => beginning.includes("meanwhile"))).toBe(true)
  expect(sent).toBeGreaterThan(LIMIT) // the trap was reached; a compressed gigabyte may fit into the socket before we hang up
  expect((await client.peakBytes()) - before).toBeLessThan(LIMIT * 2.5)
})

test("comments without end, each of them short, are a sign of life and take no memory", async () => {
  await using set = await makeFloodSet()
  let sent = 0
  set.server.handler = ({ message }, response) => {
    if (message?.method !== "x/big") return false
    response.writeHead(200, { "content-type": "text/event-stream" })
    const comment = async (): Promise<void> => {
      sent = await flood(response, 600 * MB, Buffer.from(`: ${"x".repeat(1021)}\n`.repeat(1024)))
      response.end(`data: {"jsonrpc":"2.0","id":7,"result":{"after":"comments"}}\n\n`)
    }
    void comment()
    return true
  }
  await using client = await set.connect()
  const before = await client.peakBytes()

  await client.write(ask(7, "x/big", {}))
  const answer = await client.answerTo(7)

  expect(sent).toBe(600 * MB) // more than the limit, in all
  expect(answer.beginning).toContain('"after":"comments"')
  expect((await client.peakBytes()) - before).toBeLessThan(100 * MB)
})

test("a line of a gigabyte from a local server ends its own request in the limit's error, while other calls go on", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect("stdio")
  const before = await client.peakBytes()

  await client.write(ask(7, "x/big", { bytes: 1024 * MB }))
  const answer = await client.answerTo(7)
  await client.write(ask(8, "x/small", {}))
  const next = await client.answerTo(8)

  expect(answer.beginning).toContain(`is longer than the limit of ${LIMIT} bytes`)
  expect(next.beginning).toContain('"result"')
  expect((await client.peakBytes()) - before).toBeLessThan(LIMIT * 1.5)
})

test("a line of a gigabyte from the client ends in the limit's error, is not sent, and other calls go on", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect()
  const before = await client.peakBytes()

  await client.write('{"jsonrpc":"2.0","id":7,"method":"x/large","params":{"text":"')
  await flood(client.child.stdin, 1024 * MB)
  await client.write(`"}}\n${ask(8, "tools/list", {})}`)
  const answer = await client.answerTo(7)
  const next = await client.answerTo(8)

  expect(answer.beginning).toContain(`is longer than the limit of ${LIMIT} bytes`)
  expect(answer.beginning).toContain("message-too-large")
  expect(next.beginning).toContain('"result"')
  expect(set.server.seenOf("x/large")).toEqual([])
  expect((await client.peakBytes()) - before).toBeLessThan(LIMIT * 1.5)
})
