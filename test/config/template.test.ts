import { array, assert, constantFrom, property } from "fast-check"
import { expect, test } from "vitest"
import { parseTemplate, references } from "../../src/config/template.ts"
import { isName } from "../../src/vault/names.ts"

test("a text is taken apart into text, variables, defaults and secrets", () => {
  expect(parseTemplate("a${B}c${D:-e}${vault:f/g}")).toEqual([
    { kind: "text", written: "a" },
    { kind: "variable", written: "${B}", name: "B" },
    { kind: "text", written: "c" },
    { kind: "variable", written: "${D:-e}", name: "D", fallback: "e" },
    { kind: "secret", written: "${vault:f/g}", name: "f/g" },
  ])
})

test.each(["a", "_1", "a:b", "A.b_c-d:e/f@g", "a".repeat(128)])("the secret %s, which the vault takes, can be referred to", (name) => {
  expect(isName(name)).toBe(true)
  expect(parseTemplate(`\${vault:${name}}`)).toMatchObject([{ kind: "secret", name }])
})

test("a default may be empty, and may hold what a shell would treat as special", () => {
  expect(parseTemplate("${A:-}")).toEqual([{ kind: "variable", written: "${A:-}", name: "A", fallback: "" }])
  expect(parseTemplate("${A:-x:-$y z}")).toMatchObject([{ name: "A", fallback: "x:-$y z" }])
})

test.each(["$A", "$(A)", "$", "$$", "{A}", "a}b", "100$ {x}"])("%s is ordinary text", (text) => {
  expect(parseTemplate(text)).toEqual([{ kind: "text", written: text }])
})

test("a second dollar does not escape a reference", () => {
  expect(parseTemplate("$${A}")).toMatchObject([
    { kind: "text", written: "$" },
    { kind: "variable", name: "A" },
  ])
})

test.each([
  "${",
  "${A",
  "${}",
  "${1A}",
  "${A B}",
  "${a-b}",
  "${A:b}",
  "${A:-${B}",
  "${vault:}",
  "${vault:a b}",
  "${vault:a:-b}",
  "${input:key}",
  "${VAULT:x}",
])("%s is broken, and told as it is written", (text) => {
  expect(parseTemplate(`x${text}`)).toEqual([
    { kind: "text", written: "x" },
    { kind: "broken", written: text },
  ])
})

test("the pieces of any text, put together again, are that text", () => {
  assert(
    property(
      array(constantFrom("${", "}", "$", "A", ":-", "vault:", " ", "{", "x")).map((pieces) => pieces.join("")),
      (text) => {
        expect(
          parseTemplate(text)
            .map(({ written }) => written)
            .join(""),
        ).toBe(text)
      },
    ),
  )
})

test("references are named once, and a broken one is none", () => {
  expect(references("${A}${A:-1}${vault:s}${vault:s}${B C}")).toEqual({ variables: ["A"], secrets: ["s"] })
})
