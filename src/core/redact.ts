/** One exit for text: what a person or a log sees passes here first. */

import type { Diagnosis } from "./diagnosis.ts"

/** Knows the values of secrets, not only their names: a server may echo them in any place. */
export interface Redactor {
  /** Remembers a secret, so that it never stands in what Postern itself writes. */
  learn(secret: string): void
  /**
   * Remembers a secret that ends by itself, such as a token that a command mints. Of each kind only the latest are known, so that a
   * bridge that lives for months does not grow.
   *
   * @param kind - `session`: what a server set itself. It may do so with each answer, and must not make us forget a token by that
   */
  learnPassing(secret: string, kind?: "token" | "session"): void
  /** @returns the text without learned secrets, and otherwise as it is: for a text that is whole, and goes to a program */
  redact(text: string): string
  /** @returns the text without learned secrets, also in part where it was cut, and without characters that steer a terminal */
  clean(text: string): string
}

/** Shorter values would black out ordinary words. */
const SHORTEST_SECRET = 6

/**
 * C0 (but tab and line feed), DEL, C1, and the bidi controls: they hide text, forge links and change titles
 * (CVE-2024-52005 class). Shown as escapes.
 */
// oxlint-disable-next-line no-control-regex -- these characters are what it is about
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** @returns the text with control characters shown as `\u001b`, so that none of them acts on a terminal */
export function escapeControls(text: string): string {
  return text.replace(STEERING, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
}

/** @returns the text as `escapeControls` has it, and on one line: a line break in a name could pretend to be the next line */
export function inOneLine(text: string): string {
  return escapeControls(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t")
}

/**
 * Makes text from outside fit for a diagnosis: escaped, on one line, cut.
 *
 * @param text - anything a server or a file said
 * @param maxChars - where to cut, in characters
 */
export function quote(text: string, maxChars = 200): string {
  const line = escapeControls(text.slice(0, maxChars * 2))
    .replace(/\s+/g, " ")
    .trim()
  return line.length > maxChars ? `${line.slice(0, maxChars)}…` : line
}

/** Makes a refused address fit for a diagnosis: quoted, and with gaps, since a terminal or a client would offer it as a link. */
export function quoteAddress(address: string): string {
  return `address (not a link): "${quote(address).replace(":", ": ").replaceAll("://", ": //")}"`
}

/** @returns the diagnosis, each text of it as the redactor's `clean` leaves it: what a server said may stand in it */
export function cleanDiagnosis(diagnosis: Diagnosis, clean: Redactor["clean"]): Diagnosis {
  const { cause, evidence, next } = diagnosis
  return { ...diagnosis, cause: clean(cause), evidence: evidence.map(clean), ...(next === undefined ? {} : { next: clean(next) }) }
}

/** Of secrets that end by themselves, so many of the latest are known: what a server echoes is young. */
const MOST_PASSING = 64

/** A redactor that has learned nothing yet. It keeps each secret also in its base64 and percent forms. */
export function createRedactor(): Redactor {
  const kept = new Map<string, readonly string[]>()
  /** The oldest first. */
  const passing = { token: new Map<string, readonly string[]>(), session: new Map<string, readonly string[]>() }
  /** Longest first: a secret that begins with another one is taken out whole. Undefined once more was learned. */
  let forms: readonly string[] | undefined

  const learnInto = (known: Map<string, readonly string[]>, secret: string): void => {
    if (secret.length < SHORTEST_SECRET || kept.has(secret)) return
    const present = known.get(secret)
    known.delete(secret) // what is still in use is young again
    known.set(secret, present ?? formsOf(secret))
    if (present === undefined) forms = undefined
  }

  const sortForms = (): readonly string[] => {
    const all = new Set([kept, passing.token, passing.session].flatMap((known) => [...known.values()].flat()))
    return [...all].toSorted((one, other) => other.length - one.length)
  }

  return {
    learn: (secret) => learnInto(kept, secret),
    learnPassing(secret, kind = "token") {
      const known = passing[kind]
      learnInto(known, secret)
      const [oldest] = known.keys()
      if (known.size > MOST_PASSING && oldest !== undefined) known.delete(oldest)
    },
    redact(text) {
      forms ??= sortForms()
      return forms.reduce((rest, form) => rest.replaceAll(form, "[redacted]"), text)
    },
    clean(text) {
      let cleaned = text
      forms ??= sortForms()
      for (const form of forms) cleaned = withoutRests(form, cleaned.replaceAll(form, "[redacted]"))
      return escapeControls(cleaned)
    },
  }
}

/** A secret as it may stand in a text. The token of `Bearer token` is the secret too, also where a server echoes it alone. */
function formsOf(secret: string): readonly string[] {
  const bare = /^\S+\s+(\S.*)$/.exec(secret)?.[1]
  const own = [secret, encodeURIComponent(secret), ...base64Forms(secret)]
  return bare === undefined || bare.length < SHORTEST_SECRET ? own : [...own, ...formsOf(bare)]
}

/** Stands where something was cut off. */
const CUT = "…"
/** A shorter rest of a secret tells next to nothing, and may be an ordinary word. */
const SHORTEST_REST = 8

/** A quote is cut before it comes here, so a secret may stand at the end of a line or beside the mark of a cut without its rest. */
function withoutRests(form: string, text: string): string {
  const cleanPiece = (piece: string, index: number, pieces: readonly string[]): string => {
    const begun = index > 0 ? withoutSuffixAtStart(form, piece) : piece
    return index < pieces.length - 1 || pieces.length === 1 ? withoutPrefixAtEnd(form, begun) : begun
  }
  const cleanLine = (line: string): string => line.split(CUT).map(cleanPiece).join(CUT)
  return text.split("\n").map(cleanLine).join("\n")
}

function withoutPrefixAtEnd(form: string, text: string): string {
  for (let length = Math.min(form.length - 1, text.length); length >= SHORTEST_REST; length--) {
    if (text.endsWith(form.slice(0, length))) return `${text.slice(0, -length)}[redacted]`
  }
  return text
}

function withoutSuffixAtStart(form: string, text: string): string {
  for (let length = Math.min(form.length - 1, text.length); length >= SHORTEST_REST; length--) {
    if (text.startsWith(form.slice(-length))) return `[redacted]${text.slice(length)}`
  }
  return text
}

/** How a secret looks inside of a longer text that was encoded: it begins at one of three offsets within a group of three bytes. */
function base64Forms(secret: string): readonly string[] {
  return [0, 1, 2].flatMap((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)])
    // What shares a character with its neighbours is left out.
    const from = Math.ceil((offset * 8) / 6)
    const inner = bytes.toString("base64").slice(from, Math.floor((bytes.length * 8) / 6))
    return inner.length < SHORTEST_SECRET ? [] : [inner, inner.replaceAll("+", "-").replaceAll("/", "_")]
  })
}
