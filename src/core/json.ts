/** JSON that comes from outside: read, and asked for its shape, before anything of it is used. */

/**
 * Reads a text that may be anything.
 *
 * @returns undefined where it is no JSON, which has no such value; the error of `JSON.parse` quotes the text, which may be secret
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // whoever asked says what that means where it stands
  }
}

/** Whether a value is an object of JSON, and no list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** @returns how deep a JSON text is nested, or any text that begins as one. A plain walk: an expression that skips strings takes quadratic time on one that never ends. */
export function levelsOf(text: string): number {
  let deepest = 0
  let level = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '"') inString = !inString
    else if (inString) at += char === "\\" ? 1 : 0
    else if (char === "[" || char === "{") deepest = Math.max(deepest, ++level)
    else if (char === "]" || char === "}") level--
  }
  return deepest
}
