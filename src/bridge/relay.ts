/**
 * The relay: what happens to a message, in which order. It asks for no guard, no record and no translation: those are wrappers
 * around the sides that it stands between.
 *
 * Every request that had an id gets exactly one answer: `pending.ts` owns that right. What is no answer goes to the client as it comes,
 * from here or from the server side.
 */
import { limited } from "../core/abort.ts"
import type { Backlog } from "./backlog.ts"
import type { ClientSide } from "./client/client-side.ts"
import { bridgeStopping, messageMalformed, messageTooLarge, noAnswer, tooManyPending } from "./diagnoses.ts"
import { diagnosisOf, errorAnswer } from "./error-answer.ts"
import { PosternError, type Diagnosis } from "../core/diagnosis.ts"
import type { Log } from "../core/log.ts"
import { type Redactor, cleanDiagnosis } from "../core/redact.ts"
import { type Frame, cancelledId } from "./frame.ts"
import type { ServerSide } from "./link.ts"
import { type PendingRequest, pendingTable } from "./pending.ts"

/** The two sides, and what the relay tells the client by. */
export interface RelaySettings {
  /** The server's name, for what the client is told. */
  readonly name: string
  readonly client: ClientSide
  readonly server: ServerSide
  /** What is on its way to the server; whoever sends it says when it has left. */
  readonly backlog: Backlog
  /** What goes on beside the messages, and is waited for at the end as an answer is. */
  readonly held?: ReadonlySet<Promise<unknown>>
  readonly redactor: Redactor
  readonly log: Log
  /** Aborts when the bridge must end at once, for example on SIGTERM. */
  readonly signal: AbortSignal
}

/** Each holds a connection of its own to a server with an address. More at once is a client that has gone wrong. */
const MOST_PENDING = 1_000
/** How long answers that are still on their way are waited for, in milliseconds, by the reason of the end; then, how long the client may take to read them. */
const DRAIN_MS = { closed: 60_000, told: 1_500, gone: 0 }
/** For the errors of what was given up, and for the goodbye to the server. */
const LAST_WORDS_MS = 1_000

/**
 * Carries messages between a client and a server until the client has gone or the signal aborts.
 *
 * @returns when everything that was opened is closed
 */
export async function relay({ name, client, server, backlog, held = new Set(), redactor, log, signal }: RelaySettings): Promise<void> {
  const pending = pendingTable()
  const write = (bytes: Buffer): Promise<void> | void => client.write(bytes)
  const tell = (id: string, diagnosis: Diagnosis): void => {
    const cleaned = cleanDiagnosis(diagnosis, redactor.clean)
    void client.write(errorAnswer(id, cleaned), cleaned)
  }

  /** A text that could not be read is told under its own id. What looks like that may be an argument, and name a request that waits. */
  const tellUnread = (id: string, diagnosis: Diagnosis): void => tell(pending.has(id) ? "null" : id, diagnosis)

  /** What comes for one request: its answer once, and whatever else the server has to say on the way. */
  const receiveFor = (request: PendingRequest) => (frame: Frame) => {
    if (frame.kind !== "response") return write(frame.bytes)
    if (frame.id === request.frame.id && request.settle()) return write(frame.bytes)
    return log.info("answer dropped", { to: request.frame.id, claims: frame.id }) // foreign, swapped or second
  }

  const refuse = (request: PendingRequest): void => {
    if (request.settle()) tell(request.frame.id, tooManyPending({ server: name, most: MOST_PENDING }))
  }

  const answer = async (request: PendingRequest): Promise<void> => {
    const { frame } = request
    try {
      await server.carry(frame, receiveFor(request), pending.signal)
      if (request.settle() && !request.cancelled) tell(frame.id, noAnswer({ server: name, method: frame.method }))
    } catch (error) {
      log.error("request failed", { method: frame.method, code: diagnosisOf(error).code })
      if (request.settle() && !request.cancelled) tell(frame.id, diagnosisOf(error))
    } finally {
      backlog.leave(frame)
    }
  }

  /** Messages without an id that are on their way: the end waits for them too. */
  const passing = new Set<Promise<void>>()

  const passOn = async (frame: Frame): Promise<void> => {
    try {
      await server.carry(frame, (said) => (said.kind === "response" ? undefined : write(said.bytes)), signal)
    } catch (error) {
      log.error("message lost", { method: frame.method, code: diagnosisOf(error).code }) // no id: nobody to tell
    } finally {
      backlog.leave(frame)
    }
  }

  const ended = new Promise<"closed" | "gone" | "told">((resolve) => {
    void aborted(signal).then(() => resolve("told")) // perhaps it was told while the connection was prepared
    client.open({
      onFrame(frame) {
        if (frame.kind === "request") {
          const request = pending.open(frame)
          if (!request) return log.error("request dropped: its id is pending already", { method: frame.method, id: frame.id })
          if (pending.size > MOST_PENDING) return refuse(request)
          backlog.enter(frame)
          void answer(request)
          return backlog.room()
        }
        backlog.enter(frame)
        if (frame.method === "notifications/cancelled") pending.cancel(cancelledId(frame) ?? "")
        const passage = passOn(frame).finally(() => passing.delete(passage))
        passing.add(passage)
        return backlog.room()
      },
      onMalformed: (detail, id) => tellUnread(id, messageMalformed({ detail })),
      onTooLarge: (maxBytes, id) => tellUnread(id, messageTooLarge({ maxBytes })),
      onEnd: resolve,
    })
  })

  const reason = await ended
  log.info("ending", { reason, awaited: pending.awaited })
  const limit = reason === "closed" ? limited(signal, DRAIN_MS.closed) : AbortSignal.timeout(DRAIN_MS[reason])
  const drained = Promise.all([pending.drained(limit), ...passing]).then(() => Promise.allSettled(held))
  await Promise.race([drained, aborted(limit)])
  pending.giveUp(new PosternError(bridgeStopping({ server: name })))
  await pending.drained(AbortSignal.timeout(LAST_WORDS_MS))
  await server.close(AbortSignal.timeout(LAST_WORDS_MS))
  // Who has closed an end may still be reading a long answer; who has told us to end wants an end.
  await client.close(reason === "closed" ? limited(signal, DRAIN_MS.closed) : AbortSignal.timeout(LAST_WORDS_MS))
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })
}
