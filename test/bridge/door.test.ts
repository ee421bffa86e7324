import http from "node:http"
import type { AddressInfo } from "node:net"
import { expect, test } from "vitest"
import type { Authenticator } from "../../src/auth/method.ts"
import { passDoor } from "../../src/bridge/door.ts"
import type { Clock } from "../../src/core/clock.ts"
import { type OutgoingRequest, createHttp } from "../../src/core/http.ts"

interface Seen {
  readonly path: string
  readonly method: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** A server that answers as the test says, and remembers what it saw. */
async function startServer(answer: (seen: Seen, count: number) => { status: number; headers?: http.OutgoingHttpHeaders; body?: string }) {
  const seen: Seen[] = []
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const one = {
        path: request.url ?? "",
        method: request.method ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      }
      seen.push(one)
      const { status, headers = {}, body = "" } = answer(one, seen.length)
      response.writeHead(status, headers).end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    seen,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** How many connections are open. */
    connections: () =>
      new Promise<number>((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count)))),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Counts its proofs, so that a test sees that each sending was authorised anew. */
function countingAuthenticator(advice: "retry" | "denied" = "denied"): Authenticator {
  let proofs = 0
  const identity = { subject: "test", source: "test" }
  return {
    authorize: async (request) => ({ ...request, headers: { ...request.headers, "x-proof": `secret-${++proofs}` } }),
    recover: async () => ({ advice, diagnosis: { code: "refused", cause: "Refused.", evidence: [], kind: "failed" } }),
    identity: async () => identity,
    signIn: async () => identity,
    signOut: async () => undefined,
  }
}

const waits: number[] = []
const countingClock: Clock = {
  now: () => Date.parse("2026-01-01T00:00:00Z"),
  sleep: async (ms) => void waits.push(ms),
}

interface Passing {
  readonly accepted?: (request: OutgoingRequest) => void
  readonly advice?: "retry" | "denied"
  readonly signal?: AbortSignal
  readonly clock?: Clock
}

const pass = (url: string, { advice, signal = new AbortController().signal, clock = countingClock, accepted }: Passing = {}) => {
  const authenticator = { ...countingAuthenticator(advice), ...(accepted ? { accepted } : {}) }
  const door = { http: createHttp({ silenceMs: 10_000, connectMs: 5_000 }), authenticator, clock }
  return passDoor(
    { method: "POST", url: new URL(url), headers: { "x-org": "org-888" }, body: Buffer.from('{"secret":"body"}') },
    door,
    signal,
  )
}

test.each([301, 302, 307, 308])("a %i to the same origin is followed with method and body, and authorised anew", async (status) => {
  await using server = await startServer(({ path }) =>
    path === "/a" ? { status, headers: { location: "/b?x=1" } } : { status: 200, body: "here" },
  )

  const answer = await pass(`${server.origin}/a`)

  expect((await answer.read(100)).toString()).toBe("here")
  expect(server.seen.map(({ path, method, body, headers }) => [path, method, body, headers["x-proof"]])).toEqual([
    ["/a", "POST", '{"secret":"body"}', "secret-1"],
    ["/b?x=1", "POST", '{"secret":"body"}', "secret-2"],
  ])
})

test.each([301, 302, 307, 308])("a %i to another origin is refused, and neither headers nor body go there", async (status) => {
  await using stranger = await startServer(() => ({ status: 200 }))
  await using server = await startServer(() => ({ status, headers: { location: `${stranger.origin}/steal` } }))

  const answer = pass(`${server.origin}/a`)

  await expect(answer).rejects.toMatchObject({
    diagnosis: { code: "redirect-refused", kind: "guard", evidence: [expect.anything(), "nothing was sent there"] },
  })
  expect(server.seen).toHaveLength(1) // the trap was reached
  expect(stranger.seen).toEqual([])
})

test("the authenticator hears which proofs the server took, and of no other answer", async () => {
  const statuses = [307, 401, 503, 200]
  await using server = await startServer((_, count) => ({
    status: statuses[count - 1] ?? 500,
    headers: { location: "/b", ...(count === 3 ? { "retry-after": "1" } : {}) },
  }))
  const accepted: unknown[] = []

  await pass(`${server.origin}/a`, { advice: "retry", accepted: ({ headers }) => void accepted.push(headers["x-proof"]) })
  await pass(`${server.origin}/a`) // 500

  expect(server.seen).toHaveLength(5) // the trap was reached
  expect(accepted).toEqual(["secret-4"])
})

