/** What a client hears while a request of it waits for a person. */
import { expect, test } from "vitest"
import { makeFrame } from "../../src/bridge/frame.ts"
import type { Receive } from "../../src/bridge/link.ts"
import { waitingRoom } from "../../src/bridge/sign-in/waiting.ts"
import { systemClock } from "../../src/core/clock.ts"

test("progress never goes back, also where one request waits for a second time", async () => {
  const heard: number[] = []
  const receive: Receive = ({ bytes }) => {
    const { params } = JSON.parse(bytes.toString()) as { params: { progress: number } } // what the room said
    heard.push(params.progress)
  }
  const request = makeFrame({ id: 1, method: "tools/call", params: { _meta: { progressToken: "p-1" } } })
  const room = waitingRoom("test", { ...systemClock, sleep: () => new Promise((resolve) => setImmediate(resolve)) })
  const waiter = { request, receive, signal: new AbortController().signal }
  const waitFor = (count: number): Promise<void> =>
    room.wait(waiter, async () => expect.poll(() => heard.length).toBeGreaterThanOrEqual(count))

  await waitFor(3)
  await waitFor(heard.length + 3)

  expect(heard.filter((progress, index) => progress <= (heard[index - 1] ?? 0))).toEqual([])
  expect(heard.at(-1)).toBeLessThan(0.001) // there is room for what the server says later
})
