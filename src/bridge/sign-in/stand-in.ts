/** What stands in for a server that was never reached, until a person has signed in (S75). */
import type { Frame } from "../frame.ts"

/** Revisions that open with `initialize`. */
const LEGACY_REVISIONS = new Set(["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
const NEWEST_LEGACY = "2025-11-25"

/**
 * The least that `initialize` can be answered with: all kinds of lists, since nobody knows, and the client will be told of each.
 *
 * @param server - its name
 * @param initialize - of the client; its revision is agreed to if it is one that opens so
 */
export function leastInitialize(server: string, initialize: Frame): object {
  const { params } = JSON.parse(initialize.bytes.toString("utf8")) as { readonly params?: { readonly protocolVersion?: unknown } | null } // a frame is an object
  const asked = params?.protocolVersion
  const changing = { listChanged: true }
  return {
    protocolVersion: typeof asked === "string" && LEGACY_REVISIONS.has(asked) ? asked : NEWEST_LEGACY,
    capabilities: { tools: changing, prompts: changing, resources: changing },
    serverInfo: { name: server, version: "unknown" },
    instructions: `Nobody is signed in to ${server}. Call the tool "authenticate" to sign in; after that the tools of ${server} are there.`,
  }
}

/** A list with nothing in it; for a modern client one that is stale at once. */
export function emptyList(member: string, isModern: boolean): object {
  return { [member]: [], ...(isModern ? { resultType: "complete", ttlMs: 0, cacheScope: "private" } : {}) }
}

const METHOD_NOT_FOUND = -32601

/** Whether a server says that it does not know what it was asked for. */
export function isUnknownMethod(answer: Frame): boolean {
  const { error } = JSON.parse(answer.bytes.toString("utf8")) as { readonly error?: { readonly code?: unknown } | null } // a frame is an object
  return error?.code === METHOD_NOT_FOUND
}
