import http from "node:http"
import { once, setMaxListeners } from "node:events"
import type { Socket } from "node:net"
import tls from "node:tls"
import { expect, onTestFinished, test, vi } from "vitest"
import type { Http } from "../../src/core/http.ts"
import { goesStraight } from "../../src/core/http-no-proxy.ts"
import { openLayer } from "../harness/ways.ts"
import { makeAuthority } from "../servers/authority.ts"
import { startMcpServer } from "../servers/mcp-server.ts"
import { type ProxyOptions, startProxy } from "../servers/proxy.ts"

const never = new AbortController().signal
setMaxListeners(0, never)
const get = async (layer: Http, url: string): Promise<number> => {
  const answer = await layer.send({ method: "GET", url: new URL(url), headers: {} }, never)
  await answer.read(1024)
  return answer.status
}

test.each([
  ["mcp.example", "https://mcp.example/", true],
  ["mcp.example", "https://a.mcp.example/", true],
  ["mcp.example", "https://MCP.example./", true],
  ["MCP.Example", "https://mcp.example/", true],
  [".mcp.example", "https://mcp.example/", true],
  ["*.mcp.example", "https://a.mcp.example/", true],
  ["mcp.example", "https://evilmcp.example/", false],
  ["mcp.example", "https://mcp.example.org/", false],
  ["other.example, mcp.example", "https://mcp.example/", true],
  ["other.example mcp.example", "https://mcp.example/", true],
  ["*", "https://mcp.example/", true],
  ["", "https://mcp.example/", false],
  [",", "https://mcp.example/", false],
  [".", "https://mcp.example/", false],
  ["mcp.example:443", "https://mcp.example/", true],
  ["mcp.example:8443", "https://mcp.example/", false],
  ["mcp.example:8443", "https://mcp.example:8443/", true],
  ["10.1.2.3", "https://10.1.2.3/", true],
  ["2.3", "https://10.1.2.3/", false],
  ["10.0.0.0/8", "https://10.1.2.3/", true],
  ["10.0.0.0/8", "https://11.1.2.3/", false],
  ["10.0.0.0/33", "https://10.1.2.3/", false],
  ["0.0.0.0/0", "https://mcp.example/", false],
  ["fd00::/8", "https://[fd12::1]/", true],
  ["::1", "https://[::1]/", true],
  ["[fd12::1]:8443", "https://[fd12::1]:8443/", true],
  ["[fd12::1]:8443", "https://[fd12::1]/", false],
])("NO_PROXY=%s: that %s is reached straight is %s", (list, url, straight) => {
  expect(goesStraight(new URL(url), list)).toBe(straight)
})

test("what NO_PROXY names is reached straight, in either spelling, and the rest through the proxy", async () => {
  await using server = await startMcpServer()
  await using proxy = await startProxy()
  const port = new URL(server.url).port
  const resolve: NonNullable<Parameters<typeof openLayer>[0]>["resolve"] = (_, options, callback) =>
    callback(null, options.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4)
  using layer = openLayer({ resolve, env: { HTTP_PROXY: proxy.url, no_proxy: "straight.example", NO_PROXY: "through.example" } })

  await get(layer, `http://straight.example:${port}/a`)
  await get(layer, `http://through.example:${port}/b`)

  expect(server.seen.map(({ path }) => path)).toEqual(["/a", "/b"])
  expect(proxy.seen.map(({ target }) => target)).toEqual([`http://through.example:${port}/b`])
})

test("the spelling in lower case wins, and each scheme has a proxy of its own", async () => {
  await using server = await startMcpServer()
  await using right = await startProxy()
  await using wrong = await startProxy()
  using layer = openLayer({ env: { http_proxy: right.url, HTTP_PROXY: wrong.url, HTTPS_PROXY: wrong.url } })

  await get(layer, `http://mcp.example:${new URL(server.url).port}/`)

  expect(right.seen).toHaveLength(1)
  expect(wrong.seen).toEqual([])
})

test.each(["127.0.0.1", "localhost"])("%s is never asked of a proxy, whose loopback is another one", async (host) => {
  await using server = await startMcpServer()
  await using proxy = await startProxy()
  using layer = openLayer({ env: { HTTP_PROXY: proxy.url } })

  await get(layer, `http://${host}:${new URL(server.url).port}/`)

  expect(server.seen).toHaveLength(1)
  expect(proxy.seen).toEqual([])
})

