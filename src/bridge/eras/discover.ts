/** `server/discover`: what a modern server is asked for the sake of a legacy client, and what a legacy one answers to it. */
import { type Frame, REVISION_KEY, readFrame } from "../frame.ts"
import { memberText } from "../json-text.ts"
import type { Receive, ServerSide } from "../link.ts"
import { NotModern } from "../server/refusal.ts"
import { MODERN_REVISION, answerEvidence, discoveredRevisions, readError } from "./evidence.ts"

/**
 * Asks a server for its revisions.
 *
 * @param initialize - of the client in whose name it is asked; its `clientInfo` goes along
 * @returns its revisions, perhaps none by name, or undefined where it is no modern server
 * @throws {PosternError} where the answer says nothing about the era: refused proof, a server that is down (S22)
 */
export async function askRevisions(modern: ServerSide, initialize: Frame, signal: AbortSignal): Promise<readonly string[] | undefined> {
  const request = discoverRequest(initialize)
  let answer: Frame | undefined
  const take: Receive = (said) => {
    if (said.kind === "response") answer ??= said
  }
  try {
    await modern.carry(request, take, signal)
  } catch (error) {
    if (error instanceof NotModern) return undefined
    throw error
  }
  if (!answer || answerEvidence(answer, request) !== "modern") return undefined
  const error = memberText(answer.bytes.toString("utf8"), "error")
  return error === undefined ? discoveredRevisions(answer) : (readError(error).supported ?? [])
}

function discoverRequest(initialize: Frame): Frame {
  const info = memberText(memberText(initialize.bytes.toString("utf8"), "params") ?? "{}", "clientInfo")
  const about = info === undefined ? "" : `,"io.modelcontextprotocol/clientInfo":${info}`
  const meta = `{"${REVISION_KEY}":"${MODERN_REVISION}","io.modelcontextprotocol/clientCapabilities":{}${about}}`
  return readFrame(`{"jsonrpc":"2.0","id":"postern:discover","method":"server/discover","params":{"_meta":${meta}}}`)
}

/** The ordinary answer of a server that does not know a method: a client that speaks both eras falls back on it by itself (S27). */
export function methodNotFound({ id }: Frame): Frame {
  return readFrame(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"Method not found"}}`)
}
