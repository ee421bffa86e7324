/**
 * The ladder: what happens when a call meets the locked door and a person is needed to open it.
 *
 * The call waits; the first rung that the client can take is used; once a person is in, the same call is carried again. A wrapper
 * around a server side: neither the door nor the relay knows of it. The rungs, each only where the client declared it (S66):
 *
 * 1. modern client with URL elicitation: the call is answered with a question; the client asks again with its answer (S69)
 * 2. legacy client with URL elicitation: the client is asked to show the link (S68)
 * 3. client with forms only: it is asked whether the browser may be opened (S67)
 * 4. a desktop: the browser is opened
 * 5. otherwise: the call is answered with the link and the command
 */
import type { Browser } from "../core/browser.ts"
import { type Diagnosis, PosternError } from "../core/diagnosis.ts"
import { signInDeclined } from "./sign-in/diagnoses.ts"
import { diagnosisOf } from "./error-answer.ts"
import type { Frame } from "./frame.ts"
import type { OnSent, Receive, ServerSide } from "./link.ts"
import { inputRequired, linkQuestion, mayAsk, tellHow } from "./sign-in/answers.ts"
import { declaredAtOpening, declaredBy } from "./sign-in/declared.ts"
import { clientQuestions } from "./sign-in/questions.ts"
import { type Returned, requestStates } from "./sign-in/request-state.ts"
import { type SignInsSettings, makeSignIns } from "./sign-in/sign-ins.ts"
import { Cancelled, type Waiter, waitingRoom } from "./sign-in/waiting.ts"
import { browserQuestion, byBrowser, wayFor } from "./sign-in/ways.ts"
import { isLocked } from "./when-locked.ts"

/** Who may be asked to sign in, and when: when a call needs it, at the start too, or never. */
export type SignInMode = "ask" | "eager" | "never"

/** How one bridge asks: with what the client and this machine have for it. */
export interface LadderSettings extends SignInsSettings {
  readonly mode: SignInMode
  readonly browser: Browser
  /** The client's `initialize`, where it came before the ladder was there. */
  readonly initialize?: Frame | undefined
  /** Takes what goes to the client unasked. */
  readonly tell: Receive
  /** Hears that a message of the client waits for a person, and is not on its way to the server. */
  readonly onWait?: OnSent
  /** The redactor's exit for text. */
  readonly clean: (text: string) => string
  /** Hears of each call that the server took, before its promise is kept. */
  onTaken(): Promise<void>
}

/** What is done for a request; it may meet the locked door. */
export interface Errand {
  /** @throws {PosternError} kind `sign-in` where a person is needed; it is done once more after a sign-in */
  attempt(request: Frame): Promise<void>
  /** The person asks for a sign-in by name, so no brake holds. */
  readonly asked: boolean
}

/** A server side that also climbs for what is not carried to the server. */
export interface Ladder extends ServerSide {
  /** Runs an errand, and climbs where it meets the locked door. */
  climb(request: Frame, receive: Receive, signal: AbortSignal, errand: Errand): Promise<void>
  /** Begins a sign-in that no call waits for (`eager`). */
  begin(): void
}

/** Only what a person or a model asks for climbs; lists and subscriptions are a client's own. */
const CLIMBS = new Set(["tools/call", "prompts/get", "resources/read"])

/** Times that a person is asked for one call. */
const MOST_CLIMBS = 2

interface Climber extends Waiter {
  /** The request as the client sent it. */
  readonly given: Frame
  /** Set where the request answers our question. */
  readonly returned: Returned | undefined
  readonly asked: boolean
}

