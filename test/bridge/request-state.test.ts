/** The state of our question to a modern client, which comes back with its answer. */
import { expect, test } from "vitest"
import { makeFrame } from "../../src/bridge/frame.ts"
import { requestStates } from "../../src/bridge/sign-in/request-state.ts"
import { systemClock } from "../../src/core/clock.ts"

const MINUTE_MS = 60_000
const ask = (params: object) => makeFrame({ id: 1, method: "tools/call", params: { name: "echo", ...params } })

test("a state is good for a quarter of an hour, and of no use after it", () => {
  let nowMs = 1_000_000_000_000
  const states = requestStates({ ...systemClock, now: () => nowMs })
  const requestState = states.seal(ask({ requestState: "the server's own" }), "url")
  const answer = ask({ requestState, inputResponses: {} })

  nowMs += 15 * MINUTE_MS
  const returned = states.open(answer)
  nowMs += 1

  expect(returned?.request.bytes.toString()).toContain(`"requestState":"the server's own"`)
  expect(() => states.open(answer)).toThrow(
    expect.objectContaining({ diagnosis: expect.objectContaining({ code: "request-state-invalid" }) }),
  )
})
