/** Whatever a client asks in whatever order, and however the server answers: one answer for each id, in the server's own bytes. */
import type { ServerResponse } from "node:http"
import { array, assert, asyncProperty, boolean, constantFrom, integer, record } from "fast-check"
import { expect, test } from "vitest"
import { startBridge } from "../harness/bridge.ts"
import { type McpServer, sse, startMcpServer } from "../servers/mcp-server.ts"

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
  "slow",
] as const
type Way = (typeof WAYS)[number]

const act = record({ way: constantFrom(...WAYS), cancel: boolean(), pauseMs: integer({ min: 0, max: 8 }), textId: boolean() })

/** A result that no re-serialising would leave alone. */
const resultText = (tag: string): string => `{"tag":"${tag}","big":12345678901234567890,"float":1.50,"unknown":{"é":"\\u00e9"}}`

type Answer = (response: ServerResponse) => void

function answerIn(way: Way, idText: string, tag: string, server: McpServer): Answer {
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
      server.sessions.clear()
      response.writeHead(404).end()
    },
    slow: (response) => void setTimeout(() => body(answer)(response), 15),
  }
  return ways[way]
}

/** The ways in which the client gets the server's own answer. */
const ANSWERED = new Set<Way>(["json", "pretty", "event", "events", "twice", "foreign", "slow"])

test("any interleaving of requests, cancels, lies, cuts and the end gives each id exactly one answer, in the server's bytes", async () => {
  await assert(
    asyncProperty(array(act, { minLength: 1, maxLength: 14 }), boolean(), async (acts, endAtOnce) => {
      await using server = await startMcpServer()
      const seenOnce = new Set<string>()
      server.handler = ({ message, body }, response) => {
        if (message?.method !== "tools/call") return false
        const { way, tag } = (message.params?.arguments ?? {}) as { way: Way; tag: string }
        // A lost session is lost once; the message that is sent again gets its answer.
        const now = way === "lost-session" && seenOnce.has(tag) ? "json" : way
        seenOnce.add(tag)
        const idText = /"id":("[^"]*"|\d+)/.exec(body)?.[1] ?? "null"
        answerIn(now, idText, tag, server)(response)
        return true
      }
      const bridge = startBridge(server.url)
      await bridge.open()

      const asked = acts.map(({ way, cancel, textId }, index) => ({
        way,
        cancel,
        id: textId ? `t${index}` : index + 100,
        tag: `tag-${index}`,
      }))
      for (const [index, { way, cancel, id, tag }] of asked.entries()) {
        bridge.send({ id, method: "tools/call", params: { name: "x", arguments: { way, tag } } })
        if (cancel) bridge.send({ method: "notifications/cancelled", params: { requestId: id } })
        const pauseMs = acts[index]?.pauseMs ?? 0
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
      }
      if (!endAtOnce) await Promise.all(asked.filter(({ cancel }) => !cancel).map(({ id }) => bridge.heard((message) => message.id === id)))
      await bridge.end()

      for (const { way, cancel, id, tag } of asked) {
        const answers = bridge.lines.filter(
          (line) => line.startsWith(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},`) || (JSON.parse(line) as { id?: unknown }).id === id,
        )
        expect(answers.length, `${way} ${cancel}`).toBeLessThanOrEqual(1)
        if (!cancel) expect(answers, `${way} of ${JSON.stringify(acts)}`).toHaveLength(1)
        const [answer = ""] = answers
        if (answer.includes('"result"')) expect(answer.replaceAll(/\n|,\s+/g, ",")).toContain(resultText(tag))
        if (!cancel && ANSWERED.has(way)) expect(answer).toContain('"result"')
      }
      expect(bridge.lines.join("\n")).not.toContain("wrong")
    }),
    { numRuns: 40 },
  )
})
