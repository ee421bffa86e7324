/**
 * JSON as people write it: comments, trailing commas. Loaded only where `JSON.parse` is not enough (start-up: most files are
 * plain JSON, and need neither a position nor an edit).
 */
import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode, stripComments } from "jsonc-parser"
import type { Position } from "./diagnoses.ts"
import type { KeyPath } from "./key-path.ts"
import { nestingProblem } from "./nesting.ts"

/** A text that is no JSON, and where it stops being it, if that is one place. */
export interface Unparsable {
  readonly at?: Position
  readonly problem: string
}

const WORDS: Readonly<Record<string, string>> = {
  CloseBraceExpected: "a } is missing",
  CloseBracketExpected: "a ] is missing",
  ColonExpected: "a : is missing",
  CommaExpected: "a comma is missing",
  EndOfFileExpected: "there is more text after the end",
  PropertyNameExpected: "a key in double quotes is missing",
  UnexpectedEndOfComment: "a comment does not end",
  UnexpectedEndOfString: "a text does not end",
  ValueExpected: "a value is missing",
}

/**
 * Reads JSON with comments and trailing commas.
 *
 * @param text - without a byte order mark
 */
export function parseJsonc(text: string): { readonly value: unknown } | Unparsable {
  if (text.trim() === "") return { at: { line: 1, column: 1 }, problem: "it is empty" }
  const tooDeep = nestingProblem(stripComments(text))
  if (tooDeep !== undefined) return { problem: tooDeep }
  const errors: ParseError[] = []
  const tree = parseTree(text, errors, { allowTrailingComma: true })
  const [first] = errors
  if (first !== undefined || tree === undefined) return { at: positionAt(text, first?.offset ?? 0), problem: inWords(first) }
  return { value: toValue(tree) }
}

/** @returns where a value stands, or the nearest thing around it that does */
export function locate(text: string, path: KeyPath): Position | undefined {
  const tree = parseTree(text, [], { allowTrailingComma: true })
  if (tree === undefined) return undefined
  for (let length = path.length; length >= 0; length--) {
    const node = findNodeAtLocation(tree, path.slice(0, length))
    if (node !== undefined) return positionAt(text, node.offset)
  }
  return undefined
}

/** @returns keys that stand more than once in the object at `path`, each with the place of its last copy */
export function repeatedKeys(text: string, path: KeyPath): readonly { readonly key: string; readonly at: Position }[] {
  const tree = parseTree(text, [], { allowTrailingComma: true })
  const node = tree && findNodeAtLocation(tree, [...path])
  const seen = new Set<string>()
  return (node?.children ?? []).flatMap(({ children }) => {
    const name = children?.[0]
    if (name === undefined || seen.size !== seen.add(String(name.value)).size) return []
    return [{ key: String(name.value), at: positionAt(text, name.offset) }]
  })
}

function inWords(error: ParseError | undefined): string {
  const words = error && WORDS[printParseErrorCode(error.error)]
  return words ?? "something in it is no JSON"
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf("\n") + 1
  return { line: before.split("\n").length, column: offset - lineStart + 1 }
}

/** As `JSON.parse` would have it: a key named `__proto__` is a key, and the last of two equal keys counts. */
function toValue(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(toValue)
  if (node.type !== "object") return node.value
  return Object.fromEntries(
    (node.children ?? []).flatMap(({ children }) => {
      const [name, value] = children ?? []
      return name === undefined || value === undefined ? [] : [[String(name.value), toValue(value)] as const]
    }),
  )
}
