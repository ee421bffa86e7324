/** How a command ends: not before its result was taken, and at once when it is told to. */
import { PassThrough, Readable, Writable } from "node:stream"
import { expect, test, vi } from "vitest"
import type { Process } from "../../src/cli/context.ts"
import { main } from "../../src/cli/main.ts"
import { systemClock } from "../../src/core/clock.ts"

/** A reader that takes nothing until it is told to, as a pager does that waits for a key. */
function pager(): { readonly stdout: Writable; readonly waits: () => Promise<void>; read(): void } {
  const waiting: (() => void)[] = []
  let reads = false
  const stdout = new Writable({ write: (_chunk, _encoding, done) => void (reads ? done() : waiting.push(done)) })
  const read = (): void => {
    reads = true
    for (const done of waiting) done()
  }
  return { stdout, waits: () => vi.waitFor(() => expect(waiting).toHaveLength(1)), read }
}

function processWith(stdout: Writable, signal: AbortSignal): Process {
  const [stdin, stderr] = [Readable.from([]), new PassThrough()]
  return { argv: ["--version"], env: { HOME: "/nowhere" }, cwd: "/", stdin, stdout, stderr, signal, clock: systemClock, version: "1.2.3" }
}

test("a command does not end before a reader that takes its time has all of the result", async ({ signal }) => {
  const { stdout, waits, read } = pager()
  const seen: string[] = []

  const ended = main(processWith(stdout, signal)).then((code) => seen.push(`ended with ${code}`))
  await waits()
  seen.push("read")
  read()
  await ended

  expect(seen).toEqual(["read", "ended with 0"])
})

test("a command whose result nobody takes ends when it is told to, and has failed", async () => {
  const { stdout, waits } = pager()
  const end = new AbortController()

  const ended = main(processWith(stdout, end.signal))
  await waits()
  end.abort()

  expect(await ended).toBe(1)
})
