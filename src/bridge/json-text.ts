/**
 * Finds the pieces of a JSON text without changing it: values are cut out as they were written, so that large integers are not
 * rounded and unknown members are not lost. The texts have been through `JSON.parse` before; here nothing is checked again.
 */

const BRACE = 0x7b
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
const opens = (code: number): boolean => code === BRACE || code === 0x5b
const closes = (code: number): boolean => code === 0x7d || code === 0x5d

function skipSpace(text: string, at: number): number {
  let index = at
  while (isSpace(text.charCodeAt(index))) index++
  return index
}

function endOfString(text: string, at: number): number {
  for (let index = at + 1; ; index++) {
    index = text.indexOf('"', index)
    let slashes = 0
    while (text.charCodeAt(index - 1 - slashes) === BACKSLASH) slashes++
    if (slashes % 2 === 0) return index + 1
  }
}

function endOfScalar(text: string, at: number): number {
  let index = at
  for (; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === COMMA || closes(code) || isSpace(code)) break
  }
  return index
}

/** Where the value that begins at `at` ends. A loop, not recursion: depth is the sender's choice. */
function endOfValue(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first === QUOTE) return endOfString(text, at)
  if (!opens(first)) return endOfScalar(text, at)
  let index = at + 1
  for (let depth = 1; depth > 0;) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) index = endOfString(text, index)
    else {
      if (opens(code)) depth++
      else if (closes(code)) depth--
      index++
    }
  }
  return index
}

/** A value of a text as it was written, and where it stands. */
export interface Piece {
  readonly value: string
  readonly start: number
}

/**
 * The members of one object; what is none has none.
 *
 * @param from - where the object begins, perhaps after white space; the outermost one unless said
 * @returns name and untouched text of each member, in order; of a name that stands twice, both
 */
export function* members(text: string, from = 0): Generator<Piece & { readonly name: string }> {
  let at = skipSpace(text, from)
  if (text.charCodeAt(at) !== BRACE) return
  at = skipSpace(text, at + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const nameEnd = endOfString(text, at)
    const name = JSON.parse(text.slice(at, nameEnd)) as string // a JSON string, checked by its quote
    at = skipSpace(text, nameEnd)
    if (text.charCodeAt(at) === COLON) at = skipSpace(text, at + 1)
    const end = endOfValue(text, at)
    yield { name, value: text.slice(at, end), start: at }
    at = skipSpace(text, end)
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
}

/**
 * The elements of one array.
 *
 * @param from - where the array begins, perhaps after white space; the outermost one unless said
 */
export function* elements(text: string, from = 0): Generator<Piece> {
  let at = skipSpace(text, skipSpace(text, from) + 1)
  while (at < text.length && !closes(text.charCodeAt(at))) {
    const end = endOfValue(text, at)
    yield { value: text.slice(at, end), start: at }
    at = skipSpace(text, end)
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
}

/** One member of the object that begins at `from`; the last one counts where a name stands twice, as in `JSON.parse`. */
export function memberPiece(text: string, name: string, from = 0): Piece | undefined {
  let found: Piece | undefined
  for (const member of members(text, from)) if (member.name === name) found = member
  return found
}

/** The untouched text of one member of the outermost object; see `memberPiece`. */
export function memberText(text: string, name: string): string | undefined {
  return memberPiece(text, name)?.value
}

/** The text with another value in the place of one piece; everything around it stays as it was written. */
export function replacePiece(text: string, { value, start }: Piece, by: string): string {
  return `${text.slice(0, start)}${by}${text.slice(start + value.length)}`
}
