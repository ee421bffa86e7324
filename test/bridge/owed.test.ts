/** Which message of one stream belongs to which request, where ids come again and requests are given up. */
import { afterEach, expect, test, vi } from "vitest"
import { makeFrame, readFrame } from "../../src/bridge/frame.ts"
import { owedAnswers } from "../../src/bridge/server/owed.ts"
import { RELEASE_MS } from "../../src/bridge/server/release.ts"

const { signal } = new AbortController()
const call = () => makeFrame({ id: 3, method: "tools/call" })
const answer = (text: string) => readFrame(JSON.stringify({ jsonrpc: "2.0", id: 3, result: { text } }))

function makeTable() {
  const strays: string[] = []
  const settings = {
    receive: () => undefined,
    onStray: (id: string) => void strays.push(id),
    silenceMs: 0,
    onSilent: () => new Error("silent"),
  }
  return { owed: owedAnswers(settings), strays }
}

afterEach(() => {
  vi.useRealTimers()
})

test("a request whose id is in use again is not given up for the cancelled one", async () => {
  vi.useFakeTimers()
  const { owed } = makeTable()
  const heard: string[] = []
  const former = owed.expect(call(), () => undefined, signal)
  owed.release("3")
  await owed.deliver(answer("former"))
  await former

  const later = owed.expect(call(), (frame) => void heard.push(frame.bytes.toString()), signal).then(() => heard.push("end"))
  await vi.advanceTimersByTimeAsync(RELEASE_MS * 2)
  await owed.deliver(answer("later"))
  await later

  expect(heard).toEqual([answer("later").bytes.toString(), "end"])
})

test("what was given up is not waited for: its answer is a stray, and the next of its id gets its own", async () => {
  const { owed, strays } = makeTable()
  const refused = owed.expect(call(), () => undefined, signal)

  owed.fail("3", new Error("the server has refused it"))
  await expect(refused).rejects.toThrow("refused")
  await owed.deliver(answer("late"))

  expect(strays).toEqual(["3"])
})
