/** Whatever a client asks in whatever order, and however the server answers: one answer for each id, in the server's own bytes. */
import type { ServerResponse } from "node:http"
import { type Arbitrary, array, assert, asyncProperty, boolean, constantFrom, integer, record } from "fast-check"
import { expect, test } from "vitest"
import { type TestBridge, startBridge } from "../harness/bridge.ts"
import { type McpServer, sse, startMcpServer } from "../servers/mcp-server.ts"
import { type ModernServer, modern, startModernServer } from "../servers/modern-server.ts"

const WAYS = [
  "json",
  "pretty",
  "event",
  "events",
  "twice",
  "foreign",
  "swapped",
  "cut",
  "empty",
  "accepted",
  "error",
  "unavailable",
  "lost-session",
  "mismatch",
  "slow",
] as const
type Way = (typeof WAYS)[number]

const act = record({
  way: constantFrom(...WAYS),
  cancel: boolean(),
  pauseMs: integer({ min: 0, max: 8 }),
  textId: boolean(),
  /** Of the modern era: it may be repeated when its answer was cut. */
  safe: boolean(),
})

/** A result that no re-serialising would leave alone. */
const resultText = (tag: string): string => `{"tag":"${tag}","big":12345678901234567890,"float":1.50,"unknown":{"é":"\\u00e9"}}`

type Answer = (response: ServerResponse) => void

function answerIn(way: Way, idText: string, tag: string, forgetSessions: () => void): Answer {
  const answer = `{"jsonrpc":"2.0","id":${idText},"result":${resultText(tag)}}`
  const wrong = (id: string): string => `{"jsonrpc":"2.0","id":${id},"result":{"wrong":true}}`
  const body =
    (text: string): Answer =>
    (response) =>
      void response.writeHead(200, { "content-type": "application/json" }).end(text)
  const events =
    (...texts: string[]): Answer =>
    (response) => {
      sse(response)
      for (const text of texts) response.write(`data: ${text}\n\n`)
      response.end()
    }
  const ways: Record<Way, Answer> = {
    json: body(answer),
    pretty: body(answer.replaceAll(",", ",\n  ")),
    event: events(answer),
    events: events('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}', answer),
    twice: events(answer, wrong(idText)),
    foreign: events(wrong('"nobody"'), answer),
    swapped: body(wrong('"somebody"')),
    cut: (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": answer.length + 5 })
      response.write(answer.slice(0, 10))
      setTimeout(() => response.destroy(), 2)
    },
    empty: body(""),
    accepted: (response) => void response.writeHead(202).end(),
    error: (response) =>
      void response
        .writeHead(400, { "content-type": "application/json" })
        .end(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}`),
    unavailable: (response) => void response.writeHead(503).end(),
    "lost-session": (response) => {
      forgetSessions()
      response.writeHead(404).end()
    },
    mismatch: (response) =>
      void response
        .writeHead(400, { "content-type": "application/json" })
        .end(`{"jsonrpc":"2.0","id":${idText},"error":{"code":-32020,"message":"Header mismatch"}}`),
    slow: (response) => void setTimeout(() => body(answer)(response), 15),
  }
  return ways[way]
}

/** The ways in which the client gets the server's own answer. */
const ANSWERED = new Set<Way>(["json", "pretty", "event", "events", "twice", "foreign", "slow"])
type Era = "legacy" | "modern"
/** What a server does once only; the message that is sent again gets its answer. */
const ONCE: Readonly<Record<Era, Way>> = { legacy: "lost-session", modern: "cut" }

type Act = typeof act extends Arbitrary<infer Value> ? Value : never

interface Asked extends Act {
  readonly method: string
  readonly id: string | number
  readonly tag: string
}

const toAsked = (era: Era, acts: readonly Act[]): readonly Asked[] =>
  acts.map((one, index) => ({
    ...one,
    method: era === "modern" && one.safe ? "prompts/get" : "tools/call",
    id: one.textId ? `t${index}` : index + 100,
    tag: `tag-${index}`,
  }))

/** Lets a server answer each request in the way that it names itself. */
function obey(era: Era, server: McpServer | ModernServer): void {
  const seenOnce = new Set<string>()
  server.handler = ({ message, body }, response) => {
    if (message?.method !== "tools/call" && message?.method !== "prompts/get") return false
    const { way, tag } = (message.params?.arguments ?? {}) as { way: Way; tag: string }
    const now = way === ONCE[era] && seenOnce.has(tag) ? "json" : way
    seenOnce.add(tag)
    const idText = /"id":("[^"]*"|\d+)/.exec(body)?.[1] ?? "null"
    answerIn(now, idText, tag, () => ("sessions" in server ? server.sessions.clear() : undefined))(response)
    return true
  }
}

async function play(bridge: TestBridge, asked: readonly Asked[], meta: object): Promise<void> {
  for (const { way, tag, cancel, id, method, pauseMs } of asked) {
    bridge.send({ id, method, params: { name: "x", arguments: { way, tag }, ...meta } })
    if (cancel) bridge.send({ method: "notifications/cancelled", params: { requestId: id } })
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

function check(era: Era, bridge: TestBridge, server: McpServer | ModernServer, asked: readonly Asked[]): void {
  for (const { way, cancel, id, tag, method } of asked) {
    const answers = bridge.lines.filter(
      (line) => line.startsWith(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},`) || (JSON.parse(line) as { id?: unknown }).id === id,
    )
    expect(answers.length, `${way} ${cancel}`).toBeLessThanOrEqual(1)
    if (!cancel) expect(answers, `${way} of ${JSON.stringify(asked)}`).toHaveLength(1)
    const [answer = ""] = answers
    if (answer.includes('"result"')) expect(answer.replaceAll(/\n|,\s+/g, ",")).toContain(resultText(tag))
    const answered = ANSWERED.has(way) || (era === "modern" && way === "cut" && method === "prompts/get")
    if (cancel || !answered) continue
    // A message is sent once more, and not twice: another one's loss may meet it in the new session, too.
    if (answer.includes('"session-lost"')) expect(server.seen.filter(({ body }) => body.includes(`"tag":"${tag}"`))).toHaveLength(2)
    else expect(answer, way).toContain('"result"')
  }
  expect(bridge.lines.join("\n")).not.toContain("wrong")
}

