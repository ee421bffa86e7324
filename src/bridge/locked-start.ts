/**
 * The locked start: a client of a server that wants a sign-in gets a session all the same.
 *
 * Clients wait 30 s or less for `initialize`, and do not come back; a sign-in inside of it would lose. So it is answered at once, from
 * memory or with the least there can be, and lists come from memory, with one tool more: `authenticate`. That tool, the prompt `auth`
 * and every call climb the ladder. Once the door is open the client is told to read its lists anew.
 */
import type { Authenticator } from "../auth/method.ts"
import type { PosternError } from "../core/diagnosis.ts"
import { quote } from "../core/redact.ts"
import { methodNotFound } from "./eras/discover.ts"
import type { Frame } from "./frame.ts"
import { type Ladder, type LadderSettings, withLadder } from "./ladder.ts"
import type { Receive, ServerSide } from "./link.ts"
import type { Memory } from "./memory.ts"
import { LISTEN } from "./server/modern/subscription.ts"
import { type Additions, LIST_MEMBERS, additionsFor } from "./sign-in/additions.ts"
import { resultFrame } from "./sign-in/answers.ts"
import { type ChangeNotices, changeNotices } from "./sign-in/change-notices.ts"
import { probe } from "./sign-in/probe.ts"
import { editResult, withCapabilities } from "./sign-in/promises.ts"
import { emptyList, isUnknownMethod, leastInitialize } from "./sign-in/stand-in.ts"
import { type Opening, isLocked } from "./when-locked.ts"

/** As for the ladder, which is made inside; what it hears of successes and openings is the locked start's own. */
export interface LockedStartSettings extends Omit<LadderSettings, "initialize" | "onSignedIn" | "onTaken"> {
  readonly authenticator: Authenticator
  /** What remembers the server, where anything does. */
  readonly memory: Memory | undefined
  /** Whether the prompt `auth` is offered. */
  readonly prompt: boolean
  /** What came before this was there. */
  readonly opening?: Opening
}

/** One client before a door that may be locked. */
interface LockedStart {
  readonly settings: LockedStartSettings
  /** Without memory: what answers there is the server. */
  readonly server: ServerSide
  readonly ladder: Ladder
  readonly notices: ChangeNotices
  readonly additions: Additions
  locked: boolean
  /** Whether all that the client knows of the server is the least there can be. */
  isStandIn: boolean
}

/** Carries one kind of message. */
type Carry = (start: LockedStart, ...message: Parameters<ServerSide["carry"]>) => Promise<void>

/**
 * Wraps a server side.
 *
 * @param server - without memory: what answers there is the server
 */
export function withLockedStart(server: ServerSide, settings: LockedStartSettings): ServerSide {
  const { name, memory, prompt, opening = {} } = settings
  const ladder = withLadder(memory ?? server, {
    ...settings,
    initialize: opening.initialize,
    onSignedIn: () => open(start, "now"),
    onTaken: () => open(start),
  })
  const notices = changeNotices(settings)
  if (opening.answer) notices.opening(opening.answer, prompt)
  const additions = additionsFor(name, prompt)
  const start: LockedStart = { settings, server, ladder, notices, additions, locked: false, isStandIn: false }

  return {
    carry: (frame, receive, signal) => carrierOf(frame, additions)(start, frame, receive, signal),
    close: (signal) => ladder.close(signal),
  }
}

function carrierOf(frame: Frame, additions: Additions): Carry {
  if (frame.kind !== "request") return carryOther
  if (frame.method === "initialize") return initialize
  if (frame.method === "server/discover") return discover
  if (LIST_MEMBERS.has(frame.method)) return list
  if (frame.method === LISTEN) return subscribe
  return additions.isFor(frame) ? signIn : carryOther
}

/** The server has taken a request, or a person has signed in. */
async function open(start: LockedStart, look?: "now"): Promise<void> {
  if (!start.locked) return start.notices.noticeIdentity(look)
  start.locked = false
  await start.notices.tell()
}

/** @returns what was thrown at a locked door, or undefined where it was passed. @throws everything else */
async function meetDoor(start: LockedStart, passage: Promise<void>): Promise<PosternError | undefined> {
  try {
    await passage
    return undefined
  } catch (error) {
    if (!isLocked(error)) throw error
    start.locked = true
    return error
  }
}

const initialize: Carry = async (start, frame, receive, signal) => {
  const { settings, ladder, notices } = start
  const answer: Receive = (said) => receive(notices.opening(said, settings.prompt))
  if (!(await meetDoor(start, ladder.carry(frame, answer, signal)))) return notices.noticeIdentity("now")
  const remembered = await settings.memory?.standIn(frame)
  start.isStandIn = remembered === undefined
  await answer(remembered ?? resultFrame(frame, leastInitialize(settings.name, frame)))
  if (settings.mode === "eager") ladder.begin()
}

/** A modern client that hears that its opening is unknown falls back to `initialize`, which can be answered for any server. */
const discover: Carry = async (start, frame, receive, signal) => {
  const { prompt, memory } = start.settings
  const answer: Receive = (said) => receive(prompt ? editResult(said, withCapabilities) : said)
  if (await meetDoor(start, start.ladder.carry(frame, answer, signal))) {
    await receive((await memory?.standIn(frame)) ?? methodNotFound(frame))
  }
}

const subscribe: Carry = (start, frame, receive, signal) =>
  start.notices.along(frame, receive, (hear) => carryOther(start, frame, hear, signal))

const list: Carry = async (start, frame, receive, signal) => {
  const { settings, ladder, notices, additions } = start
  const empty = (): Frame => resultFrame(frame, emptyList(LIST_MEMBERS.get(frame.method) ?? "", frame.revision !== ""))
  /** Adds what is ours. A list that was promised, and that the server does not know, is an empty one. */
  const complete = (answer: Frame): Frame =>
    editResult(start.isStandIn && isUnknownMethod(answer) ? empty() : answer, (result) => additions.addTo(result, frame, start.locked))
  const hear: Receive = (said) => receive(said.kind === "response" ? complete(said) : said)

  if (frame.method === "prompts/list" && settings.prompt && !notices.mayHave("prompts")) return hear(empty())
  const refusal = await meetDoor(start, ladder.carry(frame, hear, signal))
  if (!refusal) return open(start, "now")
  const remembered = await settings.memory?.standIn(frame)
  // A client that knows the tools from an earlier answer keeps them when it gets an error, and would drop them at an empty list.
  if (!remembered && !start.isStandIn) throw refusal
  return hear(remembered ?? empty())
}

/** Says who is signed in, after it has seen that the server takes a request; a locked door is climbed first. */
const signIn: Carry = (start, frame, receive, signal) =>
  start.ladder.climb(frame, receive, signal, {
    asked: frame.method === "prompts/get", // a prompt is a person's own choice; a tool is a model's
    attempt: async (request) => {
      await probe(start.server, request, signal)
      await open(start, "now")
      const { subject, account } = await start.settings.authenticator.identity()
      const who = `${quote(subject)}${account === undefined ? "" : ` (${quote(account)})`}`
      await receive(start.additions.answer(request, who))
    },
  })

const carryOther: Carry = async (start, frame, receive, signal) => {
  if (start.locked && frame.method === "ping") return receive(resultFrame(frame, {})) // the client asks whether we are there
  const refusal = await meetDoor(start, start.ladder.carry(frame, receive, signal))
  // What is no request has nobody to hear of it; the session keeps what it needs.
  if (refusal && frame.kind === "request") throw refusal
}
