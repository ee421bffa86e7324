/** How long something still lasts, for a person. */

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const

/**
 * @param until - a date
 * @returns the two largest units, for example `1 h 12 min`
 */
export function timeLeft(until: string, nowMs: number): string {
  let leftMs = Date.parse(until) - nowMs
  if (leftMs <= 0) return "none"
  const parts: string[] = []
  for (const [unit, ms] of UNITS) {
    const count = Math.floor(leftMs / ms)
    leftMs -= count * ms
    if (count > 0) parts.push(`${count} ${unit}`)
  }
  return parts.slice(0, 2).join(" ") || "less than a second"
}