test.each([
  ["socks5://person:s3cret-pw@proxy.example:1080", /socks5:/],
  ["http://[proxy", /not an address/],
])("a variable with %s is told by its name, without its value", async (value, why) => {
  using layer = openLayer({ env: { HTTPS_PROXY: value } })

  const failure: unknown = await get(layer, "https://mcp.example/").catch((error: unknown) => error)

  expect(failure).toMatchObject({ diagnosis: { code: "proxy-invalid", cause: expect.stringMatching(why) as string } })
  expect(JSON.stringify(failure)).not.toContain("s3cret-pw")
})

test("a proxy without a scheme in the variable is one of http", async () => {
  await using server = await startMcpServer()
  await using proxy = await startProxy()
  using layer = openLayer({ env: { HTTP_PROXY: `127.0.0.1:${proxy.port}` } })

  await get(layer, `http://mcp.example:${new URL(server.url).port}/`)

  expect(proxy.seen).toHaveLength(1)
})

test("a proxy that is reached over TLS tunnels and forwards; it sees no certificate of ours", async () => {
  await using authority = await makeAuthority()
  const client = await authority.issue("client-17")
  const seenByProxy: unknown[] = []
  const askForClient = { requestCert: true, rejectUnauthorized: false, ca: authority.ca }
  await using proxy = await startProxy({
    tls: { ...(await authority.issue("127.0.0.1")), ...askForClient },
    onSecure: (socket) => seenByProxy.push(socket.getPeerCertificate().subject?.CN),
  })
  const seenByServer: unknown[] = []
  await using secured = await startMcpServer({
    tls: { ...(await authority.issue("mcp.example")), ...askForClient },
    onSecure: (socket) => seenByServer.push(socket.getPeerCertificate().subject?.CN),
  })
  await using plain = await startMcpServer()
  using layer = openLayer({ env: { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url }, tls: { caFile: authority.caFile, ...client } })

  await get(layer, `https://mcp.example:${new URL(secured.url).port}/`)
  await get(layer, `http://mcp.example:${new URL(plain.url).port}/`)

  expect(proxy.seen.map(({ method }) => method)).toEqual(["CONNECT", "GET"])
  expect([secured.seen.length, plain.seen.length]).toEqual([1, 1])
  expect(seenByServer).toEqual(["client-17"])
  expect(seenByProxy).toEqual([undefined, undefined])
})

const CONNECTED = "HTTP/1.1 200 Connection established\r\n\r\n"

test.each<[string, ProxyOptions["onConnect"], string, RegExp]>([
  ["refuses the host", (socket) => socket.end("HTTP/1.1 403 Forbidden\r\n\r\n"), "proxy-refused", /HTTP 403/],
  ["cannot reach it", (socket) => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"), "proxy-refused", /HTTP 502/],
  [
    "answers with a redirect",
    (socket) => socket.end("HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\n\r\n"),
    "proxy-refused",
    /HTTP 302/,
  ],
  ["speaks in the tunnel before us", (socket) => socket.write(`${CONNECTED}HTTP/1.1 200 OK\r\n\r\n`), "proxy-refused", /bytes of its own/],
  ["hangs up", (socket) => socket.end(), "proxy-unreachable", /proxy/],
  ["answers with what is no HTTP", (socket) => socket.end("\u0016\u0003\u0001\u0000"), "proxy-unreachable", /proxy/],
  ["answers without an end", (socket) => void endless(socket), "proxy-unreachable", /proxy/],
  ["speaks no TLS in the tunnel", (socket) => answerWith(socket, "HTTP/1.1 200 OK\r\n\r\n{}"), "tls-failed", /encrypted/],
  ["closes the tunnel", (socket) => answerWith(socket, ""), "tls-failed", /encrypted/],
])("a proxy that %s is told as that, and the server sees nothing", async (_, onConnect, code, cause) => {
  await using authority = await makeAuthority()
  await using server = await startMcpServer({ tls: await authority.issue("mcp.example") })
  await using proxy = await startProxy(onConnect ? { onConnect } : {})
  using layer = openLayer({ env: { HTTPS_PROXY: proxy.url }, tls: { caFile: authority.caFile } })

  await expect(get(layer, `https://mcp.example:${new URL(server.url).port}/`)).rejects.toMatchObject({
    diagnosis: { code, cause: expect.stringMatching(cause) as string },
  })
  expect(proxy.seen).toMatchObject([{ method: "CONNECT" }]) // the trap was reached
  expect(server.seen).toEqual([])
})

test("a proxy that never answers is given up at the limit on connecting", async () => {
  const limits: number[] = []
  const limit = new AbortController()
  const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    limits.push(ms)
    return limit.signal
  })
  onTestFinished(() => timeout.mockRestore())
  await using proxy = await startProxy({ onConnect: () => limit.abort() })
  using layer = openLayer({ connectMs: 7_000, env: { HTTPS_PROXY: proxy.url } })

  await expect(get(layer, "https://mcp.example/")).rejects.toMatchObject({
    diagnosis: { code: "proxy-unreachable", evidence: expect.arrayContaining(["no connection within 7 s"]) as string[] },
  })
  expect(limits).toEqual([7_000])
})

