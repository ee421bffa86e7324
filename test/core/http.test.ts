import http from "node:http"
import https from "node:https"
import net, { type AddressInfo, type LookupFunction } from "node:net"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { networkInterfaces } from "node:os"
import { expect, onTestFinished, test, vi } from "vitest"
import { withResolvers } from "../../src/core/with-resolvers.ts"
import { createHttp, type OutgoingRequest } from "../../src/core/http.ts"
import { makeAuthority } from "../servers/authority.ts"

const never = new AbortController().signal

function listen(server: net.Server): Promise<number> {
  onTestFinished(() => void server.close())
  if (server instanceof http.Server || server instanceof https.Server) onTestFinished(() => server.closeAllConnections())
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)))
}

const request = (url: string, more: Partial<OutgoingRequest> = {}): OutgoingRequest => ({
  method: "POST",
  url: new URL(url),
  headers: {},
  ...more,
})

const makeHttp = (limits = {}) => {
  const layer = createHttp({ silenceMs: 5_000, connectMs: 5_000, ...limits })
  onTestFinished(() => layer.close())
  return layer
}

test("a request arrives with its method, path, query, host, headers and exact bytes", async () => {
  const seen: { url: string | undefined; headers: http.IncomingHttpHeaders; body: Buffer }[] = []
  const port = await listen(
    http.createServer((incoming, response) => {
      const chunks: Buffer[] = []
      incoming
        .on("data", (chunk: Buffer) => chunks.push(chunk))
        .on("end", () => {
          seen.push({ url: incoming.url, headers: incoming.headers, body: Buffer.concat(chunks) })
          response.end("ok")
        })
    }),
  )
  const small = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const large = Buffer.alloc(100_000, "é")
  const layer = makeHttp()

  for (const body of [small, large])
    await (await layer.send(request(`http://127.0.0.1:${port}/a%2Fb?x=1%20+&y`, { headers: { "x-a": "1" }, body }), never)).read(10)
  await (await layer.send(request(`http://127.0.0.1:${port}/`, { method: "DELETE" }), never)).read(10)

  expect(seen.map(({ body }) => body)).toEqual([small, large, Buffer.alloc(0)])
  expect(seen[0]).toMatchObject({ url: "/a%2Fb?x=1%20+&y", headers: { host: `127.0.0.1:${port}`, "x-a": "1", "content-length": "256" } })
  expect(seen[2]?.headers).not.toHaveProperty("transfer-encoding")
})

test("a body is read whole and within its limit, whether it comes with its head, in pieces or not at all, over one connection", async () => {
  const server = http.createServer((incoming, response) => {
    if (incoming.url === "/pieces") {
      response.write("an ")
      setTimeout(() => response.end("answer"), 20)
    } else response.end(incoming.url === "/empty" ? "" : "an answer")
  })
  let connections = 0
  server.on("connection", () => connections++)
  const port = await listen(server)
  const layer = makeHttp()
  const read = async (path: string, maxBytes: number): Promise<string> =>
    (await (await layer.send(request(`http://127.0.0.1:${port}${path}`, { method: "GET" }), never)).read(maxBytes)).toString()

  const bodies: string[] = []
  for (const path of ["/whole", "/pieces", "/empty", "/whole"]) bodies.push(await read(path, 9))

  expect(bodies).toEqual(["an answer", "an answer", "", "an answer"])
  expect(connections).toBe(1)
  for (const path of ["/whole", "/pieces"]) await expect(read(path, 8)).rejects.toMatchObject({ diagnosis: { code: "answer-too-large" } })
})

test("an answer that nobody reads costs no connection, whether its length is told or it is there; a stream is left at once", async () => {
  const server = http.createServer((incoming, response) => {
    if (incoming.url === "/stream") response.writeHead(200, { "content-type": "text/event-stream" }).write(": open\n\n")
    else if (incoming.url === "/length") response.end("no more")
    else response.writeHead(202).end() // chunked, as the official SDK answers a notification
  })
  const connections: net.Socket[] = []
  server.on("connection", (socket) => connections.push(socket))
  const port = await listen(server)
  const layer = makeHttp()
  const discard = async (path: string): Promise<void> => (await layer.send(request(`http://127.0.0.1:${port}${path}`), never)).discard()

  for (const path of ["/accepted", "/length", "/accepted", "/accepted"]) await discard(path)
  expect(connections).toHaveLength(1)

  await discard("/stream")
  await vi.waitFor(() => expect(connections[0]?.destroyed).toBe(true))
})

