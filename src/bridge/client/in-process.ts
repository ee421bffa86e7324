/** A client in this process: what `call`, `tools` and the library speak with, through the same relay as any other client. */
import { orAborted } from "../../core/abort.ts"
import { type Diagnosis, PosternError, defineDiagnosis } from "../../core/diagnosis.ts"
import { isObject, parseJson } from "../../core/json.ts"
import { type Redactor, cleanDiagnosis, quote } from "../../core/redact.ts"
import { withResolvers } from "../../core/with-resolvers.ts"
import { type Frame, NotAMessage, makeFrame, readFrame, readFrames } from "../frame.ts"
import { memberText } from "../json-text.ts"
import type { ClientListener, ClientSide } from "./client-side.ts"

/** The revision that is asked for; the server may answer with an older one. */
const REVISION = "2025-11-25"

/** The server's own refusal, as code on this side of the bridge gets it; a client on a pipe gets the server's own bytes. */
export const serverError = defineDiagnosis({
  code: "server-error",
  about: "The server answered with a JSON-RPC error of its own. Identity is not the question: the server understood who asks.",
  tell: ({ method, code, message }: { method: string; code: string; message: string }) => ({
    cause: `The server answered ${quote(method, 60)} with error ${quote(code, 60)}.`,
    evidence: [quote(message, 1000)],
  }),
})

/** The bridge was closed by code on this side. */
export const bridgeClosed = defineDiagnosis({
  code: "bridge-closed",
  about: "Code asked something of a bridge that it had closed before, or that had ended by its signal. Nothing was sent.",
  tell: ({ method }: { method: string }) => ({
    cause: `The bridge is closed; ${quote(method, 60)} was not sent.`,
    evidence: [],
    next: "open another one: openBridge(NAME)",
  }),
})

/** A request or a notification of the server. */
export interface ServerMessage {
  readonly method: string
  readonly params: Readonly<Record<string, unknown>> | undefined
}

/** Who the client is, and what it hears beside the answers to its requests. */
export interface InProcessSettings {
  /** How the client calls itself. */
  readonly clientInfo: { readonly name: string; readonly version: string }
  /** What the server may ask of this client, as `initialize` declares it, for example `{ roots: {} }`; nothing unless said. */
  readonly capabilities?: Readonly<Record<string, unknown>>
  /** Hears what has no id: progress, log messages, changed lists. What it throws is an uncaught exception of the process, not of the bridge. */
  onNotification?(notification: ServerMessage): void
  /**
   * Answers what the server asks (sampling, elicitation, roots); without it the server is told that this client cannot be asked.
   *
   * @returns the result; what it throws is answered as an error, and so is a result that JSON cannot hold
   */
  onRequest?(request: ServerMessage): unknown
}

/** The client's own end of it. */
export interface InProcessClient {
  readonly side: ClientSide
  /** Opens the session. @returns the result of `initialize` */
  initialize(signal: AbortSignal): Promise<unknown>
  /**
   * Asks the server.
   *
   * @param signal - gives up; the server is told that the answer is not wanted any more
   * @returns the result, as the server sent it
   * @throws {PosternError} Postern's diagnosis, or `server-error` with the server's own words
   * @throws {TypeError} for a method that is no text, and parameters that are no object; nothing is sent then
   */
  request(method: string, params: unknown, signal: AbortSignal): Promise<unknown>
  /**
   * As `request`, with parameters and result as JSON texts, which go as they are written: no number of theirs is rounded.
   *
   * @throws {NotAMessage} if `params` is no object of JSON
   */
  requestText(method: string, params: string, signal: AbortSignal): Promise<string>
  /** Tells the server something that has no answer. */
  notify(method: string, params?: unknown): Promise<void>
  /** Hangs up. */
  end(): void
}

/**
 * Makes a client; its `side` goes into a bridge.
 *
 * @param clean - the redactor's exit for text (`Redactor.clean`): a server may repeat in its errors what it was sent
 */
