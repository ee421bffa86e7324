import { expect, test } from "vitest"
import { withOpening } from "../../../src/bridge/eras/opening.ts"
import { verdicts } from "../../../src/bridge/eras/verdicts.ts"
import { makeFrame } from "../../../src/bridge/frame.ts"
import type { ServerSide } from "../../../src/bridge/link.ts"
import { systemClock } from "../../../src/core/clock.ts"
import { silentLog } from "../../../src/core/log.ts"

const initialize = makeFrame({ id: 1, method: "initialize", params: {} })
const initialized = makeFrame({ method: "notifications/initialized" })
const list = makeFrame({ id: 2, method: "tools/list" })
const { signal } = new AbortController()

/** A side that notes what it carries, and answers `initialize` at once. */
function notingSide(carried: string[]): ServerSide {
  return {
    async carry(frame, receive) {
      carried.push(frame.method)
      if (frame === initialize) await receive(makeFrame({ id: 1, result: {} }))
    },
    close: async () => undefined,
  }
}

test("what is said just when the opening is answered does not overtake what waits behind it", async () => {
  const orders = new Set<string>()
  for (let ticks = 0; ticks < 20; ticks++) {
    const carried: string[] = []
    const opening = withOpening({
      name: "test",
      side: notingSide(carried),
      makeSse: () => Promise.reject(new Error("not asked for")),
      askRevisions: async () => undefined,
      verdicts: verdicts(undefined, systemClock),
      log: silentLog,
    })
    const all = [opening.carry(initialize, () => undefined, signal), opening.carry(initialized, () => undefined, signal)]
    for (let tick = 0; tick < ticks; tick++) await undefined
    all.push(opening.carry(list, () => undefined, signal))
    await Promise.all(all)
    orders.add(carried.join(" "))
  }

  expect([...orders]).toEqual(["initialize notifications/initialized tools/list"])
})
