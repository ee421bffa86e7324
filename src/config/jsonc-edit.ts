/**
 * Changes to JSON with comments that touch nothing else. jsonc-parser's own `modify` formats the neighbours of what it inserts,
 * and drops the comments between what it removes and what stands before it.
 */
import { findNodeAtLocation, type Node, parseTree } from "jsonc-parser"
import type { KeyPath } from "./key-path.ts"

/** What may stand between two pieces of a text that can be parsed; outside of strings, nothing else looks like it. */
const COMMA_AHEAD = /(?:\s|\/\/[^\n]*|\/\*[^]*?\*\/)*,/y
const COMMENTS_IN_LINE = /(?:[ \t]*(?:\/\/[^\r\n]*|\/\*[^\n]*?\*\/))*/y

/**
 * Sets or removes one value of nested objects; objects that are missing on the way are made.
 *
 * @param text - JSON that can be parsed, without a byte order mark
 * @param path - keys of objects: what is there already on the way is an object, and has no two equal keys
 * @param value - undefined removes the key
 * @returns the text; comments, order, indentation and line ends of everything else are as before
 */
export function changeJsonc(text: string, path: KeyPath, value: unknown): string {
  const tree = parseTree(text, [], { allowTrailingComma: true })
  if (tree === undefined) throw new TypeError("text: holds no value")
  const depth = deepestNode(tree, path)
  const node = findNodeAtLocation(tree, path.slice(0, depth)) ?? tree
  const [key, ...missing] = path.slice(depth)
  if (value === undefined) return key === undefined && node.parent ? removeProperty(text, node.parent) : text
  const style = styleOf(text)
  if (key === undefined) return splice(text, [node.offset, node.offset + node.length], print(value, indentAt(text, node.offset), style))
  const whole = missing.reduceRight<unknown>((inside, name) => Object.fromEntries([[name, inside]]), value)
  return insertProperty(text, node, { key: String(key), value: whole, style })
}

/**
 * Gives one key of nested objects another name. Its value, its place and every comment stay.
 *
 * @param text - as for `changeJsonc`
 * @param path - leads to a value of an object, which is there
 */
export function renameJsonc(text: string, path: KeyPath, newKey: string): string {
  const tree = parseTree(text, [], { allowTrailingComma: true })
  const property = tree && findNodeAtLocation(tree, [...path])?.parent
  const key = property?.children?.[0]
  if (property?.type !== "property" || key === undefined) throw new TypeError("path: leads to no key")
  return splice(text, [key.offset, key.offset + key.length], JSON.stringify(newKey))
}

/** How much of a path is there already. */
function deepestNode(tree: Node, path: KeyPath): number {
  let depth = path.length
  while (depth > 0 && findNodeAtLocation(tree, path.slice(0, depth)) === undefined) depth--
  return depth
}

interface Style {
  readonly unit: string
  readonly eol: string
}

interface Property {
  readonly key: string
  readonly value: unknown
  readonly style: Style
}

function insertProperty(text: string, object: Node, { key, value, style }: Property): string {
  const last = object.children?.at(-1)
  const outer = indentAt(text, object.offset)
  if (last === undefined) {
    const inner = outer + style.unit
    const start = object.offset + 1
    const rest = text.slice(start, object.offset + object.length - 1)
    // A comment may be all that stands in it.
    const end = rest.trim() === "" ? start + rest.length : start
    const closing = rest.trim() === "" ? style.eol + outer : ""
    return splice(text, [start, end], `${style.eol}${inner}${JSON.stringify(key)}: ${print(value, inner, style)}${closing}`)
  }

  const end = last.offset + last.length
  const comma = commaAfter(text, end)
  if (!text.slice(object.offset, object.offset + object.length).includes("\n")) {
    return splice(text, [end, end], `, ${JSON.stringify(key)}: ${JSON.stringify(value)}`)
  }
  const inner = isFirstInLine(text, last.offset) ? indentAt(text, last.offset) : outer + style.unit
  // What stands behind the last one in its line, a comment mostly, belongs to it.
  const behind = comma === undefined ? end : comma + 1
  const at = behind + (matchAt(COMMENTS_IN_LINE, text, behind)?.length ?? 0)
  const property = `${style.eol}${inner}${JSON.stringify(key)}: ${print(value, inner, style)}${comma === undefined ? "" : ","}`
  return splice(splice(text, [at, at], property), [end, end], comma === undefined ? "," : "")
}

function removeProperty(text: string, property: Node): string {
  const start = property.offset
  const end = start + property.length
  const siblings = property.parent?.children ?? []
  const before = siblings[siblings.indexOf(property) - 1]
  const comma = commaAfter(text, end)
  if (comma !== undefined) return closeGap(splice(splice(text, [comma, comma + 1], ""), [start, end], ""), start)
  const without = closeGap(splice(text, [start, end], ""), start)
  const former = before && commaAfter(without, before.offset + before.length)
  return former === undefined ? without : splice(without, [former, former + 1], "")
}

/** Takes the blanks away that a removed property leaves, and its line when nothing else stands there. */
function closeGap(text: string, at: number): string {
  const lineStart = text.lastIndexOf("\n", at - 1) + 1
  const lineEnd = text.indexOf("\n", at)
  const [left, right] = [text.slice(lineStart, at), text.slice(at, lineEnd === -1 ? undefined : lineEnd)]
  if (lineEnd !== -1 && left.trim() === "" && right.trim() === "") return splice(text, [lineStart, lineEnd + 1], "")
  const isLast = right.trim() === "" || right.trim().startsWith("}")
  if (isLast) return splice(text, [lineStart + left.trimEnd().length, at], "")
  return splice(text, [at, at + right.length - right.trimStart().length], "")
}

/** @returns where the comma behind a property stands, comments and line ends passed over */
function commaAfter(text: string, end: number): number | undefined {
  const ahead = matchAt(COMMA_AHEAD, text, end)
  return ahead === undefined ? undefined : end + ahead.length - 1
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  const sticky = new RegExp(pattern)
  sticky.lastIndex = at
  return sticky.exec(text)?.[0]
}

const splice = (text: string, [start, end]: readonly [number, number], replacement: string): string =>
  text.slice(0, start) + replacement + text.slice(end)

function styleOf(text: string): Style {
  return { unit: /^([ \t]+)\S/m.exec(text)?.[1] ?? "  ", eol: text.includes("\r\n") ? "\r\n" : "\n" }
}

const print = (value: unknown, indent: string, { unit, eol }: Style): string =>
  JSON.stringify(value, undefined, unit).replaceAll("\n", eol + indent)

function lineBefore(text: string, offset: number): string {
  return text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset)
}

const isFirstInLine = (text: string, offset: number): boolean => lineBefore(text, offset).trim() === ""

const indentAt = (text: string, offset: number): string => /^[ \t]*/.exec(lineBefore(text, offset))?.[0] ?? ""
