/**
 * JSON as people write it: comments, trailing commas. Loaded only where `JSON.parse` is not enough (start-up: most files are
 * plain JSON, and need neither a position nor an edit).
 */
import { type Node, type ParseError, parseTree, printParseErrorCode, stripComments } from "jsonc-parser"
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
  if (first !== undefined || tree === undefined) return { at: positionAt(lineStarts(text), first?.offset ?? 0), problem: inWords(first) }
  return { value: toValue(tree) }
}

/** Where things stand in a text that can be parsed. It is parsed once, however many places are asked for. */
export interface TextPlaces {
  /** @returns where a value stands, or the nearest thing around it that does */
  locate(path: KeyPath): Position | undefined
  /** @returns keys that stand more than once in one object, each with the place of its last copy */
  repeatedKeys(): readonly { readonly path: KeyPath; readonly at: Position }[]
}

/** @param text - without a byte order mark */
export function placesOf(text: string): TextPlaces {
  const tree = parseTree(text, [], { allowTrailingComma: true })
  const lines = lineStarts(text)
  const known = new Map<Node, ReadonlyMap<string | number, Node>>()
  /** A stranger's file may have thousands of wrong keys in one object: none of them is searched for. */
  const membersOf = (node: Node): ReadonlyMap<string | number, Node> => {
    const members = known.get(node) ?? new Map(membersIn(node).map(({ key, value }) => [key, value]))
    known.set(node, members)
    return members
  }
  const nodeAt = (path: KeyPath): Node | undefined => path.reduce((node, key) => node && membersOf(node).get(key), tree)

  return {
    locate(path) {
      for (let length = path.length; length >= 0; length--) {
        const node = nodeAt(path.slice(0, length))
        if (node !== undefined) return positionAt(lines, node.offset)
      }
      return undefined
    },
    repeatedKeys: () =>
      (tree === undefined ? [] : repeatedBelow(tree, [])).map(({ path, offset }) => ({ path, at: positionAt(lines, offset) })),
  }
}

function repeatedBelow(node: Node, path: KeyPath): readonly { readonly path: KeyPath; readonly offset: number }[] {
  const seen = new Set<string | number>()
  return membersIn(node).flatMap(({ key, value, offset }) => {
    const here = [...path, key]
    const repeated = seen.size === seen.add(key).size ? [{ path: here, offset }] : []
    return [...repeated, ...repeatedBelow(value, here)]
  })
}

/** What stands in an object or a list, in its order. `offset` is where the key begins, if there is one. */
function membersIn({ type, children = [] }: Node): readonly { key: string | number; value: Node; offset: number }[] {
  if (type === "array") return children.map((value, key) => ({ key, value, offset: value.offset }))
  if (type !== "object") return []
  return children.flatMap(({ children: [name, value] = [] }) =>
    name === undefined || value === undefined ? [] : [{ key: String(name.value), value, offset: name.offset }],
  )
}

function inWords(error: ParseError | undefined): string {
  const words = error && WORDS[printParseErrorCode(error.error)]
  return words ?? "something in it is no JSON"
}

function lineStarts(text: string): readonly number[] {
  return [0, ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1)]
}

function positionAt(lines: readonly number[], offset: number): Position {
  const line = lines.findLastIndex((start) => start <= offset)
  return { line: line + 1, column: offset - (lines[line] ?? 0) + 1 }
}

/** As `JSON.parse` would have it: a key named `__proto__` is a key, and the last of two equal keys counts. */
function toValue(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(toValue)
  if (node.type !== "object") return node.value
  return Object.fromEntries(membersIn(node).map(({ key, value }) => [key, toValue(value)]))
}
