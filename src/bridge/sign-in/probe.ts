/** A request of our own to a server, to see whether it lets us in. */
import { randomUUID } from "node:crypto"
import { type Frame, readFrame } from "../frame.ts"
import { memberText } from "../json-text.ts"
import type { ServerSide } from "../link.ts"

/**
 * Asks for the list of tools, which changes nothing. What comes back does not matter, an error of the server included.
 *
 * @param server - without memory in front of it
 * @param like - a request of the client; a modern one says in its `_meta` what every request has to say (S6)
 * @throws {PosternError} if the server does not let us in, or cannot be reached
 */
export async function probe(server: ServerSide, like: Frame, signal: AbortSignal): Promise<void> {
  const meta = memberText(memberText(like.bytes.toString("utf8"), "params") ?? "{}", "_meta")
  const id = JSON.stringify(`postern-probe-${randomUUID()}`)
  const params = meta === undefined ? "{}" : `{"_meta":${meta}}`
  const request = readFrame(`{"jsonrpc":"2.0","id":${id},"method":"tools/list","params":${params}}`)
  await server.carry(request, () => undefined, signal)
}
