/** A secret as a word of the command line is refused: the shell's history keeps it, and the process list shows it. */
import { PosternError } from "../core/diagnosis.ts"
import { usageWrong } from "./diagnoses.ts"

/**
 * @param word - what stands where `-` could stand; never repeated, since it may be the secret
 * @param instead - the command that reads it from standard input
 */
export function refuseTyped(word: string | undefined, instead: string): void {
  if (word === undefined || word === "-") return
  const problem = "A secret is not taken as a word of the command line: what was typed there may now stand in the shell's history."
  throw new PosternError(usageWrong({ problem, help: instead }))
}
