/**
 * The era wrapper: gives each message to the side that speaks its era. No round trip is spent on asking for the era of the server: the
 * client's own first message is the question (S21, S25). A modern request goes out as it is; if the server does not understand
 * `server/discover`, the client gets an ordinary "method not found", and falls back to `initialize` by itself (S27). What becomes of
 * `initialize` stands in `opening.ts`.
 *
 * Translation between the eras will be a wrapper of the same interface beside this one.
 */
import { PosternError } from "../../core/diagnosis.ts"
import { serverOnlyLegacy } from "../diagnoses.ts"
import { type Frame, cancelledId } from "../frame.ts"
import type { Receive, ServerSide } from "../link.ts"
import type { ModernSide } from "../server/modern-http.ts"
import { NotModern, type Refusal, serverError } from "../server/refusal.ts"
import { askRevisions, methodNotFound } from "./discover.ts"
import { type OpeningSettings, withOpening } from "./opening.ts"

/** The sides that one server may need, and what is remembered of it. */
export interface EraSettings extends Omit<OpeningSettings, "askRevisions"> {
  /** Makes the modern side; its code is loaded by the first message that needs it. */
  readonly makeModern: (onModern: () => void) => Promise<ModernSide>
}

/** Makes one side of those that the server may need. */
export function byEra({ makeModern, ...settings }: EraSettings): ServerSide {
  const { name, verdicts } = settings
  let modern: ModernSide | undefined
  let making: Promise<ModernSide> | undefined
  let opened = false
  let proven = false

  const onModern = async (): Promise<void> => {
    proven = true
    if ((await verdicts.recall())?.era === "legacy") verdicts.keep(undefined) // it has been upgraded
  }

  const modernSide = (): Promise<ModernSide> => {
    making ??= makeModern(() => void onModern()).then((side) => (modern = side))
    return making
  }

  const legacy = withOpening({
    ...settings,
    askRevisions: async (initialize, signal) => askRevisions(await modernSide(), initialize, signal),
  })

  /** @throws {PosternError} `server-only-legacy` unless the message is the client's own question */
  const tellLegacy = async (message: Frame, error: NotModern, receive: Receive): Promise<void> => {
    if (isSureLegacy(error.refusal, message)) {
      const transport = (await verdicts.recall())?.transport
      verdicts.keep({ era: "legacy", ...(transport ? { transport } : {}) })
    }
    if (isProbe(message)) return receive(methodNotFound(message))
    const { status, body } = error.refusal
    const how = `answer: HTTP ${status} ${body.toString("utf8")}`
    throw new PosternError(serverOnlyLegacy({ server: name, revision: message.revision, how }), { cause: error })
  }

  const carryModern = async (message: Frame, receive: Receive, signal: AbortSignal): Promise<void> => {
    if (!proven && isProbe(message)) {
      const verdict = await verdicts.recall()
      if (verdict?.era === "legacy" && verdict.fresh) return receive(methodNotFound(message))
    }
    try {
      await (modern ?? (await modernSide())).carry(message, receive, signal)
    } catch (error) {
      if (!(error instanceof NotModern)) throw error
      await tellLegacy(message, error, receive)
    }
  }

  /** A cancel need not name its revision; it belongs to the era of the request that it ends. */
  const cancel = async (message: Frame, receive: Receive, signal: AbortSignal): Promise<void> => {
    const side = modern ?? (await making)
    if (side?.has(cancelledId(message) ?? "")) return side.carry(message, receive, signal)
    return opened ? legacy.carry(message, receive, signal) : undefined // of nothing that is on its way
  }

  return {
    carry(frame, receive, signal) {
      if (frame.revision !== "") return carryModern(frame, receive, signal)
      if (frame.method === "initialize") opened = true
      if (frame.method === "notifications/cancelled" && (making || !opened)) return cancel(frame, receive, signal)
      return legacy.carry(frame, receive, signal)
    },
    async close(signal) {
      await legacy.close(signal)
      await modern?.close(signal)
    },
  }
}

const isProbe = (message: Frame): boolean => message.kind === "request" && message.method === "server/discover"

/** A bare 404 may come from a gateway before a server that is about to start: it answers this client, and is not remembered. */
const isSureLegacy = ({ status, body }: Refusal, message: Frame): boolean => status !== 404 || serverError(body, message.id) !== undefined

/** For a server whose transport is of the legacy era only: a modern client is told so at once. */
export function legacyOnly(name: string, side: ServerSide): ServerSide {
  return {
    async carry(frame, receive, signal) {
      if (frame.revision === "") return side.carry(frame, receive, signal)
      if (isProbe(frame)) return receive(methodNotFound(frame))
      throw new PosternError(serverOnlyLegacy({ server: name, revision: frame.revision, how: "it is of the HTTP+SSE transport" }))
    },
    close: (signal) => side.close(signal),
  }
}
