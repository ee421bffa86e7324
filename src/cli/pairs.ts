/** Options and words that come again and again, most of them as NAME=VALUE. */

/** For commander: adds one more to those before it. */
export const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

/** @returns name and value, or undefined where it is no NAME=VALUE; the value may hold further equals signs */
export function splitPair(text: string): readonly [string, string] | undefined {
  const at = text.indexOf("=")
  return at < 1 ? undefined : [text.slice(0, at), text.slice(at + 1)]
}