test("any interleaving of requests, cancels, lies, cuts and the end gives each id exactly one answer, in the server's bytes", async () => {
  await assert(
    asyncProperty(array(act, { minLength: 1, maxLength: 14 }), boolean(), async (acts, endAtOnce) => {
      await using server = await startMcpServer()
      obey("legacy", server)
      const bridge = startBridge(server.url)
      await bridge.open()
      const asked = toAsked("legacy", acts)

      await play(bridge, asked, {})
      if (!endAtOnce) await Promise.all(asked.filter(({ cancel }) => !cancel).map(({ id }) => bridge.heard((message) => message.id === id)))
      await bridge.end()

      check("legacy", bridge, server, asked)
    }),
    { numRuns: 40 },
  )
})

test("the same holds for the modern era, with a subscription that the server cuts meanwhile; no cancel reaches the server", async () => {
  await assert(
    asyncProperty(array(act, { minLength: 1, maxLength: 14 }), boolean(), async (acts, endAtOnce) => {
      await using server = await startModernServer()
      obey("modern", server)
      const bridge = startBridge(server.url)
      const asked = toAsked("modern", acts)
      bridge.send({ id: "sub", method: "subscriptions/listen", params: modern({ notifications: { toolsListChanged: true } }) })
      await bridge.heard(({ method }) => method === "notifications/subscriptions/acknowledged")

      const playing = play(bridge, asked, modern())
      for (const stream of server.streams) stream.destroy()
      await playing
      if (!endAtOnce) await Promise.all(asked.filter(({ cancel }) => !cancel).map(({ id }) => bridge.heard((message) => message.id === id)))
      await bridge.end()

      check("modern", bridge, server, asked)
      expect(bridge.messages.filter(({ id }) => id === "sub")).toHaveLength(1) // it is told of its end
      expect(server.seenOf("notifications/cancelled")).toEqual([])
    }),
    { numRuns: 30 },
  )
}, 120_000)
