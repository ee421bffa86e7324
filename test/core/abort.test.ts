import { getEventListeners } from "node:events"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, test } from "vitest"
import { following, limited } from "../../src/core/abort.ts"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void // what the flag exposes

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test("a limit comes though garbage is collected meanwhile, and it shows that it was the limit", async () => {
  const { signal } = new AbortController()
  let heard = 0

  limited(signal, 60).addEventListener("abort", () => heard++)
  await after(20)
  collectGarbage()
  await after(100)

  expect(heard).toBe(1)
  expect(signal.aborted).toBe(false)
})

test("a limited signal aborts with the other one, for its reason", () => {
  const other = new AbortController()
  const limit = limited(other.signal, 60_000)

  other.abort(new Error("no more"))

  expect(limit.reason).toEqual(new Error("no more"))
})

test("what follows a signal aborts with it, also if that was before, and leaves no listener", () => {
  const other = new AbortController()
  const [one, disposed] = [following(other.signal), following(other.signal)]
  disposed[Symbol.dispose]()

  const reason = new Error("no more")
  other.abort(reason)

  expect([one.signal.reason, following(other.signal).signal.reason]).toEqual([reason, reason])
  expect(disposed.signal.aborted).toBe(false)
  expect(getEventListeners(other.signal, "abort")).toHaveLength(0)
})