export function inProcessClient(settings: InProcessSettings, clean: Redactor["clean"]): InProcessClient {
  const { clientInfo, capabilities = {}, onNotification } = settings
  const waiting = new Map<string, (answer: Said) => void>()
  let lastId = 0
  let closed = false
  // The bridge reads its configuration before it listens; what is said earlier would be heard by nobody.
  const { promise: opened, resolve: open } = withResolvers<ClientListener>()

  const say = async (frame: Frame): Promise<void> => {
    const listener = await opened
    if (closed) throw new PosternError(bridgeClosed({ method: frame.method }))
    await listener.onFrame(frame)
  }

  /** @param params - as JSON text */
  const ask = async (method: string, params: string | undefined, signal: AbortSignal): Promise<Said> => {
    signal.throwIfAborted() // a call that nobody wants any more must not be run
    const id = ++lastId
    const answered = new Promise<Said>((resolve) => waiting.set(String(id), resolve))
    try {
      const asked = say(makeRequest(id, method, params)).then(() => answered)
      return checked(method, await orAborted(asked, signal), clean)
    } catch (error) {
      if (signal.aborted && method !== "initialize") sayIfOpen(makeFrame({ method: "notifications/cancelled", params: { requestId: id } }))
      throw error
    } finally {
      waiting.delete(String(id))
    }
  }

  const request = async (method: string, params: unknown, signal: AbortSignal): Promise<unknown> => {
    checkMessage(method, params)
    return (await ask(method, JSON.stringify(params), signal)).message.result
  }

  /** Nobody waits for it, and there may be nobody left to hear it. */
  const sayIfOpen = (frame: Frame): void => void say(frame).catch(() => undefined)

  const hear = (bytes: Buffer, diagnosis?: Diagnosis): void => {
    const text = bytes.toString("utf8")
    const message = JSON.parse(text) as Said["message"] & Partial<ServerMessage> & { id?: unknown } // the relay writes messages only
    const { method, params } = message
    if (method === undefined) return waiting.get(String(message.id))?.({ message, text, diagnosis })
    if (message.id === undefined) return queueMicrotask(() => onNotification?.({ method, params }))
    const [frame] = readFrames(bytes) // it knows the id as it is written
    if (frame) void answerTo(frame.id, { method, params }, settings).then(sayIfOpen)
  }

  return {
    side: {
      open,
      write: hear,
      async close() {
        closed = true
      },
    },
    request,
    async requestText(method, params, signal) {
      // What is more than one object would add members to the message: another id, and its answer would be nobody's.
      const read = parseJson(params)
      if (!isObject(read)) throw new NotAMessage("params: no object of JSON")
      checkMessage(method, read)
      return memberText((await ask(method, params, signal)).text, "result") ?? "null"
    },
    async notify(method, params) {
      checkMessage(method, params)
      await say(makeFrame({ method, params }))
    },
    async initialize(signal) {
      const result = await request("initialize", { protocolVersion: REVISION, capabilities, clientInfo }, signal)
      await say(makeFrame({ method: "notifications/initialized" }))
      return result
    },
    end: () => void opened.then((listener) => listener.onEnd("closed")),
  }
}

/**
 * Answers a request of the server.
 *
 * @param id - as JSON text: a server's large integers are not rounded
 * @returns an error where there is no result, or none that JSON can hold
 */
async function answerTo(id: string, request: ServerMessage, { onRequest }: InProcessSettings): Promise<Frame> {
  const answer = (outcome: object): Frame => readFrame(`{"jsonrpc":"2.0","id":${id},${JSON.stringify(outcome).slice(1)}`)
  if (request.method === "ping") return answer({ result: {} })
  if (onRequest === undefined) return answer({ error: { code: -32601, message: "this client cannot be asked" } })
  try {
    return answer({ result: (await onRequest(request)) ?? {} })
  } catch (error) {
    return answer({ error: { code: -32603, message: error instanceof Error ? error.message : String(error) } })
  }
}

/** Whoever writes JavaScript may give anything. */
function checkMessage(method: unknown, params: unknown): void {
  if (typeof method !== "string" || method === "") throw new TypeError("method: not the name of a method")
  if (params !== undefined && !isObject(params)) throw new TypeError("params: not an object")
}

/** A request whose parameters, if there are any, come as JSON text. */
function makeRequest(id: number, method: string, params: string | undefined): Frame {
  const rest = params === undefined ? "" : `,"params":${params}`
  return readFrame(`{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)}${rest}}`)
}

/** An answer, also as it is written, and Postern's diagnosis where it is Postern's own. */
interface Said {
  readonly message: { readonly result?: unknown; readonly error?: { readonly code?: unknown; readonly message?: unknown } }
  readonly text: string
  readonly diagnosis: Diagnosis | undefined
}

/** @returns the answer, which holds no error */
function checked(method: string, said: Said, clean: Redactor["clean"]): Said {
  const { message, diagnosis } = said
  if (diagnosis !== undefined) throw new PosternError(diagnosis)
  const { error } = message
  if (error === undefined || error === null) return said
  throw new PosternError(cleanDiagnosis(serverError({ method, code: String(error.code), message: String(error.message) }), clean))
}