/** Opens the tunnel, waits for our first bytes in it, and answers them itself. */
function answerWith(socket: Parameters<NonNullable<ProxyOptions["onConnect"]>>[0], text: string): void {
  socket.write(CONNECTED)
  socket.once("data", () => socket.end(text))
}

async function endless(socket: Parameters<NonNullable<ProxyOptions["onConnect"]>>[0]): Promise<void> {
  socket.write("HTTP/1.1 200 OK\r\n")
  while (!socket.destroyed)
    if (!socket.write("x-more: 0123456789\r\n".repeat(100))) await Promise.race([once(socket, "drain"), once(socket, "close")])
}

test("a proxy that answers in the server's place with a certificate of its own is told, and is sent nothing", async () => {
  await using authority = await makeAuthority()
  await using impostor = await makeAuthority("Nobody's CA")
  const { cert, key } = await impostor.issue("mcp.example")
  const read: string[] = []
  const askedFor: string[] = []
  await using proxy = await startProxy({
    onConnect(socket) {
      socket.write(CONNECTED)
      const SNICallback: tls.TLSSocketOptions["SNICallback"] = (name, done) => {
        askedFor.push(name)
        done(null)
      }
      const within = new tls.TLSSocket(socket as Socket, { isServer: true, key, cert, SNICallback })
      within.on("data", (chunk: Buffer) => read.push(chunk.toString()))
      within.on("error", () => undefined)
    },
  })
  using layer = openLayer({ env: { HTTPS_PROXY: proxy.url }, tls: { caFile: authority.caFile } })

  await expect(get(layer, "https://mcp.example/")).rejects.toMatchObject({
    diagnosis: { code: "tls-refused", evidence: expect.arrayContaining([`through the proxy ${proxy.url}`]) as string[] },
  })
  expect(proxy.seen).toHaveLength(1)
  expect(askedFor).toEqual(["mcp.example"]) // the trap was reached
  expect(read).toEqual([])
})

test("a tunnel is kept open between requests, and a 407 of the server itself is the server's", async () => {
  await using authority = await makeAuthority()
  await using server = await startMcpServer({ tls: await authority.issue("mcp.example") })
  server.handler = (_, response) => {
    response.writeHead(407, { "content-length": 0 }).end()
    return true
  }
  await using proxy = await startProxy()
  using layer = openLayer({ env: { HTTPS_PROXY: proxy.url }, tls: { caFile: authority.caFile } })
  const url = `https://mcp.example:${new URL(server.url).port}/`

  expect([await get(layer, url), await get(layer, url)]).toEqual([407, 407])
  expect(proxy.seen).toHaveLength(1)
  expect(server.seen).toHaveLength(2)
})

test("closing the layer ends a tunnel that is still being opened", async () => {
  let asked: (() => void) | undefined
  const reached = new Promise<void>((resolve) => (asked = resolve))
  await using proxy = await startProxy({ onConnect: (socket) => (asked?.(), socket.on("data", () => undefined)) })
  using layer = openLayer({ env: { HTTPS_PROXY: proxy.url } })

  const sent = get(layer, "https://mcp.example/")
  await reached
  layer.close()

  await expect(sent).rejects.toMatchObject({ diagnosis: { code: "proxy-unreachable" } })
})

test("without a proxy in the environment nothing of this is asked", async () => {
  await using server = await startMcpServer()
  using layer = openLayer({ env: { NO_PROXY: "*", HTTPS_PROXY: "" } })

  await get(layer, server.url)

  expect(server.seen).toHaveLength(1)
  expect(http.globalAgent.requests).toEqual({})
})
