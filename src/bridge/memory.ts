/**
 * The memory wrapper: what a server said of itself when it was last reached stands in for it while it is down.
 *
 * Clients ask a local server once, at start, and do not come back when that fails. So `initialize` and the lists are answered from
 * memory, each call tells the true cause, and once the server answers again the client is told to read the lists anew.
 */
import { PosternError, failedWith } from "../core/diagnosis.ts"
import type { Log } from "../core/log.ts"
import { bridgeStopping, serverOnlyLegacy, serverOnlyModern } from "./diagnoses.ts"
import { type Frame, makeFrame, readFrame } from "./frame.ts"
import { memberPiece, memberText, replacePiece } from "./json-text.ts"
import type { Receive, ServerSide } from "./link.ts"
import { isLocked } from "./when-locked.ts"

/** Texts by key: results as the server sent them, by `keyOf` their request; and what `eras/verdicts.ts` keeps. */
export type Remembered = Readonly<Record<string, string>>

/** Where one server is remembered. Its failures are logged and nothing else: memory is never a reason for a failure. */
export interface MemoryStore {
  recall(): Promise<Remembered>
  /** Keeps a text, or forgets it; written in the background. */
  keep(key: string, text: string | undefined): void
  /** Resolves when all that was kept is written. */
  written(): Promise<void>
}

/** A server side that remembers. */
export interface Memory extends ServerSide {
  /** @returns the answer to an opening, or to the first page of a list, as it is remembered */
  standIn(request: Frame): Promise<Frame | undefined>
}

/** What the two eras begin with. */
const OPENINGS = new Set(["initialize", "server/discover"])
const LISTS = new Set(["tools/list", "prompts/list", "resources/list", "resources/templates/list"])
/** What a server may have lists of. */
export const KINDS = ["tools", "prompts", "resources"] as const
export type Kind = (typeof KINDS)[number]
/** A longer result is not kept, in characters. */
const MOST_CHARACTERS = 4 * 1024 * 1024

/**
 * Wraps a server side.
 *
 * @param tell - takes the notices for the client once the server is back
 */
export function withMemory(side: ServerSide, { store, tell, log }: { store: MemoryStore; tell: Receive; log: Log }): Memory {
  /** Whether something was answered from memory that the client has not been told to read anew. */
  let stale = false

  const remember = (request: Frame, answer: Frame): void => {
    const result = memberText(answer.bytes.toString("utf8"), "result")
    if (result?.startsWith("{") && result.length <= MOST_CHARACTERS) store.keep(keyOf(request), result)
  }

  const welcomeBack = async (): Promise<void> => {
    if (!stale) return
    stale = false
    log.info("server is back")
    const kinds = kindsOf((await store.recall())["initialize"])
    for (const kind of kinds) await tell(makeFrame({ method: `notifications/${kind}/list_changed` }))
  }

  const standIn = async (request: Frame): Promise<Frame | undefined> => {
    const result = isRemembered(request) ? (await store.recall())[keyOf(request)] : undefined
    if (result === undefined) return undefined
    const text = request.revision === "" ? (request.method === "initialize" ? withListChanged(result) : result) : withoutLife(result)
    return readFrame(`{"jsonrpc":"2.0","id":${request.id},"result":${text}}`)
  }

  const answerFromMemory = async (frame: Frame, error: unknown, receive: Receive): Promise<void> => {
    const answer = standsInFor(error) ? await standIn(frame) : undefined
    if (answer === undefined) throw error
    log.info("answered from memory", { method: frame.method, code: (error as PosternError).diagnosis.code }) // checked above
    // A modern client is told by the answer itself that it is stale at once.
    if (frame.revision === "") stale = true
    await receive(answer)
  }

  const carryAndRemember = async (frame: Frame, receive: Receive, signal: AbortSignal): Promise<void> => {
    const remembers = isRemembered(frame)
    let answered = false
    const watch: Receive = async (said) => {
      await receive(said)
      if (said.kind !== "response" || said.id !== frame.id || answered) return
      answered = true
      if (remembers) remember(frame, said)
      await welcomeBack()
    }
    try {
      await side.carry(frame, watch, signal)
    } catch (error) {
      if (!remembers || answered) throw error
      await answerFromMemory(frame, error, receive)
    }
  }

  return {
    standIn,
    carry(frame, receive, signal) {
      // A call to a server that is up, which is nearly every message, passes without a step more.
      const watched = frame.kind === "request" && (stale || OPENINGS.has(frame.method) || LISTS.has(frame.method))
      return watched ? carryAndRemember(frame, receive, signal) : side.carry(frame, receive, signal)
    },
    async close(signal) {
      await side.close(signal)
      await store.written()
    },
  }
}

/** A server may answer the two eras in two ways. */
const keyOf = ({ method, revision }: Frame): string => (revision === "" ? method : `${method} of ${revision}`)

/**
 * What is remembered does not stand in for a server that is up, and speaks another era than the client, nor for one that a bridge which
 * ends has waited for. A locked door is left to `locked-start.ts`: there a person can do something.
 */
function standsInFor(error: unknown): boolean {
  return error instanceof PosternError && !failedWith(error, serverOnlyModern, serverOnlyLegacy, bridgeStopping) && !isLocked(error)
}

/** An opening, or the first page of a list: any other page belongs to a cursor that the server may have forgotten. */
function isRemembered(frame: Frame): boolean {
  return LISTS.has(frame.method) ? isFirstPage(frame) : OPENINGS.has(frame.method)
}

/** Whether a list is asked for from its beginning. */
export function isFirstPage(frame: Frame): boolean {
  return memberText(memberText(frame.bytes.toString("utf8"), "params") ?? "", "cursor") === undefined
}

interface InitializeResult {
  readonly capabilities?: Readonly<Record<string, object | null>> | null
}

const parseInitialize = (result: string | undefined): InitializeResult => JSON.parse(result ?? "{}") as InitializeResult // an object of the server's own

function kindsOf(result: string | undefined): readonly string[] {
  const { capabilities } = parseInitialize(result)
  return KINDS.filter((kind) => capabilities?.[kind] !== undefined)
}

/** The lists will change once the server is back, whatever it said of itself; who is not told that it may be told is not told (S75). */
function withListChanged(result: string): string {
  const parsed = parseInitialize(result)
  const changing = Object.fromEntries(kindsOf(result).map((kind) => [kind, { ...parsed.capabilities?.[kind], listChanged: true }]))
  return JSON.stringify({ ...parsed, capabilities: { ...parsed.capabilities, ...changing } })
}

/** What the server said then is no longer fresh, however long it was to be so (S19, S75). */
function withoutLife(result: string): string {
  const life = memberPiece(result, "ttlMs")
  return life ? replacePiece(result, life, "0") : result
}
