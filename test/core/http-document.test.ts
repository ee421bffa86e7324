import http from "node:http"
import type { AddressInfo } from "node:net"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { expect, onTestFinished, test, vi } from "vitest"
import { createHttp } from "../../src/core/http.ts"
import { type HttpDocument, fetchDocument } from "../../src/core/http-document.ts"

const never = new AbortController().signal
const MEBIBYTE = 1024 * 1024

/** @returns what fetching from a server that answers so gives, and what the server has seen */
async function serve(answer: http.RequestListener): Promise<{ seen: string[]; fetch(signal?: AbortSignal): Promise<HttpDocument> }> {
  const seen: string[] = []
  const server = http.createServer((request, response) => {
    seen.push(request.url ?? "")
    answer(request, response)
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/doc`)
  const layer = createHttp({ silenceMs: 60_000, connectMs: 5_000 })
  onTestFinished(() => layer.close())
  return { seen, fetch: (signal = never) => fetchDocument(layer, { method: "GET", url, headers: { accept: "application/json" } }, signal) }
}

test("a document comes back parsed, with its status and headers", async () => {
  const { fetch } = await serve((_, response) => response.writeHead(404, { "x-a": "1" }).end('{"issuer":"https://a.example"}'))

  expect(await fetch()).toMatchObject({ status: 404, headers: { "x-a": "1" }, json: { issuer: "https://a.example" } })
})

test.each(["<html>Sign in</html>", "", '{"a":', "[".repeat(10)])(
  "a body that is no JSON (%s) gives undefined, and is no failure",
  async (body) => {
    const { fetch } = await serve((_, response) => response.end(body))

    expect(await fetch()).toMatchObject({ status: 200, json: undefined })
  },
)

test.each([301, 302, 303, 307, 308])("a %i is an answer, and is not followed", async (status) => {
  const { seen, fetch } = await serve((_, response) => response.writeHead(status, { location: "/other" }).end("{}"))

  expect(await fetch()).toMatchObject({ status, json: {} })
  expect(seen).toEqual(["/doc"])
})

test("a document of one mebibyte is read, and a byte more is the limit", async () => {
  const text = (bytes: number): string => `"${"a".repeat(bytes - 2)}"`
  const whole = await serve((_, response) => response.end(text(MEBIBYTE)))
  const more = await serve((_, response) => response.end(text(MEBIBYTE + 1)))

  expect((await whole.fetch()).json).toHaveLength(MEBIBYTE - 2)
  await expect(more.fetch()).rejects.toMatchObject({ diagnosis: { code: "answer-too-large" } })
  expect(more.seen).toHaveLength(1)
})

test.each([
  ["gzip", gzipSync(Buffer.alloc(200 * MEBIBYTE))],
  ["br", brotliCompressSync(Buffer.alloc(200 * MEBIBYTE))],
])("a %s bomb is counted as it unfolds, and ends at the limit", async (encoding, bomb) => {
  const { seen, fetch } = await serve((_, response) => response.writeHead(200, { "content-encoding": encoding }).end(bomb))
  expect(bomb.length).toBeLessThan(MEBIBYTE) // as it comes over the wire it would pass

  await expect(fetch()).rejects.toMatchObject({ diagnosis: { code: "answer-too-large" } })
  expect(seen).toHaveLength(1)
})

test("a document without an end ends at the limit", async () => {
  let sent = 0
  const { fetch } = await serve((_, response) => {
    const more = (): void => {
      sent += 65_536
      if (!response.destroyed) response.write(Buffer.alloc(65_536, 32), more)
    }
    more()
  })

  await expect(fetch()).rejects.toMatchObject({ diagnosis: { code: "answer-too-large" } })
  expect(sent).toBeGreaterThan(MEBIBYTE)
})

test("a document that drips is given up after ten seconds in total, though no byte was late", async () => {
  const limits: number[] = []
  const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    limits.push(ms)
    const controller = new AbortController()
    setTimeout(() => controller.abort(new DOMException("over", "TimeoutError")), ms / 20)
    return controller.signal
  })
  onTestFinished(() => timeout.mockRestore())
  let drips = 0
  const { fetch } = await serve((_, response) => {
    const drip = setInterval(() => response.write(" ", () => drips++), 20)
    response.on("close", () => clearInterval(drip))
  })

  await expect(fetch()).rejects.toMatchObject({ diagnosis: { code: "answer-too-slow" } })
  expect(limits).toEqual([10_000])
  expect(drips).toBeGreaterThan(3)
})

test("who asks may stop it, and hears the reason", async () => {
  const stop = new AbortController()
  const reason = new Error("not wanted any more")
  const { fetch } = await serve(() => stop.abort(reason))

  await expect(fetch(stop.signal)).rejects.toBe(reason)
})

test("64 levels are read, and one more is refused before anything walks through it; brackets in texts do not count", async () => {
  const nested = (levels: number): string => `${"[".repeat(levels)}${"]".repeat(levels)}`
  const bodies = [nested(64), nested(65), `{"a":${"[".repeat(500_000)}`, JSON.stringify({ text: '[{"\\"'.repeat(1000) })]
  const { fetch } = await serve((_, response) => response.end(bodies.shift()))

  expect((await fetch()).status).toBe(200)
  await expect(fetch()).rejects.toMatchObject({ diagnosis: { code: "answer-too-deep" } })
  await expect(fetch()).rejects.toMatchObject({ diagnosis: { code: "answer-too-deep" } })
  expect((await fetch()).json).toEqual({ text: '[{"\\"'.repeat(1000) })
})
