/** A client in this process: what `call`, `tools` and the library speak with, through the same relay as any other client. */
import { orAborted } from "../../core/abort.ts"
import { type Diagnosis, PosternError, defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { type Frame, makeFrame } from "../frame.ts"
import type { ClientListener, ClientSide } from "./client-side.ts"

/** The revision that is asked for; the server may answer with an older one. */
const REVISION = "2025-11-25"

export const serverError = defineDiagnosis({
  code: "server-error",
  about: "The server answered with a JSON-RPC error of its own. Identity is not the question: the server understood who asks.",
  tell: ({ method, code, message }: { method: string; code: string; message: string }) => ({
    cause: `The server answered ${method} with error ${code}.`,
    evidence: [quote(message, 1000)],
  }),
})

export interface InProcessClient {
  readonly side: ClientSide
  /** Opens the session. @returns the result of `initialize` */
  initialize(signal: AbortSignal): Promise<unknown>
  /**
   * Asks the server.
   *
   * @returns the result, as the server sent it
   * @throws {PosternError} Postern's diagnosis, or `server-error` with the server's own words
   */
  request(method: string, params: unknown, signal: AbortSignal): Promise<unknown>
  /** Hangs up. */
  end(): void
}

/** @param about - how the client calls itself */
export function inProcessClient(about: { readonly name: string; readonly version: string }): InProcessClient {
  const waiting = new Map<string, (answer: Said) => void>()
  let lastId = 0
  // The bridge reads its configuration before it listens; what is said earlier would be heard by nobody.
  let onOpen: ((listener: ClientListener) => void) | undefined
  const opened = new Promise<ClientListener>((resolve) => (onOpen = resolve))
  const say = async (frame: Frame): Promise<void> => (await opened).onFrame(frame)

  const request = async (method: string, params: unknown, signal: AbortSignal): Promise<unknown> => {
    const id = ++lastId
    const answered = new Promise<Said>((resolve) => waiting.set(String(id), resolve))
    const answer = await orAborted(
      say(makeFrame({ id, method, params })).then(() => answered),
      signal,
    ).finally(() => waiting.delete(String(id)))
    return resultOf(method, answer)
  }

  return {
    side: {
      open: (listener) => onOpen?.(listener),
      write: hear,
      close: () => Promise.resolve(),
    },
    request,
    async initialize(signal) {
      const result = await request("initialize", { protocolVersion: REVISION, capabilities: {}, clientInfo: about }, signal)
      await say(makeFrame({ method: "notifications/initialized" }))
      return result
    },
    end: () => void opened.then((listener) => listener.onEnd("closed")),
  }

  function hear(bytes: Buffer, diagnosis?: Diagnosis): void {
    const message = JSON.parse(bytes.toString("utf8")) as Said["message"] & { id?: string | number; method?: string } // the relay writes messages only
    if (message.method === undefined) return waiting.get(String(message.id))?.({ message, diagnosis })
    // A one-shot client declares no capability, so a server that asks it something is told so.
    if (message.id !== undefined && message.method !== "ping") {
      const error = { code: -32601, message: "this client cannot be asked" }
      void say(makeFrame({ id: message.id, error }))
    } else if (message.id !== undefined) void say(makeFrame({ id: message.id, result: {} }))
  }
}

/** An answer, and Postern's diagnosis where it is Postern's own. */
interface Said {
  readonly message: { readonly result?: unknown; readonly error?: { readonly code?: unknown; readonly message?: unknown } }
  readonly diagnosis: Diagnosis | undefined
}

function resultOf(method: string, { message: { result, error }, diagnosis }: Said): unknown {
  if (diagnosis !== undefined) throw new PosternError(diagnosis)
  if (error === undefined || error === null) return result
  throw new PosternError(serverError({ method, code: String(error.code), message: String(error.message) }))
}
