import { expect, test } from "vitest"
import { systemClock } from "../../src/core/clock.ts"
import { jsonLog } from "../../src/core/log.ts"
import { createRedactor } from "../../src/core/redact.ts"

test("a text of the other side is cut to a thousand characters, and nothing of a secret is left beside the cut", () => {
  const secret = "secret-0123456789abcdef"
  const redactor = createRedactor()
  redactor.learn(secret)
  const lines: string[] = []
  const log = jsonLog((line) => lines.push(line), { clock: systemClock, redactor })

  log.info("answer dropped", { claims: `"${"x".repeat(985)}${secret}${"y".repeat(1_000_000)}"`, to: `"${secret}"`, times: 3 })

  const [line = ""] = lines
  expect(JSON.parse(line)).toMatchObject({ event: "answer dropped", to: '"[redacted]"', times: 3 })
  expect(line.length).toBeLessThan(1_300)
  expect(line).not.toContain(secret.slice(0, 8))
})
