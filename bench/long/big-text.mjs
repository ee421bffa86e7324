/** A long text that both ends can make by themselves, so that each character of an answer can be checked. */
const pieces = new Map()

/** @returns `bytes` characters that only this seed (0 to 99) gives */
export function bigText(seed, bytes) {
  if (!pieces.has(seed)) pieces.set(seed, Array.from({ length: 997 }, (_, at) => ((at * (seed + 7)) % 36).toString(36)).join(""))
  const piece = pieces.get(seed)
  return piece.repeat(Math.ceil(bytes / piece.length)).slice(0, bytes)
}
