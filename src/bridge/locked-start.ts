/**
 * The locked start: a client of a server that wants a sign-in gets a session all the same.
 *
 * Clients wait 30 s or less for `initialize`, and do not come back; a sign-in inside of it would lose. So it is answered at once, from
 * memory or with the least there can be, and lists come from memory, with one tool more: `authenticate`. That tool, the prompt `auth`
 * and every call climb the ladder. Once the door is open the client is told to read its lists anew.
 */
import type { Authenticator } from "../auth/method.ts"
import { quote } from "../core/redact.ts"
import { methodNotFound } from "./eras/discover.ts"
import type { Frame } from "./frame.ts"
import { memberText } from "./json-text.ts"
import { type LadderSettings, withLadder } from "./ladder.ts"
import type { Receive, ServerSide } from "./link.ts"
import { type Memory, isFirstPage } from "./memory.ts"
import {
  type Element,
  LIST_MEMBERS,
  PROMPT_NAME,
  TOOL_NAME,
  authPrompt,
  authenticateTool,
  hasElement,
  withElement,
} from "./sign-in/additions.ts"
import { resultFrame } from "./sign-in/answers.ts"
import { changeNotices } from "./sign-in/change-notices.ts"
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

type Carry = ServerSide["carry"]

/**
 * Wraps a server side.
 *
 * @param server - without memory: what answers there is the server
 */
export function withLockedStart(server: ServerSide, settings: LockedStartSettings): ServerSide {
  const { name, memory, authenticator } = settings
  const notices = changeNotices(settings)
  const { opening = {} } = settings
  if (opening.answer) notices.opening(opening.answer, settings.prompt)
  let locked = false
  /** Whether all that the client knows of the server is the least there can be. */
  let isStandIn = false
  let isOffered = false
  /** Names of ours that the server has itself: they are left to it. */
  const taken = new Set<string>()

  /** The server has taken a request, or a person has signed in. */
  const open = async (look?: "now"): Promise<void> => {
    if (!locked) return notices.noticeIdentity(look)
    locked = false
    await notices.tell()
  }
  const ladder = withLadder(memory ?? server, {
    ...settings,
    initialize: opening.initialize,
    onSignedIn: () => open("now"),
    onTaken: () => open(),
  })

  const initialize: Carry = async (frame, receive, signal) => {
    try {
      await ladder.carry(frame, (said) => receive(notices.opening(said, settings.prompt)), signal)
      await notices.noticeIdentity("now")
    } catch (error) {
      if (!isLocked(error)) throw error
      locked = true
      const remembered = await memory?.standIn(frame)
      isStandIn = remembered === undefined
      await receive(notices.opening(remembered ?? resultFrame(frame, leastInitialize(name, frame)), settings.prompt))
      if (settings.mode === "eager") ladder.begin()
    }
  }

  /** A modern client that hears that its opening is unknown falls back to `initialize`, which can be answered for any server. */
  const discover: Carry = async (frame, receive, signal) => {
    try {
      await ladder.carry(frame, (said) => receive(settings.prompt ? editResult(said, withCapabilities) : said), signal)
    } catch (error) {
      if (!isLocked(error)) throw error
      locked = true
      await receive((await memory?.standIn(frame)) ?? methodNotFound(frame))
    }
  }

  /** Adds what is ours to a list, and learns which names are the server's own. */
  const complete = (answer: Frame, request: Frame): Frame => {
    const member = LIST_MEMBERS.get(request.method) ?? ""
    const known = isStandIn && isUnknownMethod(answer) ? resultFrame(request, emptyList(member, isModern(request))) : answer
    return editResult(known, (result) => {
      if (member === "tools") return withTool(result)
      return member === "prompts" && settings.prompt && isFirstPage(request) ? withOwn(result, "prompts", authPrompt(name)) : result
    })
  }

  const withOwn = (result: string, member: string, element: Element): string => {
    if (hasElement(result, member, element.name)) taken.add(element.name)
    return taken.has(element.name) ? result : withElement(result, member, element)
  }

  const withTool = (result: string): string => {
    if (!locked) return result
    isOffered = true
    return withOwn(result, "tools", authenticateTool(name))
  }

  const list: Carry = async (frame, receive, signal) => {
    const hear: Receive = (said) => receive(said.kind === "response" ? complete(said, frame) : said)
    if (frame.method === "prompts/list" && settings.prompt && !notices.mayHave("prompts"))
      return hear(resultFrame(frame, emptyList("prompts", isModern(frame))))
    try {
      await ladder.carry(frame, hear, signal)
    } catch (error) {
      if (!isLocked(error)) throw error
      locked = true
      const remembered = await memory?.standIn(frame)
      // A client that knows the tools from an earlier answer keeps them when it gets an error, and would drop them at an empty list.
      if (!remembered && !isStandIn) throw error
      return hear(remembered ?? resultFrame(frame, emptyList(LIST_MEMBERS.get(frame.method) ?? "", isModern(frame))))
    }
    await open("now")
  }

  /** Says who is signed in, after it has seen that the server takes a request; a locked door is climbed first. */
  const signIn = (frame: Frame, receive: Receive, signal: AbortSignal): Promise<void> =>
    ladder.climb(frame, receive, signal, {
      asked: frame.method === "prompts/get", // a prompt is a person's own choice; a tool is a model's
      attempt: async (request) => {
        await probe(server, request, signal)
        await open("now")
        const { subject, account } = await authenticator.identity()
        const who = `${quote(subject)}${account === undefined ? "" : ` (${quote(account)})`}`
        await receive(resultFrame(request, request.method === "tools/call" ? toolResult(name, who) : promptResult(name, who)))
      },
    })

  const carryOther: Carry = async (frame, receive, signal) => {
    if (locked && frame.method === "ping") return receive(resultFrame(frame, {})) // the client asks whether we are there
    try {
      await ladder.carry(frame, receive, signal)
    } catch (error) {
      if (!isLocked(error)) throw error
      locked = true
      if (frame.kind === "request") throw error // what is no request has nobody to hear of it; the session keeps what it needs
    }
  }

  const isOurs = (frame: Frame): boolean => {
    if (frame.method === "tools/call") return isOffered && !taken.has(TOOL_NAME) && nameIn(frame) === TOOL_NAME
    return frame.method === "prompts/get" && settings.prompt && !taken.has(PROMPT_NAME) && nameIn(frame) === PROMPT_NAME
  }

  return {
    carry(frame, receive, signal) {
      if (frame.kind !== "request") return carryOther(frame, receive, signal)
      if (frame.method === "initialize") return initialize(frame, receive, signal)
      if (frame.method === "server/discover") return discover(frame, receive, signal)
      if (LIST_MEMBERS.has(frame.method)) return list(frame, receive, signal)
      return isOurs(frame) ? signIn(frame, receive, signal) : carryOther(frame, receive, signal)
    },
    close: (signal) => ladder.close(signal),
  }
}

const isModern = ({ revision }: Frame): boolean => revision !== ""

function nameIn(frame: Frame): unknown {
  const params = memberText(frame.bytes.toString("utf8"), "params")
  return params?.startsWith("{") ? JSON.parse(memberText(params, "name") ?? "null") : undefined
}

function toolResult(server: string, who: string): object {
  return { resultType: "complete", content: [{ type: "text", text: `Signed in to ${server} as ${who}. Its tools can be used now.` }] }
}

/** What the person would say to the model. */
function promptResult(server: string, who: string): object {
  const text = `I am signed in to ${server} as ${who}. Its tools can be used now.`
  return { resultType: "complete", description: `Signed in to ${server}`, messages: [{ role: "user", content: { type: "text", text } }] }
}
