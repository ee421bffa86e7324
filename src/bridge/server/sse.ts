/**
 * A server over the HTTP+SSE transport of revision 2024-11-05: one GET stream carries everything that the server says; its first
 * event names the address that messages are sent to (S1).
 */
import { orAborted, limited } from "../../core/abort.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { connectionLost, serverSilent } from "../../core/http-failures.ts"
import { inTurn } from "../../core/in-turn.ts"
import type { Log } from "../../core/log.ts"
import { endpointRefused, initializeTimeout } from "../diagnoses.ts"
import { type Door, passDoor } from "../door.ts"
import { type Frame, cancelledId } from "../frame.ts"
import { type Link, type OnSent, type Receive, SessionLost } from "../link.ts"
import { type StreamEvent, newCursor, readEvents } from "./events.ts"
import { type OwedAnswers, owedAnswers } from "./owed.ts"
import { Refused, isSuccess, readRefusal } from "./refusal.ts"
import { isRepeatable } from "./repeatable.ts"
import { framesOf, isEventStream } from "./wire.ts"

/** One server of the HTTP+SSE transport, and who hears what it says. */
export interface SseSettings {
  readonly name: string
  /** The address of the stream. */
  readonly url: URL
  readonly door: Door
  /** Takes what the server says for no request of ours. */
  readonly receive: Receive
  readonly onSent?: OnSent | undefined
  readonly log: Log
  /** The longest that nothing is heard of a request, in milliseconds; 0, or left out, means no limit. */
  readonly silenceMs?: number
  /** The longest message, in bytes. */
  readonly maxFrameBytes: number
}

/** Clients give a local server 30 s to answer `initialize`, and do not come back. */
const INITIALIZE_MS = 25_000

/** One stream, and what hangs on it. */
interface Stream {
  readonly events: AsyncGenerator<StreamEvent, void, undefined>
  /** Where messages are sent to. */
  readonly endpoint: URL
  readonly owed: OwedAnswers
  readonly abort: AbortController
  over: boolean
}

/** Makes the link. The stream is opened by the first `initialize`; when it breaks, the session is over, and what was asked is lost. */
export function sseLink(settings: SseSettings): Link {
  let stream: Stream | undefined
  let closed = false
  const opening = inTurn()

  const end = (): void => {
    stream?.abort.abort(
      new PosternError(connectionLost({ origin: settings.url.origin, code: "closed", detail: "the bridge closed the stream" })),
    )
  }

  const reopen = async (signal: AbortSignal): Promise<void> => {
    end()
    if (closed) return
    stream = await openStream(settings, signal)
    void hear(stream, settings)
    if (closed) end()
  }

  return {
    async exchange(frame, receive, signal) {
      if (frame.kind === "request" && frame.method === "initialize") await opening(() => reopen(signal))
      if (!stream || stream.over) throw new SessionLost(settings.name, "its stream has ended")
      await converse(stream, frame, receive, { settings, signal })
    },
    async close() {
      closed = true
      end()
      settings.door.http.close()
    },
  }
}

async function openStream(
  { name, url, door, receive, log, silenceMs = 0, maxFrameBytes }: SseSettings,
  signal: AbortSignal,
): Promise<Stream> {
  const abort = new AbortController()
  const limit = limited(signal, INITIALIZE_MS)
  const opening = async (): Promise<Stream> => {
    const answer = await passDoor({ method: "GET", url, headers: { accept: "text/event-stream" }, silenceMs: 0 }, door, abort.signal)
    if (answer.status !== 200 || !isEventStream(answer)) throw new Refused(name, await readRefusal(answer))
    const events = readEvents(answer.stream(), newCursor(), maxFrameBytes, url.origin)
    const { value: first } = await events.next()
    const owed = owedAnswers({
      receive,
      onStray: (id) => log.info("answer dropped", { server: name, claims: id }),
      silenceMs,
      onSilent: () => new PosternError(serverSilent({ origin: url.origin, silenceMs })),
    })
    return { events, endpoint: endpointOf(first ?? undefined, url, name), owed, abort, over: false }
  }
  try {
    return await orAborted(opening(), limit)
  } catch (error) {
    abort.abort(error)
    throw limit.aborted && !signal.aborted ? new PosternError(initializeTimeout({ server: name, limitMs: INITIALIZE_MS })) : error
  }
}

/** The address comes from the server: our headers and messages go to its own origin only (S1). */
function endpointOf(first: StreamEvent | undefined, url: URL, server: string): URL {
  const refuse = (why: string): PosternError => new PosternError(endpointRefused({ server, why }))
  if (first?.type !== "endpoint") throw refuse("its stream does not begin with an endpoint event")
  if (!URL.canParse(first.data, url.href)) throw refuse("what it names is not an address")
  const endpoint = new URL(first.data, url)
  if (endpoint.origin !== url.origin) throw refuse("it names another origin")
  return endpoint
}

/** Gives what the server says to whom it belongs, until the stream ends. */
async function hear(stream: Stream, { url, log }: SseSettings): Promise<void> {
  let failure = new PosternError(connectionLost({ origin: url.origin, code: "end of stream", detail: "the server closed its stream" }))
  try {
    for await (const { type, data } of stream.events) {
      if (type !== "message") continue
      for (const frame of framesOf(data, "text/event-stream", url)) await stream.owed.deliver(frame)
    }
  } catch (error) {
    if (error instanceof PosternError) failure = error
    else log.error("stream failed", { error: String(error) })
  }
  stream.over = true
  stream.owed.failAll(failure)
}

async function converse(
  { endpoint, owed }: Stream,
  frame: Frame,
  receive: Receive,
  { settings, signal }: { readonly settings: SseSettings; readonly signal: AbortSignal },
): Promise<void> {
  const answered = frame.kind === "request" ? owed.expect(frame, receive, signal) : undefined
  const sent = send(endpoint, frame, settings, signal)
  if (frame.method === "notifications/cancelled") owed.release(cancelledId(frame))
  // The answer may come on the stream before the server has confirmed the POST; a refused POST has no answer to wait for.
  if (answered) sent.catch((error: Error) => owed.fail(frame.id, error))
  await Promise.all([answered, sent])
}

async function send(endpoint: URL, frame: Frame, { name, door, onSent }: SseSettings, signal: AbortSignal): Promise<void> {
  const message = { headers: { "content-type": "application/json" }, body: frame.bytes, repeatable: isRepeatable(frame), cause: frame }
  const answer = await passDoor({ method: "POST", url: endpoint, ...message }, door, signal)
  onSent?.(frame)
  if (answer.status === 404) {
    answer.discard()
    throw new SessionLost(name, "answer: HTTP 404 to a message")
  }
  if (!isSuccess(answer)) throw new Refused(name, await readRefusal(answer))
  answer.discard()
}