test("a body that has failed, or was ended, before anybody reads is told when somebody does", async () => {
  let cut: (() => void) | undefined
  const server = http.createServer((_, response) => {
    response.writeHead(200).write("an ")
    cut = () => response.destroy()
  })
  const port = await listen(server)
  const layer = makeHttp()
  const begin = (signal: AbortSignal) => layer.send(request(`http://127.0.0.1:${port}/`), signal)
  const ended = new AbortController()

  const [first, second] = [await begin(ended.signal), await begin(never)]
  ended.abort(new Error("not wanted any more"))
  cut?.()
  await new Promise((resolve) => setTimeout(resolve, 50))

  await expect(first.read(9)).rejects.toThrow("not wanted any more")
  await expect(second.read(9)).rejects.toMatchObject({ diagnosis: { code: "connection-lost" } })
})

test("of a body that is given up while its reader waits for room, no part is taken for the whole", async () => {
  const server = http.createServer((_, response) => {
    for (const half of ["x", "y"]) response.write(half.repeat(20_000))
    response.end()
  })
  const port = await listen(server)
  const layer = makeHttp()
  const cause = {}
  const reason = new Error("not wanted any more")
  const answer = await layer.send(request(`http://127.0.0.1:${port}/`, { cause }), never)

  let body: Promise<Buffer> | undefined
  await new Promise<void>((resolve) => {
    body = answer.read(50_000, () => {
      resolve()
      return new Promise(() => undefined)
    })
  })
  layer.abandon(cause, reason)

  await expect(body?.then(({ length }) => length)).rejects.toBe(reason)
})

test("a stream whose reader waits for room goes on when there is some, and ends at once when it is given up", async () => {
  const open: http.ServerResponse[] = []
  const port = await listen(http.createServer((_, response) => void (open.push(response) && response.write("begun"))))
  const layer = makeHttp()
  const cause = {}
  const reason = new Error("not wanted any more")
  const room = withResolvers()
  const begin = async (hold: () => Promise<void> | undefined) => {
    const stream = (await layer.send(request(`http://127.0.0.1:${port}/`, { cause }), never)).stream(hold)
    await stream.next()
    return stream
  }

  const goesOn = await begin(() => room.promise)
  const waits = await begin(() => new Promise(() => undefined))
  const asksLate = await begin(() => new Promise(() => undefined))
  const next = [goesOn.next(), waits.next()]
  open[0]?.write("the rest")
  room.resolve()
  expect((await next[0])?.value?.toString()).toBe("the rest")
  layer.abandon(cause, reason)

  await expect(next[1]).rejects.toBe(reason)
  await expect(asksLate.next()).rejects.toBe(reason)
})

test("the body of a refusal can be asked for twice, and is the same", async () => {
  const port = await listen(http.createServer((_, response) => response.writeHead(403).end("no")))
  const answer = await makeHttp().send(request(`http://127.0.0.1:${port}/`), never)

  const bodies = [await answer.readBriefly(10), await answer.readBriefly(10)]

  expect(bodies.map(String)).toEqual(["no", "no"])
})

test("a name that does not resolve and a port where nobody listens are told before anything was sent", async () => {
  const closed = net.createServer()
  const port = await listen(closed)
  await new Promise((resolve) => closed.close(resolve))

  for (const url of [`http://127.0.0.1:${port}/`, "http://does-not-exist.invalid/"]) {
    await expect(makeHttp().send(request(url), never)).rejects.toMatchObject({ diagnosis: { code: "server-unreachable" } })
  }
})

test("silence ends a request before and within its answer; a stream without a limit goes on", async () => {
  const port = await listen(
    http.createServer((incoming, response) => {
      if (incoming.url === "/before") return
      response.write("begun")
    }),
  )
  const layer = makeHttp({ silenceMs: 200 })

  await expect(layer.send(request(`http://127.0.0.1:${port}/before`), never)).rejects.toMatchObject({
    diagnosis: { code: "server-silent" },
  })
  const begun = await layer.send(request(`http://127.0.0.1:${port}/within`), never)
  await expect(begun.read(100)).rejects.toMatchObject({ diagnosis: { code: "server-silent" } })
  const stream = (await layer.send(request(`http://127.0.0.1:${port}/stream`, { method: "GET", silenceMs: 0 }), never)).stream()
  expect((await stream.next()).value?.toString()).toBe("begun")
  await expect(Promise.race([stream.next(), new Promise((resolve) => setTimeout(() => resolve("still open"), 600))])).resolves.toBe(
    "still open",
  )
})