test("redirects in a circle end", async () => {
  await using server = await startServer(() => ({ status: 307, headers: { location: "/a" } }))

  await expect(pass(`${server.origin}/a`)).rejects.toMatchObject({
    diagnosis: { code: "redirect-refused", evidence: ['address (not a link): "/a"', "nothing more was sent"] },
  })
  expect(server.seen).toHaveLength(6)
})

test("a redirect to the same origin with a user name in it is refused", async () => {
  await using server = await startServer(({ path }) =>
    path === "/a" ? { status: 307, headers: { location: server.origin.replace("://", "://anna:secret@") } } : { status: 200 },
  )

  await expect(pass(`${server.origin}/a`)).rejects.toMatchObject({ diagnosis: { code: "redirect-refused" } })
  expect(server.seen.map(({ path }) => path)).toEqual(["/a"]) // the trap was reached, and nothing followed
})

test("a 303 asks for another method, so it is an answer, and the message is not sent there", async () => {
  await using server = await startServer(() => ({ status: 303, headers: { location: "/b" } }))

  const answer = await pass(`${server.origin}/a`)

  expect(answer.status).toBe(303)
  expect(server.seen.map(({ path }) => path)).toEqual(["/a"])
})

test.each(["http://user:pass@127.0.0.1/", "http://[", "javascript:alert(1)", "//evil.example/"])(
  "a redirect to %s is refused",
  async (location) => {
    await using server = await startServer(() => ({ status: 302, headers: { location } }))

    await expect(pass(`${server.origin}/a`)).rejects.toMatchObject({ diagnosis: { code: "redirect-refused" } })
    expect(server.seen).toHaveLength(1)
  },
)

test.each([
  [429, "2", 2_000],
  [503, "0", 0],
  [503, "Thu, 01 Jan 2026 00:00:07 GMT", 7_000],
])("a %i with Retry-After: %s is waited out, and sent once more", async (status, retryAfter, waitMs) => {
  waits.length = 0
  await using server = await startServer((_, count) => (count === 1 ? { status, headers: { "retry-after": retryAfter } } : { status: 200 }))

  const answer = await pass(`${server.origin}/a`)

  expect(answer.status).toBe(200)
  expect(waits).toEqual([waitMs])
  expect(server.seen.map(({ headers }) => headers["x-proof"])).toEqual(["secret-1", "secret-2"])
})

test.each([
  [429, "3600"],
  [503, "soon"],
  [503, undefined],
])("a %i with Retry-After: %s is an answer, and not waited for", async (status, retryAfter) => {
  await using server = await startServer(() => ({ status, headers: retryAfter === undefined ? {} : { "retry-after": retryAfter } }))

  const answer = await pass(`${server.origin}/a`)

  expect(answer.status).toBe(status)
  expect(server.seen).toHaveLength(1)
})

test("a server that asks to wait again and again is waited for once", async () => {
  await using server = await startServer(() => ({ status: 503, headers: { "retry-after": "0" } }))

  expect((await pass(`${server.origin}/a`)).status).toBe(503)
  expect(server.seen).toHaveLength(2)
})

test("an answer that asks to wait holds no connection meanwhile", async () => {
  await using server = await startServer((_, count) =>
    count === 1 ? { status: 503, headers: { "retry-after": "30" }, body: "x".repeat(1_000_000) } : { status: 200, body: "here" },
  )
  const connections: number[] = []
  const sleep = async (): Promise<void> => {
    connections.push(await server.connections())
    await expect.poll(server.connections).toBe(0)
  }

  const answer = await pass(server.origin, { clock: { ...countingClock, sleep } })

  expect(connections).toHaveLength(1) // it was waited out
  expect((await answer.read(100)).toString()).toBe("here")
})

test("a refused proof is sent once more where the authenticator has a new one, and never a third time", async () => {
  await using server = await startServer(() => ({ status: 401, body: "the key \u001b[31mexpired" }))

  const answer = pass(`${server.origin}/a`, { advice: "retry" })

  await expect(answer).rejects.toMatchObject({ diagnosis: { code: "refused", evidence: ["the server said: the key \\u001b[31mexpired"] } })
  expect(server.seen.map(({ headers }) => headers["x-proof"])).toEqual(["secret-1", "secret-2"])
})

test("a refused proof that cannot be mended is sent once", async () => {
  await using server = await startServer(() => ({ status: 403 }))

  await expect(pass(`${server.origin}/a`)).rejects.toMatchObject({ diagnosis: { code: "refused" } })
  expect(server.seen).toHaveLength(1)
})
