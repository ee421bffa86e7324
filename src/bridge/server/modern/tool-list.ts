/** Asks for the list of tools by ourselves, where a call comes before any list has passed: a client may call out of its own cache. */
import { type Frame, readFrame } from "../../frame.ts"
import { memberText, members } from "../../json-text.ts"
import type { Receive } from "../../link.ts"

/** A server that always names a next page must not keep a call for ever. */
const MOST_PAGES = 100
/** For the whole list, in milliseconds: a call waits for it. */
const LIMIT_MS = 10_000

/** What of the call's `_meta` says who asks, and in which revision; the rest of it belongs to the call alone (S6). */
const WHO_ASKS: ReadonlySet<string> = new Set(
  ["protocolVersion", "clientInfo", "clientCapabilities"].map((name) => `io.modelcontextprotocol/${name}`),
)

/** Sends one request of ours, and gives its answer to `receive`. */
export type Ask = (frame: Frame, receive: Receive, signal: AbortSignal) => Promise<unknown>

/**
 * Asks for all pages of the list. Whoever sends them learns from them.
 *
 * @param call - in whose name: the list may differ by revision and capabilities
 * @param newId - makes ids that no request of the client has, as JSON text
 * @throws {PosternError} if a page could not be had
 */
export async function askForTools(call: Frame, { ask, newId }: { readonly ask: Ask; readonly newId: () => string }): Promise<void> {
  const limit = AbortSignal.timeout(LIMIT_MS)
  let cursor: string | undefined
  for (let page = 0; page < MOST_PAGES; page++) {
    let answer: Frame | undefined
    const take: Receive = (said) => {
      if (said.kind === "response") answer ??= said
    }
    await ask(listRequest(call, newId(), cursor), take, limit)
    const next = answer && nextCursor(answer)
    if (next === undefined || next === cursor) return
    cursor = next
  }
}

function listRequest(call: Frame, id: string, cursor: string | undefined): Frame {
  const meta = memberText(memberText(call.bytes.toString("utf8"), "params") ?? "{}", "_meta") ?? "{}"
  const kept = Array.from(members(meta))
    .filter(({ name }) => WHO_ASKS.has(name))
    .map(({ name, value }) => `${JSON.stringify(name)}:${value}`)
  const at = cursor === undefined ? "" : `"cursor":${cursor},`
  return readFrame(`{"jsonrpc":"2.0","id":${id},"method":"tools/list","params":{${at}"_meta":{${kept.join(",")}}}}`)
}

/** @returns the cursor as JSON text */
function nextCursor(answer: Frame): string | undefined {
  const next = memberText(memberText(answer.bytes.toString("utf8"), "result") ?? "{}", "nextCursor")
  return next === undefined || next === "null" ? undefined : next
}
