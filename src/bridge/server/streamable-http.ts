/**
 * A server over Streamable HTTP, revisions 2025-03-26 to 2025-11-25: each message is a POST, its answer is JSON or a stream of
 * events, and one GET stream carries what the server says unasked.
 */
import { limited } from "../../core/abort.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Answer, OutgoingRequest } from "../../core/http.ts"
import type { Log } from "../../core/log.ts"
import { initializeTimeout } from "../diagnoses.ts"
import { type Door, passDoor } from "../door.ts"
import type { Frame } from "../frame.ts"
import { type Link, type OnSent, type Receive, SessionLost } from "../link.ts"
import { deliverAnswer } from "./answer-body.ts"
import { answerRoom } from "./answer-room.ts"
import { listen } from "./get-stream.ts"
import { type Refusal, Refused, deliverRefusal, isSuccess, readRefusal, serverError } from "./refusal.ts"
import { isRepeatable } from "./repeatable.ts"
import type { ResumingWire } from "./wire.ts"

/** One server over Streamable HTTP, and who hears what it says unasked. */
export interface StreamableHttpSettings {
  readonly name: string
  readonly url: URL
  readonly door: Door
  /** Takes what the server says unasked, on the GET stream. */
  readonly receive: Receive
  readonly onSent?: OnSent | undefined
  /** Hears the id of each session, which is a secret (S3). */
  readonly learnSecret?: (id: string) => void
  readonly log: Log
  /** The longest message, in bytes. */
  readonly maxFrameBytes: number
  /** The longest that nothing is heard of a request, in milliseconds; 0 means no limit. The layer below keeps it on a stream of its own. */
  readonly silenceMs?: number
  /** The longest silence on a stream that was taken up again, in milliseconds. */
  readonly resumeSilenceMs?: number
}

/** The first revision in which the client names the negotiated revision on each request (S5). */
const FIRST_NAMED_REVISION = "2025-06-18"
/** Clients give a local server 30 s to answer `initialize`, and do not come back. */
const INITIALIZE_MS = 25_000

/** What a session is: the headers that each of its requests carries. */
type SessionHeaders = Readonly<Record<string, string>>
const NO_SESSION: SessionHeaders = {}
const MESSAGE_HEADERS = { accept: "application/json, text/event-stream", "content-type": "application/json" }

/** Makes the link. Nothing is sent before the first message. */
export function streamableHttpLink(settings: StreamableHttpSettings): Link {
  const { name, url, door, receive: receiveUnasked, onSent, log, maxFrameBytes, resumeSilenceMs = 0 } = settings
  let session = NO_SESSION
  /** Those of a message, with those of the session. */
  let messageHeaders: SessionHeaders = MESSAGE_HEADERS
  let listening = new AbortController()
  let closed = false

  const send = (request: Omit<OutgoingRequest, "url">, signal: AbortSignal): Promise<Answer> =>
    passDoor({ ...request, url, headers: { ...request.headers, ...session } }, door, signal)

  const enter = (headers: SessionHeaders): void => {
    session = headers
    messageHeaders = { ...MESSAGE_HEADERS, ...headers }
  }

  const wire: ResumingWire = {
    origin: url.origin,
    maxFrameBytes,
    resumeSilenceMs,
    room: answerRoom(),
    clock: door.clock,
    log,
    get: ({ lastEventId }, silenceMs, signal, cause) => {
      const resume = lastEventId === undefined ? {} : { "last-event-id": lastEventId }
      return send({ method: "GET", headers: { accept: "text/event-stream", ...resume }, silenceMs, ...(cause && { cause }) }, signal)
    },
  }

  const post = (frame: Frame, signal: AbortSignal): Promise<Answer> =>
    passDoor(
      { method: "POST", url, headers: messageHeaders, body: frame.bytes, repeatable: isRepeatable(frame), cause: frame },
      door,
      signal,
    )

  const listenAnew = (): void => {
    listening.abort()
    if (closed) return
    listening = new AbortController()
    const lasting = { ...wire, room: answerRoom() } // its silence has no limit: where it stops in mid-event, no answer waits for it
    void listen(lasting, receiveUnasked, listening.signal)
  }

  /** Sends `initialize` outside of any session, and learns the new session from its answer (S3). */
  const open = async (frame: Frame, receive: Receive, signal: AbortSignal): Promise<void> => {
    enter(NO_SESSION)
    listening.abort()
    const limit = limited(signal, INITIALIZE_MS)
    try {
      const answer = await post(frame, limit)
      onSent?.(frame)
      // Whether it speaks another era or transport is for whoever stands above (S21).
      if (!isSuccess(answer)) throw new Refused(name, await readRefusal(answer))
      const id = answer.headers["mcp-session-id"]
      if (typeof id === "string") settings.learnSecret?.(id)
      const learn: Receive = (said) => {
        if (said.kind === "response" && said.id === frame.id) enter(sessionHeaders(typeof id === "string" ? id : undefined, said))
        return receive(said)
      }
      await deliverAnswer(answer, { request: frame, receive: learn, wire }, limit)
    } catch (error) {
      throw limit.aborted && !signal.aborted ? new PosternError(initializeTimeout({ server: name, limitMs: INITIALIZE_MS })) : error
    }
  }

  return {
    async exchange(frame, receive, signal) {
      if (frame.kind === "request" && frame.method === "initialize") return open(frame, receive, signal)
      const sentIn = session
      const answer = await post(frame, signal)
      onSent?.(frame)
      if (!isSuccess(answer)) {
        const refusal = await readRefusal(answer)
        if ("mcp-session-id" in sentIn && meansSessionLost(refusal)) {
          throw new SessionLost(name, `answer: HTTP ${answer.status} to a request with a session`)
        }
        return deliverRefusal(frame, refusal, receive, name)
      }
      if (frame.kind === "request") return deliverAnswer(answer, { request: frame, receive, wire }, signal)
      // What is no request is done with its status (202); others wait behind `initialized`, and must not wait for a body.
      answer.discard()
      if (frame.method === "notifications/initialized") listenAnew()
    },

    async close(signal) {
      closed = true
      listening.abort()
      if ("mcp-session-id" in session) {
        try {
          const answer = await send({ method: "DELETE", headers: {} }, signal)
          answer.discard() // 405 is fine: the server ends sessions by itself (S3)
        } catch (error) {
          log.info("session not deleted", { error: error instanceof Error ? error.message : String(error) })
        }
      }
      door.http.close()
    },
  }
}

function sessionHeaders(id: string | undefined, initialized: Frame): SessionHeaders {
  const { result } = JSON.parse(initialized.bytes.toString("utf8")) as { result?: { protocolVersion?: unknown } } // a frame is an object
  const revision = result?.protocolVersion
  return {
    ...(id === undefined ? {} : { "mcp-session-id": id }),
    ...(typeof revision === "string" && /^[\d-]+$/.test(revision) && revision >= FIRST_NAMED_REVISION
      ? { "mcp-protocol-version": revision }
      : {}),
  }
}

/**
 * 404 to a request with a session says it (S3). Many servers say it with 400, as the examples of the official SDK do; there only their
 * words, in an error that belongs to no request, tell it from a request that is wrong.
 */
function meansSessionLost({ status, body }: Refusal): boolean {
  return status === 404 || (status === 400 && /session/i.test(serverError(body, "null") ?? ""))
}
