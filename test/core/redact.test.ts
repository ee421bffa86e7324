import { randomBytes } from "node:crypto"
import { assert, constantFrom, property, string } from "fast-check"
import { expect, test } from "vitest"
import { createRedactor, escapeControls, quote } from "../../src/core/redact.ts"

const SECRET = "s3cret/token+with=signs"

test.each([
  ["as it is", SECRET],
  ["after its scheme", `Bearer ${SECRET}`],
  ["in base64", Buffer.from(SECRET).toString("base64")],
  ["in base64 with its scheme", Buffer.from(`Bearer ${SECRET}`).toString("base64")],
  ["in base64 within a longer text", Buffer.from(`x: Bearer ${SECRET}, and more`).toString("base64")],
  ["in base64url", Buffer.from(`xy: Bearer ${SECRET}`).toString("base64url")],
  ["percent-encoded", encodeURIComponent(SECRET)],
])("a learned secret is taken out %s", (_, form) => {
  const redactor = createRedactor()
  redactor.learn(`Bearer ${SECRET}`)

  const cleaned = redactor.clean(`before ${form} after`)

  expect(cleaned).toContain("[redacted]")
  expect(cleaned).not.toContain(form)
})

test("of secrets that end by themselves the latest are known, and those that are kept stay for ever", () => {
  const redactor = createRedactor()
  redactor.learn("a-key-that-is-kept")
  const minted = Array.from({ length: 100 }, () => randomBytes(12).toString("hex"))
  for (const token of minted) redactor.learnPassing(`Bearer ${token}`)

  const cleaned = redactor.clean(["a-key-that-is-kept", ...minted].join("\n")).split("\n")

  expect(cleaned[0]).toBe("[redacted]")
  expect(cleaned.at(-1)).toBe("[redacted]")
  expect(cleaned.filter((line) => line === "[redacted]")).toHaveLength(65)
})

test("a secret that ends by itself is known as long as it is used, whatever comes beside it", () => {
  const redactor = createRedactor()
  for (let round = 0; round < 100; round++) {
    redactor.learnPassing("the-secret-of-the-client")
    redactor.learnPassing(randomBytes(12).toString("hex"))
  }

  expect(redactor.clean("the-secret-of-the-client")).toBe("[redacted]")
})

test("what a server sets again and again makes nobody forget a token", () => {
  const redactor = createRedactor()
  redactor.learnPassing("the-token-of-the-client")
  for (let round = 0; round < 100; round++) redactor.learnPassing(`cookie-of-round-${round}`, "session")

  expect(redactor.clean("the-token-of-the-client cookie-of-round-99")).toBe("[redacted] [redacted]")
})

test("a secret that begins or ends with another one is taken out whole", () => {
  const redactor = createRedactor()
  redactor.learn("abcdef")
  redactor.learn("abcdefghij")

  expect(redactor.clean("x abcdefghij y abcdef z")).toBe("x [redacted] y [redacted] z")
})

test.each([
  ["at the end", `the server said: ${SECRET.slice(0, 15)}`],
  ["before the mark of a cut", `the server said: ${SECRET.slice(0, 15)}…`],
  ["after the mark of a cut", `it last wrote: …${SECRET.slice(6)} and went`],
  ["at the end of a line", `first ${SECRET.slice(0, 15)}\nsecond`],
])("the rest of a secret that was cut is taken out %s", (_, text) => {
  const redactor = createRedactor()
  redactor.learn(SECRET)

  const cleaned = redactor.clean(text)

  expect(cleaned).toContain("[redacted]")
  expect(cleaned).not.toContain(SECRET.slice(6, 15))
})

test("short values stay: they would black out ordinary words", () => {
  const redactor = createRedactor()
  redactor.learn("dev")

  expect(redactor.clean("developers")).toBe("developers")
})

test.each([
  ["C0", "\u001b[31m", "\\u001b[31m"],
  ["C1", "\u009b31m", "\\u009b31m"],
  ["bidi", "\u202e", "\\u202e"],
  ["a carriage return", "safe\rfake", "safe\\u000dfake"],
  ["an OSC 8 link", "\u001b]8;;http://evil\u0007", "\\u001b]8;;http://evil\\u0007"],
])("%s controls are shown, and do not act", (_, raw, shown) => {
  expect(escapeControls(raw)).toBe(shown)
})

test("a quote is one short line, whatever it was", () => {
  assert(
    property(string({ unit: "binary" }), constantFrom(10, 200), (text, maxChars) => {
      const quoted = quote(text, maxChars)
      expect(quoted.length).toBeLessThanOrEqual(maxChars + 1)
      for (const steering of ["\n", "\r", "\u001b", "\u009b", "\u202e"]) expect(quoted).not.toContain(steering)
    }),
  )
})