test("an abort ends the request with the reason of its signal, and only its own", async () => {
  const port = await listen(
    http.createServer((incoming, response) => void (incoming.url === "/ok" && setTimeout(() => response.end("ok"), 300))),
  )
  const layer = makeHttp()
  const reason = new Error("not wanted any more")
  const abort = new AbortController()

  const aborted = layer.send(request(`http://127.0.0.1:${port}/hang`), abort.signal)
  const other = layer.send(request(`http://127.0.0.1:${port}/ok`), never)
  setTimeout(() => abort.abort(reason), 100)

  await expect(aborted).rejects.toBe(reason)
  expect((await (await other).read(10)).toString()).toBe("ok")
  await expect(layer.send(request(`http://127.0.0.1:${port}/ok`), abort.signal)).rejects.toBe(reason)
})

/** An address that takes no connection and refuses none: a process that sleeps accepts nothing, and its queue is full. */
async function blackHole(host: string): Promise<number> {
  const child = spawn(process.execPath, [
    "-e",
    `const s = require("net").createServer().listen({ port: 0, host: "${host}", backlog: 1 }, () => console.log(s.address().port))`,
  ])
  onTestFinished(() => void child.kill("SIGKILL"))
  const port = Number(String((await once(child.stdout, "data"))[0]))
  child.kill("SIGSTOP")
  const fillers = Array.from({ length: 8 }, () => net.connect(port, host).on("error", () => undefined))
  onTestFinished(() => fillers.forEach((filler) => filler.destroy()))
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(fillers.some((filler) => filler.connecting)).toBe(true) // the trap is set
  return port
}

