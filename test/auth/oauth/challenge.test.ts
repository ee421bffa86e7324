import * as fc from "fast-check"
import { expect, test } from "vitest"
import { findBearer, parseChallenges } from "../../../src/auth/oauth/challenge.ts"

const plain = (header: string | undefined) => parseChallenges(header).map(({ scheme, parameters }) => [scheme, { ...parameters }])

test.each<[string, [string, Record<string, string>][]]>([
  ["Bearer", [["bearer", {}]]],
  ['Bearer realm="x"', [["bearer", { realm: "x" }]]],
  ['bEaReR REALM="x"', [["bearer", { realm: "x" }]]],
  ["Bearer error=invalid_token", [["bearer", { error: "invalid_token" }]]],
  ['Bearer scope="a b", resource_metadata="https://e.x/m"', [["bearer", { scope: "a b", resource_metadata: "https://e.x/m" }]]],
  [
    'Basic realm="r", Bearer scope="a"',
    [
      ["basic", { realm: "r" }],
      ["bearer", { scope: "a" }],
    ],
  ],
  [
    "Negotiate, Bearer scope=a",
    [
      ["negotiate", {}],
      ["bearer", { scope: "a" }],
    ],
  ],
  [
    "Negotiate YII/abc==, Bearer scope=a",
    [
      ["negotiate", {}],
      ["bearer", { scope: "a" }],
    ],
  ],
  [
    'DPoP algs="ES256", Bearer realm="Bearer, x=\\"y\\""',
    [
      ["dpop", { algs: "ES256" }],
      ["bearer", { realm: 'Bearer, x="y"' }],
    ],
  ],
  ['Bearer a = "1" , b=2', [["bearer", { a: "1", b: "2" }]]],
  ['Bearer realm="a" scope="b"', [["bearer", { realm: "a", scope: "b" }]]], // a comma is missing: still readable
  [',, Bearer , ,scope="a",', [["bearer", { scope: "a" }]]],
  ['Bearer scope="first", scope="second"', [["bearer", { scope: "first" }]]],
  ['Bearer scope="never ends', [["bearer", {}]]],
  ["Bearer scope=", [["bearer", {}]]],
  ["Bearer __proto__=x, constructor=y", [["bearer", JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>]]],
  ['="x", Bearer', []],
  ["", []],
])("S30: the challenges of %s", (header, challenges) => {
  expect(plain(header)).toEqual(challenges)
})

test("S30: the Bearer challenge is found wherever it stands, and no answer without one has it", () => {
  expect(findBearer('Basic realm="Bearer", DPoP, Bearer scope="mcp"')?.parameters).toMatchObject({ scope: "mcp" })
  expect(findBearer('Basic realm="Bearer scope=x"')).toBeUndefined()
  expect(findBearer(undefined)).toBeUndefined()
})

test("what is written by the grammar is read back, in any order and number", () => {
  const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/)
  const value = fc.string({ unit: fc.constantFrom(...'abc"\\, =;é') })
  const parameter = fc.tuple(token, value)
  const challenge = fc.record({
    scheme: token,
    parameters: fc.uniqueArray(parameter, { maxLength: 4, selector: ([name]) => name.toLowerCase() }),
  })
  const quoted = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`

  fc.assert(
    fc.property(fc.array(challenge, { maxLength: 5 }), (challenges) => {
      const header = challenges
        .map(({ scheme, parameters }) => `${scheme} ${parameters.map(([name, text]) => `${name}=${quoted(text)}`).join(", ")}`)
        .join(", ")
      const expected = challenges.map(({ scheme, parameters }) => [
        scheme.toLowerCase(),
        Object.fromEntries(parameters.map(([name, text]) => [name.toLowerCase(), text])),
      ])
      expect(plain(header)).toEqual(expected)
    }),
  )
})

test("whatever a server writes there is read without an error, and in bounds", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'Bb=",\\ \t\n;:/a\u0000é'), maxLength: 400 }), (header) => {
      for (const { scheme, parameters } of parseChallenges(header)) {
        expect(scheme).toMatch(/^[!#$%&'*+\-.^_`|~0-9a-z]+$/)
        expect(Object.keys(parameters).length).toBeLessThanOrEqual(64)
      }
    }),
  )
  expect(parseChallenges("a ".repeat(8_000)).length).toBeLessThanOrEqual(16)
  expect(parseChallenges(`Bearer ${"x=1,".repeat(3_000)}`)[0]?.parameters).toEqual(expect.objectContaining({ x: "1" }))
  expect(parseChallenges(`Bearer x="${"\\".repeat(20_000)}"`)).toEqual([])
})
