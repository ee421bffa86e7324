/** Whoever does not read slows the other side down, and takes no memory of ours. */
import { once } from "node:events"
import { setTimeout as pause } from "node:timers/promises"
import { expect, test } from "vitest"
import type { RawClient } from "../../harness/raw-client.ts"
import { flood } from "../../servers/flood.ts"
import { makeFloodSet } from "./flood-set.ts"

const MB = 1 << 20
/** What is offered in all, and what a bridge may take of it while the other side does not read. */
const OFFERED = 250 * MB
const MOST_TAKEN = 100 * MB

const line = (message: object): string => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`
const filler = "z".repeat(MB)

/** @returns the value once something has come, and it has not changed for a second: a busy machine may be slow to begin */
async function settled(read: () => number): Promise<number> {
  await expect.poll(read, { timeout: 30_000 }).toBeGreaterThan(0)
  let [last, unchanged] = [read(), 0]
  while (unchanged < 10) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    const now = read()
    ;[last, unchanged] = [now, now === last ? unchanged + 1 : 0]
  }
  return last
}

/** Writes messages of a megabyte until all that is offered is written; `taken` counts what the bridge has read. */
function offer(client: RawClient, makeMessage: (at: number) => object): { taken(): number; readonly done: Promise<void> } {
  let written = 0
  const write = async (): Promise<void> => {
    for (let at = 0; written < OFFERED; at++) {
      const text = line(makeMessage(at))
      written += text.length
      await client.write(text)
    }
  }
  return { taken: () => written - client.child.stdin.writableLength, done: write() }
}

/** How many bytes of x/chatter have left the local server. */
const saidBy = (client: RawClient): number => Number(/said (\d+)\n$/.exec(client.stderr())?.[1] ?? 0)

const note = (): object => ({ method: "x/note", params: { filler } })
const call = (at: number): object => ({ id: 1000 + at, method: "x/large", params: { filler } })

test("a local server that does not read stops the client, with little memory taken", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect("stdio")
  await client.write(line({ id: 1, method: "x/deaf" }))
  await client.answerTo(1)
  const before = await client.peakBytes()

  const offered = offer(client, note)
  const taken = await settled(offered.taken)

  expect(taken).toBeGreaterThan(MB) // it began to read
  expect(taken).toBeLessThan(MOST_TAKEN)
  expect((await client.peakBytes()) - before).toBeLessThan(MOST_TAKEN * 2)
})

test("a local server that reads gets all of it", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect("stdio")
  const before = await client.peakBytes()

  const offered = offer(client, note)
  await offered.done
  await client.write(line({ id: 2, method: "x/last" }))

  expect((await client.answerTo(2)).beginning).toContain('"result"')
  expect((await client.peakBytes()) - before).toBeLessThan(MOST_TAKEN * 2)
})

test("a server with an address that does not read stops the client, with little memory taken", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect("http")
  let unread = 0
  set.server.deaf = ({ headers }) => Number(headers["content-length"]) > MB && ++unread > 0
  const before = await client.peakBytes()

  const offered = offer(client, call)
  const taken = await settled(offered.taken)

  expect(unread).toBeGreaterThan(0) // the trap was reached
  expect(taken).toBeLessThan(MOST_TAKEN)
  expect((await client.peakBytes()) - before).toBeLessThan(MOST_TAKEN * 2)
})

test("told to end, a bridge to a local server whose client does not read ends in bounded time", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect("stdio")
  client.child.stdout.pause()
  await client.write(line({ id: 1, method: "x/chatter", params: { bytes: OFFERED } }))
  await settled(() => saidBy(client))

  client.child.kill("SIGTERM")

  await expect.poll(() => client.child.exitCode, { timeout: 20_000 }).not.toBeNull()
})

test("told to end, a bridge whose server does not read ends in bounded time", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect("stdio")
  await client.write(line({ id: 1, method: "x/deaf" }))
  await client.answerTo(1)
  await settled(offer(client, note).taken)

  client.child.kill("SIGTERM")

  await expect.poll(() => client.child.exitCode, { timeout: 20_000 }).not.toBeNull()
})

test("a client that does not read stops a local server that talks, with little memory taken", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect("stdio")
  const before = await client.peakBytes()

  client.child.stdout.pause()
  await client.write(line({ id: 1, method: "x/chatter", params: { bytes: OFFERED } }))
  const said = await settled(() => saidBy(client))
  const peak = await client.peakBytes()
  client.child.stdout.resume()
  const answer = await client.answerTo(1)

  expect(said).toBeGreaterThan(0) // it began to talk
  expect(said).toBeLessThan(MOST_TAKEN)
  expect(peak - before).toBeLessThan(MOST_TAKEN * 2)
  expect(answer.beginning).toContain('"result"') // nothing was lost: all of it came once the client read again
})

test("a client that has closed its end and begins to read later gets the whole of a long answer", async () => {
  await using set = await makeFloodSet()
  set.server.handler = ({ message }, response) => {
    if (message?.method !== "x/long") return false
    response.setHeader("content-type", "application/json").end(`{"jsonrpc":"2.0","id":1,"result":{"filler":"${"z".repeat(8 * MB)}"}}`)
    return true
  }
  await using client = await set.connect("http")

  const ended = once(client.child.stdout, "end")
  client.child.stdout.pause()
  await client.write(line({ id: 1, method: "x/long" }))
  client.child.stdin.end()
  await expect.poll(() => set.server.sessions.size).toBe(0) // the bridge is at its end
  await pause(3_000) // who tells a bridge to end has two seconds
  client.child.stdout.resume()
  await ended

  expect(client.lines.at(-1)?.bytes).toBeGreaterThan(8 * MB)
})

test("a client that does not read our stderr stops a local server that talks there, with little memory taken", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect("stdio")
  const before = await client.peakBytes()

  client.child.stderr.pause()
  await client.write(line({ id: 1, method: "x/mutter", params: { bytes: OFFERED } }))
  await client.write(line({ id: 2, method: "x/muttered" }))
  const said = Number(/"muttered":(\d+)/.exec((await client.answerTo(2)).beginning)?.[1])
  const peak = await client.peakBytes()
  client.child.stderr.resume()

  expect(said).toBeGreaterThan(0)
  expect(said).toBeLessThan(MOST_TAKEN)
  expect(peak - before).toBeLessThan(MOST_TAKEN)
  expect((await client.answerTo(1)).beginning).toContain('"result"') // all of it left once somebody read
})

test("a client that does not read stops the stream of a server with an address", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect("http")
  let sent = 0
  const event = `data: ${line({ method: "notifications/message", params: { data: "y".repeat(MB) } })}\n`
  set.server.handler = ({ message }, response) => {
    if (message?.method !== "x/chatter") return false
    response.writeHead(200, { "content-type": "text/event-stream" })
    const talk = async (): Promise<void> => {
      while (sent < OFFERED) sent += await flood(response, event.length, Buffer.from(event))
      response.end(`data: ${line({ id: 1, result: {} })}\n`)
    }
    void talk()
    return true
  }
  const before = await client.peakBytes()

  client.child.stdout.pause()
  await client.write(line({ id: 1, method: "x/chatter" }))
  const stoppedAt = await settled(() => sent)
  const peak = await client.peakBytes()
  client.child.stdout.resume()
  const answer = await client.answerTo(1)

  expect(stoppedAt).toBeGreaterThan(0)
  expect(stoppedAt).toBeLessThan(MOST_TAKEN)
  expect(peak - before).toBeLessThan(MOST_TAKEN * 2)
  expect(answer.beginning).toContain('"result"')
})

/** How a server begins an answer, and how it ends it. */
const forms = {
  JSON: { type: "application/json", begin: "", end: '"}}' },
  events: { type: "text/event-stream", begin: "data: ", end: '"}}\n\n' },
}

test.each(Object.entries(forms))(
  "many large answers at once, as %s, wait for a client that does not read; then it gets each of them",
  async (_, { type, begin, end }) => {
    await using set = await makeFloodSet()
    await using client = await set.connect("http")
    const calls = 60
    let sent = 0
    set.server.handler = ({ message }, response) => {
      if (message?.method !== "x/large") return false
      response.writeHead(200, { "content-type": type })
      const talk = async (): Promise<void> => {
        response.write(`${begin}{"jsonrpc":"2.0","id":${String(message.id)},"result":{"text":"`)
        for (let at = 0; at < (OFFERED / calls) * 2; at += MB / 4) {
          const taken = await flood(response, MB / 4)
          sent += taken // all of them count here, so not across the wait
        }
        response.end(end)
      }
      void talk()
      return true
    }
    const before = await client.peakBytes()

    client.child.stdout.pause()
    for (let id = 1; id <= calls; id++) await client.write(line({ id, method: "x/large" }))
    const stoppedAt = await settled(() => sent)
    const peak = await client.peakBytes()
    client.child.stdout.resume()
    for (let id = 1; id <= calls; id++) await client.answerTo(id)

    expect(set.server.seenOf("x/large")).toHaveLength(calls) // all of them had begun
    expect(stoppedAt).toBeGreaterThan(MB)
    expect(stoppedAt).toBeLessThan(OFFERED * 1.6) // most of it stands in the buffers of the system, some megabytes a connection
    expect(peak - before).toBeLessThan(OFFERED) // of twice as much
    expect(sent).toBeGreaterThan(OFFERED * 2)
  },
)

