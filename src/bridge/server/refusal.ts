/** An HTTP answer that is no success, and the server's own JSON-RPC error that it may hold (S2). */
import { PosternError } from "../../core/diagnosis.ts"
import type { Answer } from "../../core/http.ts"
import { serverRefused, tooManyRequests } from "../diagnoses.ts"
import { type Frame, NotAMessage, readFrame, readFrames } from "../frame.ts"
import { memberText } from "../json-text.ts"
import type { Receive } from "../link.ts"

/** Longest body of a refusal, in bytes. */
const MOST_REFUSAL_BYTES = 1024 * 1024

/** What the server answered. */
export interface Refusal extends Pick<Answer, "status" | "headers"> {
  readonly body: Buffer
}

/** Thrown where a refusal is not told with the server's own JSON-RPC error: `server-refused` or `too-many-requests`, with what it was made from. */
export class Refused extends PosternError {
  readonly refusal: Refusal

  constructor(server: string, refusal: Refusal) {
    const { status, headers } = refusal
    const said = refusal.body.toString("utf8")
    super(status === 429 ? tooManyRequests({ server, retryAfter: headers["retry-after"], said }) : serverRefused({ server, status, said }))
    this.refusal = refusal
  }
}

/** The server has not understood a modern request, and nothing before has shown that it ever does (S21). */
export class NotModern extends Refused {}

/** Whether the status is 2xx; a redirect is none. */
export const isSuccess = (answer: Answer): boolean => answer.status >= 200 && answer.status < 300

/** Reads the body as far as it comes soon; the status is the fact. */
export async function readRefusal(answer: Answer): Promise<Refusal> {
  return { status: answer.status, headers: answer.headers, body: await answer.readBriefly(MOST_REFUSAL_BYTES) }
}

/**
 * An answer that is no success may still hold the server's own JSON-RPC error, perhaps without an id (S2): the client gets the
 * server's words under the id of its request.
 *
 * @throws {Refused} if it holds none, or nobody asked
 */
export async function deliverRefusal(request: Frame, refusal: Refusal, receive: Receive, server: string): Promise<void> {
  const error = serverError(refusal.body, request.id)
  if (error === undefined || request.kind !== "request") throw new Refused(server, refusal)
  await receive(readFrame(`{"jsonrpc":"2.0","id":${request.id},"error":${error}}`))
}

/** The untouched text of the JSON-RPC error in a body, if it is for this request or for none. */
export function serverError(body: Buffer, id: string): string | undefined {
  try {
    const [frame] = readFrames(body)
    if (frame?.kind !== "response" || (frame.id !== id && frame.id !== "null")) return undefined
    return memberText(frame.bytes.toString("utf8"), "error")
  } catch (error) {
    if (error instanceof NotAMessage) return undefined
    throw error
  }
}