/** Wraps a server side. */
export function withLadder(side: ServerSide, settings: LadderSettings): Ladder {
  const { name, command, mode, browser, clean, life } = settings
  const questions = clientQuestions(settings.tell, settings.log)
  const states = requestStates(settings.clock)
  const signIns = makeSignIns(settings)
  const room = waitingRoom(name, settings.clock)
  let declaredBefore = declaredAtOpening(settings.initialize)

  const wait = <Result>(climber: Climber, something: (signal: AbortSignal) => Promise<Result>): Promise<Result> => {
    settings.onWait?.(climber.given)
    return room.wait(climber, something)
  }

  /** @returns the answer; undefined when the door may be open now */
  const ask = async (diagnosis: Diagnosis, climber: Climber): Promise<Frame | undefined> => {
    const { request, returned } = climber
    if (mode === "never") return tellHow(request, diagnosis, { clean })
    const declared = declaredBy(request) ?? declaredBefore
    const asksInResult = declared.era === "modern" && mayAsk(request)
    const formFirst = asksInResult && !declared.url && declared.form && browser.present && returned?.asked !== "form"
    if (formFirst && !signIns.current) {
      signIns.passBrake(climber.asked)
      return inputRequired(request, browserQuestion(name), states.seal(request, "form"))
    }
    const signIn = signIns.join(wayFor(declared, { ...settings, questions }), climber.asked)
    const link = await wait(climber, (signal) => signIn.linkOrEnd(signal))
    if (link === undefined) return undefined
    if (asksInResult && declared.url) return inputRequired(request, linkQuestion(link), states.seal(request, "url"))
    return tellHow(request, diagnosis, { link, clean })
  }

  /** Heeds the client's answer to our question: `accept` says that the link was opened, and no more, so it is waited for (S70). */
  const heed = async (climber: Climber): Promise<void> => {
    const { returned } = climber
    if (returned?.reaction === "decline" || returned?.reaction === "cancel") {
      const declined = new PosternError(signInDeclined({ server: name, command, how: `the answer in the client: ${returned.reaction}` }))
      signIns.decline(declined)
      throw declined
    }
    const { current } = signIns
    if (returned?.asked === "url" && current) await wait(climber, (signal) => current.end(signal))
  }

  /** Why it came to no sign-in is an answer, too. */
  const orTold = async (step: Promise<Frame | void>, { request, signal }: Climber): Promise<Frame | void> => {
    try {
      return await step
    } catch (error) {
      if (signal.aborted || life.aborted || error instanceof Cancelled) throw error
      return tellHow(request, diagnosisOf(error), { clean })
    }
  }

  /** @returns the answer that is still owed */
  const climbFor = async (climber: Climber, attempt: Errand["attempt"]): Promise<Frame | void> => {
    const { request, returned } = climber
    const declined = returned && (await orTold(heed(climber), climber))
    if (declined) return declined
    const met = new Set<string>()
    for (;;) {
      const before = signIns.done
      const locked = await meetDoor(attempt(request))
      if (!locked) return undefined
      // Whoever has come in may be asked for more, for example for a scope. The same once more, or a third time, is no matter of asking.
      if (met.has(locked.code) || met.size === MOST_CLIMBS) return tellHow(request, locked, { clean })
      met.add(locked.code)
      // A refusal that was on its way while somebody came in is of the former proof.
      const answer = signIns.done > before ? undefined : await orTold(ask(locked, climber), climber)
      if (answer) return answer
    }
  }

  const climb: Ladder["climb"] = async (request, receive, signal, { attempt, asked }) => {
    const returned = states.open(request)
    try {
      const answer = await climbFor({ given: request, request: returned?.request ?? request, returned, receive, signal, asked }, attempt)
      if (answer) await receive(answer)
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error
    }
  }

  const succeed = (): Promise<void> => {
    signIns.succeeded()
    return settings.onTaken()
  }

  return {
    climb,

    async carry(frame, receive, signal) {
      if (frame.method === "initialize") declaredBefore = declaredAtOpening(frame)
      if (frame.kind === "response" && questions.take(frame)) return
      if (frame.method === "notifications/cancelled" && room.cancel(frame)) return
      const attempt = (request: Frame): Promise<void> => side.carry(request, receive, signal)
      if (!CLIMBS.has(frame.method)) return attempt(frame)
      await climb(frame, receive, signal, { attempt: (request) => attempt(request).then(succeed), asked: false })
    },

    begin() {
      const signIn = signIns.join(byBrowser(settings), false)
      signIn.end(settings.life).catch(() => undefined) // the log says why
    },

    close: (signal) => side.close(signal),
  }
}

/** @returns the diagnosis of a locked door, or undefined where it was passed. @throws everything else */
async function meetDoor(passage: Promise<void>): Promise<Diagnosis | undefined> {
  try {
    await passage
    return undefined
  } catch (error) {
    if (!isLocked(error)) throw error
    return error.diagnosis
  }
}
