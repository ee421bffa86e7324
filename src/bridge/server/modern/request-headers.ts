/** The headers of a modern request: they mirror what stands in its body, so that what lies between can route without reading it. */
import type { Frame } from "../../frame.ts"

/** The parts of `params` that are looked at. */
export interface Params {
  readonly name?: unknown
  readonly uri?: unknown
  readonly taskId?: unknown
  readonly arguments?: unknown
  readonly cursor?: unknown
  readonly inputResponses?: unknown
  readonly requestState?: unknown
}

/** Which member names what is asked for, by method: S9, and the extension `io.modelcontextprotocol/tasks` (SEP-2663). */
const NAMED_BY: Readonly<Record<string, "name" | "uri" | "taskId">> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId",
}

/** @returns the parameters of a message; without members where it has none */
export function paramsOf({ bytes }: Frame): Params {
  const { params } = JSON.parse(bytes.toString("utf8")) as { readonly params?: unknown } // a frame is an object
  return typeof params === "object" && params !== null ? params : {}
}

/** The revision, the method and the name of what is asked for, as headers (S8, S9). */
export function requestHeaders({ revision, method }: Frame, params: Params): Readonly<Record<string, string>> {
  const namedBy = Object.hasOwn(NAMED_BY, method) ? NAMED_BY[method] : undefined
  const name = namedBy && params[namedBy]
  return {
    "mcp-protocol-version": headerText(revision),
    "mcp-method": headerText(method),
    ...(typeof name === "string" ? { "mcp-name": headerText(name) } : {}),
  }
}

const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/
const SENTINEL = /^=\?base64\?.*\?=$/

/**
 * A text as the value of a header (S10): as it is where every receiver reads it the same, otherwise in base64 between marks. Nothing
 * that could end the header gets through. An empty text is marked too: some intermediaries drop an empty header.
 */
export function headerText(text: string): string {
  if (PLAIN.test(text) && !SENTINEL.test(text)) return text
  return `=?base64?${Buffer.from(text, "utf8").toString("base64")}?=`
}
