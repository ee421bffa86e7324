/** A client in this process: what `call`, `tools` and the library speak with, through the same relay as any other client. */
import { orAborted } from "../../core/abort.ts"
import { PosternError, defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { type Frame, makeFrame } from "../frame.ts"
import { memberText } from "../json-text.ts"
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
  const waiting = new Map<string, (answer: Frame) => void>()
  let lastId = 0
  // The bridge reads its configuration before it listens; what is said earlier would be heard by nobody.
  let onOpen: ((listener: ClientListener) => void) | undefined
  const opened = new Promise<ClientListener>((resolve) => (onOpen = resolve))
  const say = async (frame: Frame): Promise<void> => (await opened).onFrame(frame)

  const request = async (method: string, params: unknown, signal: AbortSignal): Promise<unknown> => {
    const id = ++lastId
    const answered = new Promise<Frame>((resolve) => waiting.set(String(id), resolve))
    const answer = await orAborted(
      say(makeFrame({ id, method, params })).then(() => answered),
      signal,
    ).finally(() => waiting.delete(String(id)))
    return resultOf(method, answer)
  }

  return {
    side: {
      open: (listener) => onOpen?.(listener),
      write: (bytes) => hear(bytes),
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

  function hear(bytes: Buffer): void {
    const message = JSON.parse(bytes.toString("utf8")) as { id?: string | number; method?: string } // the relay writes messages only
    if (message.method === undefined)
      return waiting.get(String(message.id))?.({ kind: "response", bytes, id: String(message.id), method: "" })
    // A one-shot client declares no capability, so a server that asks it something is told so.
    if (message.id !== undefined && message.method !== "ping") {
      const error = { code: -32601, message: "this client cannot be asked" }
      void say(makeFrame({ id: message.id, error }))
    } else if (message.id !== undefined) void say(makeFrame({ id: message.id, result: {} }))
  }
}

function resultOf(method: string, answer: Frame): unknown {
  const { result, error } = JSON.parse(answer.bytes.toString("utf8")) as { result?: unknown; error?: ErrorMember } // a checked frame
  if (error === undefined) return result
  if (typeof error.data?.code === "string" && typeof error.data.cause === "string" && error.code === 1000) {
    const { code, cause, evidence = [], next, kind = "failed" } = error.data
    throw new PosternError({ code, cause, evidence, kind, ...(next === undefined ? {} : { next }) })
  }
  const message = typeof error.message === "string" ? error.message : (memberText(answer.bytes.toString("utf8"), "error") ?? "")
  throw new PosternError(serverError({ method, code: String(error.code), message }))
}

interface ErrorMember {
  readonly code?: number
  readonly message?: string
  readonly data?: { code?: string; cause?: string; evidence?: string[]; next?: string; kind?: PosternError["diagnosis"]["kind"] }
}
