/**
 * What goes to a modern client with a question, and comes back with its answer (`requestState`, S70 to S72).
 *
 * The client holds it, so it is taken for an attacker's until its MAC says that it is ours, made for this very request and still
 * fresh. Where the request was itself the answer to a question of the server, the server's own part travels inside ours: the client
 * sends back only what it was given last.
 */
import { createHash, createHmac, randomBytes } from "node:crypto"
import type { Clock } from "../../core/clock.ts"
import { areEqual } from "../../core/constant-time.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { type Frame, readFrame } from "../frame.ts"
import { members, memberText } from "../json-text.ts"
import { requestStateInvalid } from "./diagnoses.ts"
import { type Reaction, readReaction } from "./questions.ts"

/** The name of our question among those of a result. */
export const QUESTION = "postern.signin"

/** Nothing of a server begins like this. */
const MARK = "postern-state:"
/** A person who comes back later is asked again, in milliseconds. */
const LIFE_MS = 15 * 60_000

/** What was asked: to open a link, or whether to open the browser. */
export type Asked = "url" | "form"

/** A request that has come back with the answer to our question. */
export interface Returned {
  /** The request as the server is to see it: our part is gone, its own is back. */
  readonly request: Frame
  readonly asked: Asked
  readonly reaction: Reaction
}

/** Seals and opens under one key; what another bridge has sealed is refused. */
export interface RequestStates {
  /** Makes the state that goes out with our question about this request. */
  seal(request: Frame, asked: Asked): string
  /**
   * Reads a request that may be the answer to our question.
   *
   * @returns undefined for all others
   * @throws {PosternError} `request-state-invalid` if it claims to be one, and was not made here, or for another request, or long ago
   */
  open(request: Frame): Returned | undefined
}

interface State {
  readonly asked: Asked
  readonly untilMs: number
  /** Of the method and its parameters. */
  readonly digest: string
  /** The server's `inputResponses` and `requestState`, as JSON text. */
  readonly theirs: Readonly<Record<string, string>>
}

const CARRIED = new Set(["inputResponses", "requestState"])

/** The key lives as long as the bridge: one process serves one client, so it also stands for who that is. */
export function requestStates(clock: Clock): RequestStates {
  const key = randomBytes(32)
  const mac = (text: string): string => createHmac("sha256", key).update(text).digest("base64url")

  const read = (sealed: string): State | undefined => {
    const [text = "", given = ""] = sealed.slice(MARK.length).split(".")
    if (!areEqual(given, mac(text))) return undefined
    return JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as State // our own, by its MAC
  }

  return {
    seal(request, asked) {
      const carried = membersOf(paramsText(request)).filter(({ name }) => CARRIED.has(name))
      const theirs = Object.fromEntries(carried.map(({ name, value }) => [name, value]))
      const state: State = { asked, untilMs: clock.now() + LIFE_MS, digest: digestOf(request), theirs }
      const text = Buffer.from(JSON.stringify(state)).toString("base64url")
      return `${MARK}${text}.${mac(text)}`
    },

    open(request) {
      if (!request.bytes.includes(MARK)) return undefined // which is so for nearly all
      const params = paramsText(request)
      const sealed = JSON.parse(memberText(params, "requestState") ?? "null") as unknown
      if (typeof sealed !== "string" || !sealed.startsWith(MARK)) return undefined
      const refuse = (why: string): never => {
        throw new PosternError(requestStateInvalid({ method: request.method, why }))
      }
      const state = read(sealed) ?? refuse("it was not made by this bridge")
      if (state.digest !== digestOf(request)) return refuse("it was made for another request")
      if (state.untilMs < clock.now()) return refuse("it was made too long ago")
      const answers = JSON.parse(memberText(params, "inputResponses") ?? "{}") as { readonly [QUESTION]?: unknown } | null // any value may be asked for a member
      return { request: withTheirs(request, state.theirs), asked: state.asked, reaction: readReaction(answers?.[QUESTION]) }
    },
  }
}

const membersOf = (text: string): readonly { readonly name: string; readonly value: string }[] => [...members(text)]

function paramsText(request: Frame): string {
  const params = memberText(request.bytes.toString("utf8"), "params")
  return params?.startsWith("{") ? params : "{}"
}

/** `_meta` may differ from one time to the next; what the server is asked may not. */
function digestOf(request: Frame): string {
  const asked = membersOf(paramsText(request)).filter(({ name }) => name !== "_meta" && !CARRIED.has(name))
  const sorted = asked.map(({ name, value }) => [name, value]).toSorted(([one = ""], [other = ""]) => (one < other ? -1 : 1))
  return createHash("sha256")
    .update(JSON.stringify([request.method, sorted]))
    .digest("base64url")
}

function withTheirs(request: Frame, theirs: State["theirs"]): Frame {
  const own = membersOf(paramsText(request)).filter(({ name }) => !CARRIED.has(name))
  const params = objectText([...own, ...Object.entries(theirs).map(([name, value]) => ({ name, value }))])
  const message = membersOf(request.bytes.toString("utf8"))
  return readFrame(objectText(message.map(({ name, value }) => ({ name, value: name === "params" ? params : value }))))
}

function objectText(parts: readonly { readonly name: string; readonly value: string }[]): string {
  return `{${parts.map(({ name, value }) => `${JSON.stringify(name)}:${value}`).join(",")}}`
}
