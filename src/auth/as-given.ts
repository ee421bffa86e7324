/** Faults in what somebody has given just now, on the command line or at a prompt. */
import { type Diagnosis, PosternError } from "../core/diagnosis.ts"

/**
 * Tells a fault as one of what was given: no file is wrong, nothing was sent, and the next step is to give it better.
 *
 * @param diagnosis - as a file with this fault would get it
 * @param facts - what there is to know, without the value: it may be a secret
 */
export function asGiven(diagnosis: Diagnosis, facts: { readonly evidence: readonly string[]; readonly next?: string }): PosternError {
  const { evidence, next = "give it again, corrected" } = facts
  return new PosternError({ ...diagnosis, kind: "usage", evidence: [...evidence, "nothing was changed"], next })
}