test("an address that takes no connection is given up at the limit", async () => {
  const port = await blackHole("127.0.0.1")

  await expect(makeHttp({ connectMs: 300 }).send(request(`http://127.0.0.1:${port}/`), never)).rejects.toMatchObject({
    diagnosis: { code: "server-unreachable", evidence: ["no connection within 0.3 s", "nothing was sent"] },
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === "::1"))

test.skipIf(!hasIpv6)("a name whose IPv6 address leads nowhere is reached over IPv4", async () => {
  const port = await blackHole("::1")
  const server = http.createServer((_, response) => response.end("here"))
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  const asked: string[] = []
  const resolve: LookupFunction = (host, _, callback) => {
    asked.push(host)
    callback(null, [
      { address: "::1", family: 6 },
      { address: "127.0.0.1", family: 4 },
    ])
  }

  const answer = await makeHttp({ connectMs: 10_000, resolve }).send(request(`http://mcp.example:${port}/`), never)

  expect(asked).toEqual(["mcp.example"])
  expect((await answer.read(10)).toString()).toBe("here")
})

test("a certificate that nobody vouches for is refused, and nothing is sent", async () => {
  await using authority = await makeAuthority()
  const { key, cert } = await authority.issue("127.0.0.1")
  const seen: string[] = []
  const port = await listen(https.createServer({ key, cert }, (incoming) => void seen.push(incoming.url ?? "")))

  const answer = makeHttp().send(request(`https://127.0.0.1:${port}/`), never)

  await expect(answer).rejects.toMatchObject({ diagnosis: { code: "tls-refused" } })
  expect(seen).toEqual([])
})

test("an http server behind an https address, and a handshake that is cut, are told as TLS, and nothing was sent", async () => {
  const seen: Buffer[] = []
  const plain = await listen(
    net.createServer((socket) => socket.on("data", (chunk) => (seen.push(chunk), socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")))),
  )
  const cutting = await listen(net.createServer((socket) => socket.once("data", (chunk) => (seen.push(chunk), socket.destroy()))))

  for (const port of [plain, cutting]) {
    await expect(makeHttp().send(request(`https://127.0.0.1:${port}/`), never)).rejects.toMatchObject({
      diagnosis: { code: "tls-failed", evidence: expect.arrayContaining(["nothing was sent"]) as string[] },
    })
  }
  expect(seen.map((chunk) => chunk[0])).toEqual([22, 22]) // the traps were reached, by a ClientHello
})

test("headers without an end are a diagnosis of their own", async () => {
  const port = await listen(
    http.createServer({ maxHeaderSize: 1024 }, (_, response) => response.setHeader("x-long", "a".repeat(20_000)).end()),
  )

  await expect(makeHttp().send(request(`http://127.0.0.1:${port}/`), never)).rejects.toMatchObject({
    diagnosis: { code: "answer-headers-too-large" },
  })
})

test("what is abandoned ends with its reason, also in the middle of its answer, and nothing more is sent for it", async () => {
  const seen: (string | undefined)[] = []
  const port = await listen(
    http.createServer((incoming, response) => {
      seen.push(incoming.url)
      if (incoming.url === "/begun") response.write("begun")
      if (incoming.url === "/other") response.end("ok")
    }),
  )
  const layer = makeHttp()
  const cause = {}
  const reason = new Error("not wanted any more")
  const waiting = layer.send(request(`http://127.0.0.1:${port}/waiting`, { cause }), never)
  const begun = (await layer.send(request(`http://127.0.0.1:${port}/begun`, { cause }), never)).stream()
  await begun.next()

  layer.abandon(cause, reason)

  await expect(waiting).rejects.toBe(reason)
  await expect(begun.next()).rejects.toBe(reason)
  await expect(layer.send(request(`http://127.0.0.1:${port}/later`, { cause }), never)).rejects.toBe(reason)
  expect((await (await layer.send(request(`http://127.0.0.1:${port}/other`, { cause: {} }), never)).read(10)).toString()).toBe("ok")
  expect(seen).toEqual(["/waiting", "/begun", "/other"])
})

test("a call that is silent for ten minutes is not cut; one that is silent beyond the limit is", async () => {
  const open: http.ServerResponse[] = []
  const port = await listen(http.createServer((_, response) => void open.push(response)))
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "hrtime"] })
  onTestFinished(() => void vi.useRealTimers())
  const layer = makeHttp({ silenceMs: 30 * 60_000 })
  const answered = layer.send(request(`http://127.0.0.1:${port}/`), never)
  const silent = layer.send(request(`http://127.0.0.1:${port}/`), never)
  await vi.waitUntil(() => open.length === 2)

  vi.advanceTimersByTime(10 * 60_000)
  open[0]?.end("ten minutes later")

  expect((await (await answered).read(100)).toString()).toBe("ten minutes later")
  vi.advanceTimersByTime(21 * 60_000)
  await expect(silent).rejects.toMatchObject({ diagnosis: { code: "server-silent" } })
})

test("a server is silent only while one listens: a reader that catches up for longer than the limit finds the rest", async () => {
  const open: http.ServerResponse[] = []
  const port = await listen(http.createServer((_, response) => void (open.push(response) && response.write("x".repeat(20_000)))))
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "hrtime"] })
  onTestFinished(() => void vi.useRealTimers())
  const layer = makeHttp({ silenceMs: 30 * 60_000 })
  const send = () => layer.send(request(`http://127.0.0.1:${port}/`), never)
  const catchUp = withResolvers<void>()

  const [streamed, silent, whole] = [(await send()).stream(), (await send()).stream(), await send()]
  for (const stream of [streamed, silent]) await stream.next()
  let read: Promise<Buffer> | undefined
  await new Promise<void>((resolve) => {
    read = whole.read(50_000, () => {
      resolve()
      return catchUp.promise
    })
  })
  vi.advanceTimersByTime(31 * 60_000)
  catchUp.resolve()
  for (const at of [0, 2]) open[at]?.end("the rest")

  expect((await streamed.next()).value?.toString()).toBe("the rest")
  expect((await read)?.subarray(20_000).toString()).toBe("the rest")
  const rest = silent.next()
  vi.advanceTimersByTime(29 * 60_000)
  await expect(Promise.race([rest, new Promise((resolve) => setImmediate(() => resolve("still open")))])).resolves.toBe("still open")
  vi.advanceTimersByTime(2 * 60_000)
  await expect(rest).rejects.toMatchObject({ diagnosis: { code: "server-silent" } })
})
