/** How deep a configuration may be nested: whoever walks through one takes a step of the stack for each level. */
import { levelsOf } from "../core/json.ts"

const MOST_LEVELS = 512

/**
 * @param text - JSON without comments
 * @param around - levels that it will stand in
 * @returns why the text cannot be a configuration, as the end of a sentence; undefined when it can
 */
export function nestingProblem(text: string, around = 0): string | undefined {
  return levelsOf(text) + around > MOST_LEVELS ? `it is nested deeper than ${MOST_LEVELS} levels` : undefined
}
