/** Which messages may be sent again when nobody knows whether the server has run them (S17). */
import type { Frame } from "../frame.ts"

/** Requests that change nothing at the server, or the same once more. `tools/call` is never among them: only the client can decide that. */
const REQUESTS: ReadonlySet<string> = new Set([
  "initialize",
  "server/discover",
  "ping",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "prompts/get",
  "completion/complete",
  "logging/setLevel",
])

/** @returns whether a second delivery does no harm; that of a notification never does, an answer's might */
export function isRepeatable({ kind, method }: Frame): boolean {
  return kind === "notification" || (kind === "request" && REQUESTS.has(method))
}