test("a stream for what is said unasked that stops in mid-event holds up no answer, however large", async () => {
  await using set = await makeFloodSet()
  let begun = 0
  set.server.handler = ({ method, message }, response) => {
    if (method === "GET") {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(`data: ${filler.slice(0, MB / 4)}`)
      begun++
      return true
    }
    if (message?.method !== "x/large") return false
    response.writeHead(200, { "content-type": "application/json" })
    response.write(`{"jsonrpc":"2.0","id":${String(message.id)},"result":{"text":"`)
    void flood(response, 50 * MB).then(() => response.end('"}}'))
    return true
  }
  await using client = await set.connect("http")
  await expect.poll(() => begun).toBe(1)
  await client.write(line({ id: 1, method: "tools/list" }))
  await client.answerTo(1) // by now the beginning of the event is read

  for (const id of [2, 3, 4]) await client.write(line({ id, method: "x/large" }))

  for (const id of [2, 3, 4]) expect((await client.answerTo(id)).bytes).toBeGreaterThan(50 * MB)
})

test("a client that asks on and never reads is not read from any more", async () => {
  await using set = await makeFloodSet()
  await using client = await set.connect("http")
  const text = "y".repeat(14 * 1024)
  let answered = 0
  set.server.handler = ({ message }, response) => {
    if (message?.method !== "x/small") return false
    answered++
    response.writeHead(200, { "content-type": "application/json" })
    response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { text } }))
    return true
  }

  client.child.stdout.pause()
  const most = Math.round((MOST_TAKEN * 1.2) / text.length)
  const ask = async (): Promise<void> => {
    for (let id = 1; id <= most; id++) await client.write(line({ id, method: "x/small", params: { filler: "z".repeat(500) } }))
  }
  const asked = ask()
  const stoppedAt = await settled(() => answered)
  client.child.stdout.resume()
  await asked
  await client.answerTo(most)

  expect(stoppedAt * text.length).toBeGreaterThan(MB)
  expect(stoppedAt * text.length).toBeLessThan(MOST_TAKEN)
})
