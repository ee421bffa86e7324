/** What happens when a connection that was kept open has died: sent once more, or told. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import type { OutgoingRequest } from "../../src/core/http.ts"
import { openLayer } from "../harness/ways.ts"

const never = new AbortController().signal

/**
 * A server in a process of its own that answers, and then kills each connection that is kept open: by a reset, or by closing it. It
 * tells over a file when that has happened, so that the test can wait without giving its own event loop a chance to notice.
 */
async function startKiller(how: "resetAndDestroy" | "destroy"): Promise<{ url: URL; waitForKill(): void; seen(): Promise<string[]> }> {
  const folder = mkdtempSync(join(tmpdir(), "postern-killer-"))
  const mark = join(folder, "killed")
  const script = `
    const seen = [], kept = new Set()
    const server = require("http").createServer((request, response) => {
      if (request.url === "/seen") return response.end(JSON.stringify(seen))
      seen.push(request.method + " " + request.url)
      response.end("ok")
      if (seen.length > 1) return
      kept.add(request.socket)
      setTimeout(() => { for (const socket of kept) socket.${how}(); setTimeout(() => require("fs").writeFileSync(${JSON.stringify(mark)}, ""), 50) }, 50)
    }).listen(0, "127.0.0.1", () => console.log(server.address().port))`
  const child: ChildProcess = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] })
  onTestFinished(() => {
    child.kill("SIGKILL")
    rmSync(folder, { recursive: true, force: true })
  })
  const [port] = (await once(child.stdout ?? child, "data")) as [Buffer]
  const url = new URL(`http://127.0.0.1:${Number(port.toString())}/mcp`)
  return {
    url,
    waitForKill() {
      while (!existsSync(mark)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5) // our own event loop stands still
    },
    seen: async () => (await (await fetch(new URL("/seen", url))).json()) as string[],
  }
}

type Sent = Partial<OutgoingRequest>
const CALL: Sent = { method: "POST", body: Buffer.from("{}") }

/** Sends one request, lets the connection die, and sends another. */
async function sendTwice(how: "resetAndDestroy" | "destroy", second: Sent) {
  const server = await startKiller(how)
  const layer = openLayer()
  onTestFinished(() => layer.close())
  const request = { method: "POST" as const, url: server.url, headers: {} }
  const first = await layer.send({ ...request, ...CALL }, never)
  await first.read(10)
  await new Promise((resolve) => setImmediate(resolve)) // the connection goes back to those that are free
  server.waitForKill()
  const sent = layer.send({ ...request, ...second }, never)
  return { server, sent }
}

test.each<[string, Sent]>([
  ["a GET", { method: "GET" }],
  ["what may be repeated", { ...CALL, repeatable: true }],
])("%s is sent once more when the connection that was kept open has been closed", async (_, second) => {
  const { server, sent } = await sendTwice("destroy", second)

  expect((await (await sent).read(10)).toString()).toBe("ok")
  expect(await server.seen()).toEqual(["POST /mcp", `${second.method} /mcp`]) // the second one once: the first try met nobody
})

test.each<[string, Sent]>([
  ["a call", CALL],
  ["a GET that is said not to be repeatable", { method: "GET", repeatable: false }],
])("%s is not sent again by itself when the connection has been closed, and its outcome is told as unknown", async (_, second) => {
  const { server, sent } = await sendTwice("destroy", second)

  await expect(sent).rejects.toMatchObject({ diagnosis: { code: "connection-lost" } })
  expect(await server.seen()).toEqual(["POST /mcp"]) // the trap was reached: it met nobody
})

test("a call of which no byte could leave is sent once more, whatever it is", async () => {
  const { server, sent } = await sendTwice("resetAndDestroy", CALL)

  expect((await (await sent).read(10)).toString()).toBe("ok")
  expect(await server.seen()).toEqual(["POST /mcp", "POST /mcp"])
})

test("a call that is longer than one write is not taken for one that never left", async () => {
  const { server, sent } = await sendTwice("resetAndDestroy", { ...CALL, body: Buffer.alloc(100_000) })

  await expect(sent).rejects.toMatchObject({ diagnosis: { code: "connection-lost" } })
  expect(await server.seen()).toEqual(["POST /mcp"])
})
