/**
 * The opening of a legacy client: `initialize` goes out as it is, and what the server says to it shows what it is (S21). One that
 * refuses in modern words is asked for its revisions; one that has nowhere to post may be of the oldest transport, whose stream is
 * then asked for. What was found out is remembered, so that the next opening begins with what worked (S24).
 */
import { PosternError } from "../../core/diagnosis.ts"
import type { Log } from "../../core/log.ts"
import { withResolvers } from "../../core/with-resolvers.ts"
import { serverOnlyModern } from "../diagnoses.ts"
import { diagnosisOf } from "../error-answer.ts"
import type { Frame } from "../frame.ts"
import { makeGate } from "../gate.ts"
import type { Receive, ServerSide } from "../link.ts"
import { type Refusal, Refused, deliverRefusal } from "../server/refusal.ts"
import { MODERN_REVISION, eraEvidence } from "./evidence.ts"
import type { Verdicts } from "./verdicts.ts"

/** The two transports that a legacy server may be of, and what is remembered of it. */
export interface OpeningSettings {
  readonly name: string
  /** The side that `initialize` is posted to. */
  readonly side: ServerSide
  /** Makes the side of the HTTP+SSE transport. */
  readonly makeSse: () => Promise<ServerSide>
  /** As `askRevisions` of `discover.ts`. */
  readonly askRevisions: (initialize: Frame, signal: AbortSignal) => Promise<readonly string[] | undefined>
  readonly verdicts: Verdicts
  readonly log: Log
}

/** Answers of a server of the oldest transport to a message that is posted to its stream's address. */
const NO_SUCH_POST: ReadonlySet<number> = new Set([400, 404, 405])

/** Wraps the side that most servers need; messages after `initialize` go to the one that answered it. */
export function withOpening({ name, side, makeSse, askRevisions, verdicts, log }: OpeningSettings): ServerSide {
  let inUse = side
  let sse: ServerSide | undefined
  /** While it is open, other messages wait: which side they are for is not known. */
  const gate = makeGate()

  /** @throws {PosternError} `server-only-modern` where that is what it is */
  const checkModern = async (initialize: Frame, said: string, signal: AbortSignal): Promise<void> => {
    const revisions = await askRevisions(initialize, signal)
    if (revisions?.every((revision) => revision >= MODERN_REVISION)) {
      verdicts.keep({ era: "modern", revisions })
      throw new PosternError(serverOnlyModern({ server: name, revisions, said }))
    }
    verdicts.keep(undefined)
  }

  /** @returns whether the server is of that transport */
  const openSse = async (initialize: Frame, receive: Receive, signal: AbortSignal): Promise<boolean> => {
    sse ??= await makeSse()
    inUse = sse // others may follow as soon as the answer is there
    try {
      await sse.carry(initialize, receive, signal)
    } catch (error) {
      log.info("no stream of the HTTP+SSE transport", { code: diagnosisOf(error).code })
      inUse = side
      return false
    }
    verdicts.keep({ era: "legacy", transport: "sse" })
    return true
  }

  const lookFurther = async (refusal: Refusal, initialize: Frame, receive: Receive, signal: AbortSignal): Promise<void> => {
    const era = eraEvidence(refusal, initialize)
    if (era === "modern") await checkModern(initialize, refusal.body.toString("utf8"), signal)
    if (era === "legacy" && NO_SUCH_POST.has(refusal.status) && (await openSse(initialize, receive, signal))) return
    await deliverRefusal(initialize, refusal, receive, name)
  }

  const open = async (initialize: Frame, receive: Receive, signal: AbortSignal): Promise<void> => {
    const verdict = await verdicts.recall()
    // No round trip more: this one takes the place of an `initialize` that was refused before.
    if (verdict?.era === "modern") await checkModern(initialize, "", signal)
    if (verdict?.transport === "sse" && (await openSse(initialize, receive, signal))) return
    inUse = side
    try {
      await side.carry(initialize, receive, signal)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      await lookFurther(error.refusal, initialize, receive, signal)
    }
  }

  /** The gate opens with the answer: the server may leave its stream open for long after it. */
  const openThroughGate = (initialize: Frame, receive: Receive, signal: AbortSignal): Promise<void> => {
    const answered = withResolvers()
    const watch: Receive = (said) => {
      if (said.kind === "response") answered.resolve()
      return receive(said)
    }
    const opening = open(initialize, watch, signal)
    gate.close(Promise.race([answered.promise, opening.catch(() => undefined)]))
    return opening
  }

  return {
    carry(frame, receive, signal) {
      if (frame.method === "initialize") return openThroughGate(frame, receive, signal)
      const passage = gate.closed?.then(() => inUse.carry(frame, receive, signal))
      return passage ?? inUse.carry(frame, receive, signal)
    },
    async close(signal) {
      await side.close(signal)
      await sse?.close(signal)
    },
  }
}
