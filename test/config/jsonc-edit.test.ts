import { assert, boolean, constantFrom, jsonValue, option, property, record, string, tuple, uniqueArray } from "fast-check"
import { expect, test } from "vitest"
import { changeJsonc } from "../../src/config/jsonc-edit.ts"
import { parseJsonc } from "../../src/config/jsonc.ts"

const valueOf = (text: string): unknown => {
  const parsed = parseJsonc(text)
  if ("problem" in parsed) throw new Error(`${parsed.problem} in ${text}`)
  return parsed.value
}

test.each([
  ["{}", '{\n  "a": {\n    "b": 1\n  }\n}'],
  ["{ }\n", '{\n  "a": {\n    "b": 1\n  }\n}\n'],
  ["{ // none yet\n}", '{\n  "a": {\n    "b": 1\n  } // none yet\n}'],
  ['{"x": 1}', '{"x": 1, "a": {"b":1}}'],
  ['{\n    "x": 1\n}', '{\n    "x": 1,\n    "a": {\n        "b": 1\n    }\n}'],
  ['{\n  "x": 1 // mine\n}', '{\n  "x": 1, // mine\n  "a": {\n    "b": 1\n  }\n}'],
  ['{\n  "x": 1, // mine\n  // end\n}', '{\n  "x": 1, // mine\n  "a": {\n    "b": 1\n  },\n  // end\n}'],
  ['{\n  "x": [1,2] /* m */ }', '{\n  "x": [1,2], /* m */\n  "a": {\n    "b": 1\n  } }'],
  ['{\n  "x":   1\n  , "y": 2\n}', '{\n  "x":   1\n  , "y": 2,\n  "a": {\n    "b": 1\n  }\n}'],
  ['{\n  "a": {}\n}', '{\n  "a": {\n    "b": 1\n  }\n}'],
  ['{\n  "a": { "b": [3] } // old\n}', '{\n  "a": { "b": 1 } // old\n}'],
])("setting a.b in %j touches nothing else", (text, expected) => {
  expect(changeJsonc(text, ["a", "b"], 1)).toBe(expected)
})

test.each([
  ['{"a": 1}', "{}"],
  ['{"a": 1, "b": 2}', '{"b": 2}'],
  ['{"b": 2, "a": 1}', '{"b": 2}'],
  ['{ "b": 2, "a": 1 }', '{ "b": 2 }'],
  ['{\n  "b": 2, // two\n  /* about a */\n  "a": 1 // one\n}', '{\n  "b": 2 // two\n  /* about a */\n  // one\n}'],
  ['{\n  "a": 1,\n  "b": 2\n}', '{\n  "b": 2\n}'],
  ['{\n  "b": 2,\n  "a": {\n    "c": "},"\n  },\n}', '{\n  "b": 2,\n}'],
  ['{\r\n  "b": 2,\r\n  "a": 1\r\n}', '{\r\n  "b": 2\r\n}'],
  ['{"b": 2}', '{"b": 2}'],
])("removing a from %j keeps every comment and everything else", (text, expected) => {
  expect(changeJsonc(text, ["a"], undefined)).toBe(expected)
})

test("whatever is set or removed in whatever text, the rest means the same and every comment outside of it stays", () => {
  const key = constantFrom("a", "b", "c", "__proto__", 'q"\\/*', "//")
  const gap = constantFrom("", " ", "\n", "\r\n  ", " // note\n", "/* note */", "\t")
  const member = record({ key, value: jsonValue({ maxDepth: 2 }), gaps: tuple(gap, gap, gap, gap) })
  const change = record({ target: key, value: option(string(), { nil: undefined }) })
  assert(
    property(
      uniqueArray(member, { maxLength: 4, selector: (one) => one.key }),
      boolean(),
      change,
      (members, trailing, { target, value }) => {
        const written = members.map(
          ({ key: name, value: inside, gaps: [a, b, c, d] }) => `${a}${JSON.stringify(name)}${b}:${c}${JSON.stringify(inside)}${d}`,
        )
        const text = `{${written.join(",")}${trailing && members.length > 0 ? "," : ""}\n}`

        const changed = changeJsonc(text, [target], value)

        const others = members.flatMap((one) => (one.key === target ? [] : [[one.key, one.value] as const]))
        expect(sorted(valueOf(changed) as object)).toEqual(
          sorted(Object.fromEntries([...others, ...(value === undefined ? [] : [[target, value]])])),
        )
        const removed = value === undefined ? members.filter((one) => one.key === target).flatMap(({ gaps: [, b, c] }) => [b, c]) : []
        expect(notes(changed)).toBe(notes(text) - notes(removed.join("")) + 1)
      },
    ),
    { numRuns: 500 },
  )
})

const notes = (text: string): number => text.split("note").length

function sorted(value: object): readonly (readonly [string, unknown])[] {
  // What is compared is what stands in the text: -0 is written as 0.
  return Object.entries(JSON.parse(JSON.stringify(value)) as object).toSorted(([a], [b]) => (a < b ? -1 : 1))
}
