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
