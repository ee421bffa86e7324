/** Approving a project file: by its owner who has just written it, or by a person who has just been shown it. */
import type { Server } from "../config/server.ts"
import { readTextFile } from "../core/read-file.ts"
import type { Context } from "./context.ts"

/** Whether nothing in the file waits for an approval: it is not there yet, or it is approved as it is. */
export async function isNewOrApproved(file: string, { places, clock }: Context): Promise<boolean> {
  if ((await readTextFile(file)) === undefined) return true
  const { openTrustStore } = await import("../config/trust.ts")
  return openTrustStore(places.trust, clock).isTrusted(file)
}

/** Remembers the file as it is now. */
export async function approveAsItIs(file: string, { places, clock, signal }: Context): Promise<void> {
  const { openTrustStore } = await import("../config/trust.ts")
  const { describeProject } = await import("../config/describe.ts")
  const { digest } = await describeProject(file)
  await openTrustStore(places.trust, clock).approve(file, digest, signal)
}

/**
 * Changes the file of a server. Whoever may change an approved project file has not made it a stranger's, so it is approved again as
 * it then is; one that nobody has approved stays so.
 */
export async function keepApproval<Result>(
  { scope, file }: Pick<Server, "scope" | "file">,
  context: Context,
  change: () => Promise<Result>,
): Promise<Result> {
  const mayApprove = scope === "project" && (await isNewOrApproved(file, context))
  const result = await change()
  if (mayApprove) await approveAsItIs(file, context)
  return result
}
