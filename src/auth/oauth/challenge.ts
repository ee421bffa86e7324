/**
 * `WWW-Authenticate`, read as RFC 9110 section 11.6.1 writes it: several challenges in one line, parameters in any order, quoted
 * texts, and tokens of 68 characters, which look like a parameter.
 *
 * The header is a server's to fill, so the reader looks at each character once, and stops at a bound (S30; a regular expression
 * would be a weapon: CVE-2026-0621).
 */

/** One challenge of a server. */
export interface Challenge {
  /** In lower case: `bearer`, `basic`, `dpop`. */
  readonly scheme: string
  /** Names in lower case. The first of a name counts. */
  readonly parameters: Readonly<Record<string, string>>
}

/** A longer header is no challenge, in characters. Node.js refuses 16 KiB of headers as a whole before that. */
const MOST_CHARS = 16 * 1024
const MOST_CHALLENGES = 16
const MOST_PARAMETERS = 64

/** RFC 9110 section 5.6.2. */
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/
/** RFC 9110 section 11.2, without the `=` at the end. */
const TOKEN68 = /[A-Za-z0-9\-._~+/]/

/**
 * Reads all challenges of an answer.
 *
 * @param header - as `node:http` joins several lines: with a comma between them; undefined if there is none
 * @returns what could be read, in order; what is broken ends the reading, and what came before it counts
 */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  if (header === undefined || header.length > MOST_CHARS) return []
  const reader = readerOf(header)
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  let parameterCount = 0

  while (challenges.length <= MOST_CHALLENGES && parameterCount < MOST_PARAMETERS) {
    reader.skipSeparators()
    const name = reader.take(TOKEN)
    if (name === "") break
    const parameter = reader.readValue()
    const current = challenges.at(-1)
    if (parameter === undefined) {
      challenges.push({ scheme: name.toLowerCase(), parameters: Object.create(null) as Record<string, string> })
      reader.skipToken68()
    } else if (current === undefined || parameter === "broken") {
      break
    } else {
      parameterCount++
      current.parameters[name.toLowerCase()] ??= parameter.value
    }
  }
  return challenges.slice(0, MOST_CHALLENGES)
}

/** @returns the challenge that an OAuth token answers, wherever it stands */
export function findBearer(header: string | undefined): Challenge | undefined {
  return parseChallenges(header).find(({ scheme }) => scheme === "bearer")
}

interface Reader {
  skipSeparators(): void
  /** The characters of this kind that come next. */
  take(kind: RegExp): string
  /** What comes after a name: undefined if the name was a scheme and no parameter follows it by `=`. */
  readValue(): { readonly value: string } | "broken" | undefined
  /** After a scheme: a token of 68 characters, which is no parameter. */
  skipToken68(): void
}

function readerOf(text: string): Reader {
  let at = 0
  const skipBlanks = (): void => {
    while (text[at] === " " || text[at] === "\t") at++
  }
  const take = (kind: RegExp): string => {
    const start = at
    while (at < text.length && kind.test(text.charAt(at))) at++
    return text.slice(start, at)
  }
  const readQuoted = (): { readonly value: string } | "broken" => {
    let value = ""
    for (at++; at < text.length; at++) {
      if (text[at] === '"') {
        at++
        return { value }
      }
      if (text[at] === "\\") at++
      value += text[at] ?? ""
    }
    return "broken"
  }

  return {
    take,
    skipSeparators() {
      while (text[at] === " " || text[at] === "\t" || text[at] === ",") at++
    },
    readValue() {
      const start = at
      skipBlanks()
      if (text[at] !== "=") {
        at = start
        return undefined
      }
      at++
      skipBlanks()
      if (text[at] === '"') return readQuoted()
      const value = take(TOKEN)
      return value === "" ? "broken" : { value }
    },
    skipToken68() {
      const start = at
      skipBlanks()
      const token = take(TOKEN68)
      while (text[at] === "=") at++
      skipBlanks()
      // A parameter's name can be made of the same characters; only what ends the challenge here is a token.
      if (token === "" || (at < text.length && text[at] !== ",")) at = start
    },
  }
}
