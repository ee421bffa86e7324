/** What changes between two texts, line by line, as a person reads it. */

/**
 * @returns each line with its mark: two blanks for what stays, `+` and `-` for what comes and goes; by the longest common sequence
 */
export function lineDifference(before: string, after: string): readonly string[] {
  const [old, fresh] = [before.split("\n"), after.split("\n")]
  // common[i][j]: how many lines the rest of `old` from i and the rest of `fresh` from j have in common
  const common = Array.from({ length: old.length + 1 }, () => Array.from({ length: fresh.length + 1 }, () => 0))
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      const row = common[i]
      if (row !== undefined) row[j] = old[i] === fresh[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const lines: string[] = []
  for (let i = 0, j = 0; i < old.length || j < fresh.length;) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      lines.push(`  ${old[i++]}`)
      j++
    } else if (j >= fresh.length || (i < old.length && at(i + 1, j) >= at(i, j + 1))) lines.push(`- ${old[i++]}`)
    else lines.push(`+ ${fresh[j++]}`)
  }
  return lines
}
