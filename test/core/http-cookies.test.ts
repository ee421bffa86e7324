import fc from "fast-check"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { expect, onTestFinished, test } from "vitest"
import type { Clock } from "../../src/core/clock.ts"
import { createCookieJar } from "../../src/core/cookie-jar.ts"
import { withCookies } from "../../src/core/http-cookies.ts"
import { openLayer } from "../harness/ways.ts"

const never = new AbortController().signal
const NOW = Date.parse("2026-01-01T00:00:00Z")
const HOME = new URL("https://mcp.example/v1/mcp")

/** What goes back to an address after these lines were set by another. */
const after = (
  lines: readonly string[],
  { by = HOME, to = HOME, own = undefined as string | undefined, later = 0 } = {},
): string | undefined => {
  let nowMs = NOW
  const jar = createCookieJar(() => nowMs)
  jar.learn(lines, by)
  nowMs += later
  return jar.headerFor(to, own)
}

test.each<[string, readonly string[], string | undefined]>([
  ["a cookie goes back as it came", ["AWSALB=a/b+c==; Path=/"], "AWSALB=a/b+c=="],
  ["an empty value is a value", ["a="], "a="],
  ["a second value takes the place of the first", ["a=1", "b=2", "a=3"], "a=3; b=2"],
  ["the more specific path comes first", ["a=1; Path=/", "b=2; Path=/v1/mcp"], "b=2; a=1"],
  ["a cookie of another path does not go back", ["a=1; Path=/v2", "b=2; Path=/v1/mc"], undefined],
  ["a path that does not begin with a slash is the folder of the address", ["a=1; Path=x"], "a=1"],
  ["a cookie of the host's own domain goes back", ["a=1; Domain=.example", "b=2; Domain=mcp.example"], "a=1; b=2"],
  ["a cookie for another domain is none of ours", ["a=1; Domain=evil.example", "b=2; Domain=x.mcp.example"], undefined],
  ["one that has ended is forgotten", ["a=1", "a=; Max-Age=0", "b=2", "b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], undefined],
  ["Max-Age wins over Expires", ["a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "a=1"],
  ["a date that cannot be read is none", ["a=1; Expires=soon"], "a=1"],
  ["what is no cookie is left out", ["", "=1", "no-equals", ";Path=/", "a=\u00e9", "b=1"], "b=1"],
])("%s", (_, lines, header) => {
  expect(after(lines)).toBe(header)
})

test("a cookie ends in time", () => {
  expect(after(["a=1; Max-Age=60", "b=2"], { later: 59_000 })).toBe("a=1; b=2")
  expect(after(["a=1; Max-Age=60", "b=2"], { later: 60_000 })).toBe("b=2")
})

test("a secure cookie goes over https and to this machine only, and is taken from there only", () => {
  const plain = new URL("http://mcp.example/v1/mcp")
  const loopback = new URL("http://127.0.0.1/v1/mcp")

  expect(after(["a=1; Secure"])).toBe("a=1")
  expect(after(["a=1; Secure"], { to: plain })).toBeUndefined()
  expect(after(["a=1; Secure"], { by: plain })).toBeUndefined()
  expect(after(["a=1; Secure"], { by: loopback, to: loopback })).toBe("a=1")
})

test("a cookie header of the entry is sent, and its cookies win", () => {
  expect(after(["a=server", "b=2"], { own: "a=mine; c=3" })).toBe("a=mine; c=3; b=2")
  expect(after([], { own: "a=mine" })).toBe("a=mine")
})

test("cookies are bounded in number, each in size and all together; the oldest make room", () => {
  const many = Array.from({ length: 80 }, (_, index) => `c${index}=1`)
  const large = Array.from({ length: 10 }, (_, index) => `c${index}=${"x".repeat(3000)}`)

  expect(after(["a=1", ...many.slice(0, 49)])).toMatch(/^a=1; /)
  expect((after(many) ?? "").split("; ")).toHaveLength(50)
  expect(after([`a=${"x".repeat(5000)}`])).toBeUndefined()
  expect((after(large) ?? "").length).toBeLessThanOrEqual(8192)
  expect(after(large)).toContain("c9=")
})

test("whatever a server sets, what goes back is a header", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), (lines) => {
      const header = after(lines)
      if (header !== undefined) expect(header).toMatch(/^[\x20-\x7e]+$/)
    }),
  )
})

/** A server that sets a cookie for each path that names one. */
async function startCookieServer(): Promise<{ url: URL; seen: (string | undefined)[] }> {
  const seen: (string | undefined)[] = []
  const server = http.createServer((request, response) => {
    seen.push(request.headers.cookie)
    const name = new URL(request.url ?? "", "http://x/").searchParams.get("set")
    if (name) response.setHeader("set-cookie", `${name}=${name}-value; Path=/`)
    response.end("ok")
  })
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`), seen }
}

test("what the server's own origin sets goes back to it, and nothing goes to another origin or comes from one", async () => {
  const home = await startCookieServer()
  const other = await startCookieServer()
  const clock: Clock = { now: () => NOW, sleep: async () => undefined }
  using layer = openLayer()
  const cookies = withCookies(layer, home.url, clock)
  const send = async (url: URL, headers: Record<string, string> = {}): Promise<void> => {
    const answer = await cookies.send({ method: "GET", url, headers }, never)
    await answer.read(10)
  }

  await send(home.url)
  await send(new URL("?set=sticky", home.url))
  await send(new URL("?set=foreign", other.url))
  await send(other.url)
  await send(home.url)
  await send(home.url, { cookie: "own=1" })
  await (await layer.send({ method: "GET", url: home.url, headers: {} }, never)).read(10) // as documents and tokens go

  expect(home.seen).toEqual([undefined, undefined, "sticky=sticky-value", "own=1; sticky=sticky-value", undefined])
  expect(other.seen).toEqual([undefined, undefined])
})

test("a cookie that was set for one identity does not go out with another's proof, also when it comes late", async () => {
  const home = await startCookieServer()
  using layer = openLayer()
  const cookies = withCookies(layer, home.url, { now: () => NOW, sleep: async () => undefined })
  const send = async (identity: string | undefined, set = ""): Promise<void> => {
    const answer = await cookies.send({ method: "GET", url: new URL(set && `?set=${set}`, home.url), headers: {}, identity }, never)
    await answer.read(10)
  }

  await send("anna", "a")
  await send("anna")
  await send("bob", "b")
  await send("bob")
  await send("anna")
  await Promise.all([send("anna", "late"), send("bob", "b2")]) // whichever is learnt last: each is the one's own
  await send("bob")

  expect(home.seen.slice(0, 5)).toEqual([undefined, "a=a-value", undefined, "b=b-value", undefined])
  expect(home.seen.at(-1)).toSatisfy((cookie) => cookie === undefined || cookie === "b2=b2-value")
})
