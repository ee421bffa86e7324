/** Columns for a person: as wide as their widest cell, two blanks apart; or row by row, where the terminal is narrower than that. */
import { inOneLine } from "../core/redact.ts"

/** @see https://www.unicode.org/reports/tr11/ (East Asian Width): these take two columns of a terminal */
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
const NO_WIDTH = /\p{Mn}|\p{Me}|\p{Cf}/u

/**
 * @param rows - the first one is the heading
 * @param columns - how wide the terminal is; undefined where there is none, and programs cut lines
 */
export function table(rows: readonly (readonly string[])[], columns?: number): string {
  const cells = rows.map((row) => row.map((cell) => inOneLine(cell)))
  const [heading = [], ...body] = cells
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => widthOf(row[column] ?? ""))))
  const wide = widths.reduce((sum, width) => sum + width + 2, -2)
  return columns !== undefined && columns < wide
    ? body.map((row) => block(heading, row)).join("\n\n")
    : cells.map((row) => joinCells(row, widths)).join("\n")
}

const joinCells = (row: readonly string[], widths: readonly number[]): string =>
  row
    .map((cell, column) => padTo(cell, widths[column] ?? 0))
    .join("  ")
    .trimEnd()

/** One row, a line for each cell, with what the heading says of it. */
function block(heading: readonly string[], [first = "", ...cells]: readonly string[]): string {
  const [, ...labels] = heading
  if (labels.length === 1) return `${first}\n  ${cells.join()}`
  const width = Math.max(0, ...labels.map(widthOf))
  return [first, ...cells.map((cell, at) => `  ${padTo(labels[at] ?? "", width)}  ${cell}`)].join("\n")
}

const padTo = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - widthOf(text)))

/** Columns that a text takes on a terminal. */
function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return width
}
