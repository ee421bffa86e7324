/** The library's pipe: a client of somebody else's on two streams, with a real server on the other side. */
import { once } from "node:events"
import { type AddressInfo, type Socket, connect, createServer } from "node:net"
import { Duplex, PassThrough, Readable } from "node:stream"
import { expect, onTestFinished, test, vi } from "vitest"
import { stdioClient } from "../../src/bridge/client/stdio.ts"
import { pipeBridge } from "../../src/index.ts"
import { configured } from "./configured.ts"

const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } }
const initialize = `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`
const initialized = '{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
const call = (text: string): string =>
  `${JSON.stringify({ jsonrpc: "2.0", id: "c", method: "tools/call", params: { name: "echo", arguments: { text } } })}\n`
const answerTo = (text: string): string => `${JSON.stringify({ jsonrpc: "2.0", id: "c", result: { content: [{ type: "text", text }] } })}\n`

/** A real connection: the client's end, and the one that a program is given. */
async function connected() {
  const listener = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1")
  await once(listener, "listening")
  const client = connect((listener.address() as AddressInfo).port, "127.0.0.1")
  const [[accepted]] = (await Promise.all([once(listener, "connection"), once(client, "connect")])) as [[Socket], unknown]
  return {
    client,
    accepted,
    async [Symbol.asyncDispose]() {
      client.destroy()
      accepted.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

test("a client on two streams is piped to the server, byte for byte, until it has gone", async () => {
  await using set = await configured()
  const [input, output] = [new PassThrough(), new PassThrough()]
  set.server.handler = ({ message }, response) => {
    if (message?.method !== "x/exact") return false
    response.writeHead(200, { "content-type": "application/json" }).end('{"jsonrpc":"2.0","id":"e","result":{"n":12345678901234567890}}')
    return true
  }

  const piped = pipeBridge("weather", { input, output }, set.options)
  input.write(initialize)
  input.write(initialized)
  input.end('{"jsonrpc":"2.0","id":"e","method":"x/exact"}\n')

  expect(await piped).toBeUndefined()
  expect(String(output.read()).split("\n")[1]).toBe('{"jsonrpc":"2.0","id":"e","result":{"n":12345678901234567890}}')
  expect(set.server.sessions.size).toBe(0)
})

test.each([
  ["texts in the place of bytes", (text: string) => Readable.from([text.slice(0, 9), text.slice(9)])],
  ["a stream with an encoding", (text: string) => Readable.from([Buffer.from(text)], { objectMode: false }).setEncoding("latin1")],
])("a client may give %s", async (_, inputOf) => {
  await using set = await configured()
  const output = new PassThrough()

  await pipeBridge("weather", { input: inputOf(initialize + initialized + call("h\u00e9")), output }, set.options)

  expect(set.server.seenOf("tools/call")[0]?.body).toBe(call("h\u00e9").trimEnd())
  expect(String(output.read())).toContain(answerTo("h\u00e9"))
})

test("a client that resets its connection before the bridge is prepared ends the bridge, and nothing else", async () => {
  await using set = await configured()
  await using connection = await connected()

  connection.client.resetAndDestroy()
  const piped = pipeBridge("weather", { input: connection.accepted, output: connection.accepted }, set.options)

  expect(await piped).toBeUndefined()
  expect(connection.accepted.errored).toMatchObject({ code: "ECONNRESET" })
  expect(set.server.sessions.size).toBe(0)
})

test.each<[string, (input: PassThrough, output: PassThrough) => void]>([
  ["input is destroyed", (input) => input.destroy()],
  ["input fails", (input) => input.destroy(new Error("the tape broke"))],
  ["output is destroyed", (_, output) => output.destroy()],
  ["output fails", (_, output) => output.destroy(new Error("the printer is on fire"))],
])("a client whose %s has gone: the session is ended, and the bridge with it", async (_, lose) => {
  await using set = await configured()
  const [input, output] = [new PassThrough(), new PassThrough()]

  const piped = pipeBridge("weather", { input, output }, set.options)
  input.write(initialize)
  await once(output, "readable")
  expect(set.server.sessions.size).toBe(1)
  lose(input, output)
  await piped

  expect(set.server.sessions.size).toBe(0)
})

test.each<[string, (input: PassThrough, output: PassThrough) => Promise<unknown>]>([
  ["input has ended", (input) => once(input.end().resume(), "end")],
  ["input was destroyed", (input) => once(input.destroy(), "close")],
  ["output was destroyed", (_, output) => once(output.destroy(), "close")],
])("a client whose %s before is gone, and nothing is asked for it", async (_, lose) => {
  await using set = await configured()
  const [input, output] = [new PassThrough(), new PassThrough()]
  await lose(input, output)

  await pipeBridge("weather", { input, output }, set.options)

  expect(set.server.seenOf("initialize")).toEqual([])
})

test("a socket that its client has closed on one side gets the last answer whole before it is destroyed", async () => {
  await using set = await configured()
  const taken: Buffer[] = []
  /** A client that is slow to read: the first piece is out once nothing is read from it any more. */
  const socket = new Duplex({
    read() {},
    write: (chunk: Buffer, _, done) => void (taken.push(chunk), taken.length > 1 ? done() : socket.once("pause", () => done())),
  })
  socket.push(initialize + initialized + call("the last answer"))
  socket.push(null)

  await pipeBridge("weather", { input: socket, output: socket }, set.options)

  expect(Buffer.concat(taken).toString()).toContain(answerTo("the last answer"))
  expect(socket.destroyed).toBe(true)
})

test("what is returned of a connection that could not be prepared holds no secret that a command repeats", async () => {
  await using set = await configured()
  const [input, output] = [new PassThrough(), new PassThrough()]

  const piped = pipeBridge("chatty", { input, output }, { ...set.options, env: { ...process.env, ...set.options.env } })
  input.end(initialize)

  expect(await piped).toMatchObject({
    code: "headers-command-failed",
    evidence: expect.arrayContaining([expect.stringContaining("[redacted]")]),
  })
  expect(JSON.stringify(await piped) + String(output.read())).not.toContain(set.options.env["WEATHER_KEY"])
})

test.each([{}, { input: new PassThrough() }, { input: new PassThrough(), output: "out" }])(
  "what is no pair of streams is a mistake in the program, and told as that",
  async (streams) => {
    await using set = await configured()

    await expect(pipeBridge("weather", streams as never, set.options)).rejects.toThrow(TypeError)
    expect(set.server.seen).toEqual([])
  },
)

test.each([
  ["reads it", ({ output }: { output: PassThrough }) => void output.resume()],
  ["has had its time", ({ limit }: { limit: AbortController }) => limit.abort()],
])("the rest of a long answer is kept for a client that does not read, until it %s", async (_, act) => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const [output, limit] = [new PassThrough(), new AbortController()]
  const client = stdioClient({ input: new PassThrough(), output, maxFrameBytes: 1 << 20 })
  const onClosed = vi.fn()

  void client.write(Buffer.alloc(1 << 20, "x"))
  const closing = client.close(limit.signal).then(onClosed)
  await vi.advanceTimersByTimeAsync(30_000)
  expect(onClosed).not.toHaveBeenCalled()
  act({ output, limit })

  await closing
})
