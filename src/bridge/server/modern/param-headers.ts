/** The headers `Mcp-Param-*` of a call (S11): from the lists that have passed, or from one that we ask for by ourselves. */
import { orAborted } from "../../../core/abort.ts"
import { failedWith } from "../../../core/diagnosis.ts"
import { serverUnreachable } from "../../../core/http-failures.ts"
import type { Log } from "../../../core/log.ts"
import { diagnosisOf } from "../../error-answer.ts"
import type { Frame } from "../../frame.ts"
import { knownTools } from "./known-tools.ts"
import { mirroredHeaders } from "./mirrors.ts"
import type { Params } from "./request-headers.ts"
import { type Ask, askForTools } from "./tool-list.ts"

type Headers = Readonly<Record<string, string>>

/** The headers of one bridge's calls. A list is asked for once, however many calls wait for it. */
export interface ParamHeaders {
  /**
   * The headers of a message. Only a call of a tool has any; one that no list named yet is asked for.
   *
   * @throws {PosternError} `server-unreachable`
   */
  of(message: Frame, params: Params, signal: AbortSignal): Promise<Headers>
  /** As `of`, after the list was asked for anew. @returns undefined where that did not name the tool */
  afresh(call: Frame, params: Params, signal: AbortSignal): Promise<Headers | undefined>
  /** Learns from what comes for a request. @returns it, or the list of tools without those that are invalid (S12) */
  learn(said: Frame, request: Frame): Frame
}

const NONE: Headers = {}

/**
 * @param ask - sends a request of ours; its answer is learned from on the way
 * @param newId - makes ids that no request of the client has, as JSON text
 */
export function paramHeaders({ ask, newId, log }: { readonly ask: Ask; readonly newId: () => string; readonly log: Log }): ParamHeaders {
  const tools = knownTools(log)
  /** Whether a tool that is not known does not exist. */
  let complete = false
  let asking: Promise<void> | undefined

  /** A list that is being asked for is not whole any more either: who waits for it takes what it still brings, the next call asks anew. */
  const forget = (): void => {
    tools.forget()
    complete = false
    asking = undefined
  }

  const begin = (call: Frame): Promise<void> => {
    const own: Promise<void> = askForTools(call, { ask, newId })
      .then(() => void (complete ||= asking === own))
      .catch((error: unknown) => {
        log.info("list of tools not had", { code: diagnosisOf(error).code })
        // The call itself will tell the cause, but need not wait for it once more.
        if (failedWith(error, serverUnreachable)) throw error
      })
      .finally(() => {
        if (asking === own) asking = undefined
      })
    return own
  }

  /** Many calls may wait for one list; no call's own end ends it for the others. */
  const askOnce = (call: Frame): Promise<void> => (asking ??= begin(call))

  const headersOf = ({ name, arguments: given }: Params): Headers | undefined => {
    const mirrors = typeof name === "string" ? tools.mirrorsOf(name) : []
    return mirrors && mirroredHeaders(mirrors, given)
  }

  return {
    async of(message, params, signal) {
      if (message.kind !== "request" || message.method !== "tools/call") return NONE
      const headers = headersOf(params)
      if (headers || complete) return headers ?? NONE
      await orAborted(askOnce(message), signal)
      return headersOf(params) ?? NONE
    },

    async afresh(call, params, signal) {
      if (asking === undefined) forget() // a list that is being asked for is fresh, and may have brought the tool already
      await orAborted(askOnce(call), signal)
      return headersOf(params)
    },

    learn(said, request) {
      if (said.method === "notifications/tools/list_changed") forget()
      return said.kind === "response" && request.method === "tools/list" ? tools.learn(said) : said
    },
  }
}
