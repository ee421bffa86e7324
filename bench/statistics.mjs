/** Medians and paired ratios: on a noisy machine only what was measured side by side is compared. */

/** The value below which the share `q` (0 to 1) of these numbers lies. */
export function quantile(numbers, q) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]
}

/** The middle of these numbers; of an even count, the mean of the two in the middle. */
export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const isNumber = (value) => Number.isFinite(value)

/** The median of one metric over rounds that have it; `undefined` if none has. */
export function medianOf(rounds, metric) {
  const values = rounds.map((round) => round[metric]).filter(isNumber)
  return values.length > 0 ? median(values) : undefined
}

/** How many times the second's value the first's is, pair by pair: the median, the least, the greatest, and how many. */
export function pairedRatio(pairs, metric) {
  const ratios = pairs.map(([ours, theirs]) => ours[metric] / theirs[metric]).filter(isNumber)
  if (ratios.length === 0) return undefined
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios), pairs: ratios.length }
}
