/** The sign-ins of one bridge: one at a time however many calls wait for it, and not again and again. */
import type { Interaction, SignInLink } from "../../auth/interaction.ts"
import type { Authenticator } from "../../auth/method.ts"
import { nobodyToAsk } from "../../auth/diagnoses.ts"
import { orAborted } from "../../core/abort.ts"
import type { Clock } from "../../core/clock.ts"
import { PosternError, failedWith } from "../../core/diagnosis.ts"
import type { Identity } from "../../core/identity.ts"
import type { Log } from "../../core/log.ts"
import { withResolvers } from "../../core/with-resolvers.ts"
import { bridgeStopping } from "../diagnoses.ts"
import { signInDeclined, signInPaused, signInTimeout } from "./diagnoses.ts"

/** How a link comes before a person. */
export interface Way {
  /**
   * @param signedIn - resolves when the person is in, and never otherwise
   * @returns `opened` if a browser or the client shows it; `shown` if nothing does, and whoever waits has to be given it
   * @throws {PosternError} `sign-in-declined`
   */
  show(link: SignInLink, signal: AbortSignal, signedIn: Promise<void>): Promise<"opened" | "shown">
  /** As in `Interaction`. */
  readonly isElsewhere: boolean
}

/** One sign-in, shared by all that wait for it. */
export interface SignIn {
  /**
   * Waits until it has ended, or has come to a link that whoever waits has to hand on. Where the link was handed on before, a call may
   * have come because the person has followed it; what is left of the sign-in then is waited for a moment.
   *
   * @returns the link, or undefined when the person is in
   * @throws {PosternError} why it came to nothing, and the reason of `signal`, which ends the wait and nothing else
   */
  linkOrEnd(signal: AbortSignal): Promise<SignInLink | undefined>
  /** Waits until the person is in. @throws as `linkOrEnd` */
  end(signal: AbortSignal): Promise<void>
}

/** The sign-ins of one bridge, and the brakes on them. */
export interface SignIns {
  /** How many have led somebody in. Who was refused before the last one did need not ask for another. */
  readonly done: number
  /** The one that is under way. */
  readonly current: SignIn | undefined
  /**
   * Makes sure that a person may be asked: for whoever asks before there is a sign-in to join.
   *
   * @throws {PosternError} as `join`
   */
  passBrake(asked: boolean): void
  /**
   * Joins the one that is under way, or begins one.
   *
   * @param way - of a new one
   * @param asked - the person asks for it by name, so no brake holds
   * @throws {PosternError} `sign-in-paused` where a person has just declined, or two came to nothing
   */
  join(way: Way, asked: boolean): SignIn
  /** The person has said no to the one that is under way. */
  decline(reason: PosternError): void
  /** The server took a request: what came before it is forgotten. */
  succeeded(): void
}

/** For whom one signs in, and who hears of it. */
export interface SignInsSettings {
  /** The server's name. */
  readonly name: string
  /** By which the person signs in elsewhere. */
  readonly command: string
  readonly authenticator: Pick<Authenticator, "signIn">
  readonly clock: Clock
  readonly log: Log
  /** Hears of each success, before anybody that waits. */
  onSignedIn(identity: Identity): Promise<void>
  /** How long a person may take, in milliseconds; 5 minutes unless said. */
  readonly limitMs?: number
  /** How long a call that comes after the link was handed on waits for the rest of the sign-in, in milliseconds; 6 s unless said. */
  readonly followedMs?: number
  /** Ends all of it. */
  readonly life: AbortSignal
}

const SIGN_IN_MS = 5 * 60_000
/** How long a sign-in may take after the person has followed its link, in milliseconds: a device asks every 5 s (RFC 8628 section 3.2). */
const FOLLOWED_MS = 6_000
/** How long nobody is asked again after a no, in milliseconds. */
const QUIET_MS = 5 * 60_000
/** Sign-ins without a request that was taken after them. */
const MOST_IN_VAIN = 2

/** Begins with none, and with no brake on; all is forgotten with the bridge. */
export function makeSignIns(settings: SignInsSettings): SignIns {
  const { name, command, clock } = settings
  let current: BegunSignIn | undefined
  let done = 0
  let inVain = 0
  let declinedAtMs: number | undefined

  const whyBraked = (): string | undefined => {
    if (declinedAtMs !== undefined && clock.now() - declinedAtMs < QUIET_MS) return "it was declined a short while ago"
    return inVain >= MOST_IN_VAIN ? `${inVain} sign-ins in a row came to nothing` : undefined
  }

  const passBrake: SignIns["passBrake"] = (asked) => {
    const why = asked ? undefined : whyBraked()
    if (why !== undefined) throw new PosternError(signInPaused({ server: name, command, why }))
  }

  const begin = (way: Way): BegunSignIn => {
    // What never came before a person opened no tab, and is no reason to ask less.
    const show: Way["show"] = (...step) => {
      inVain++
      return way.show(...step)
    }
    const onSignedIn: SignInsSettings["onSignedIn"] = async (identity) => {
      done++
      await settings.onSignedIn(identity)
    }
    const begun = beginSignIn({ ...way, show }, { ...settings, onSignedIn })
    const forget = (): void => {
      if (current === begun) current = undefined
    }
    void begun.ended.then(forget, (error: unknown) => {
      if (failedWith(error, signInDeclined)) declinedAtMs = clock.now()
      forget()
    })
    return begun
  }

  return {
    get done() {
      return done
    },

    get current() {
      return current
    },

    passBrake,

    join(way, asked) {
      if (current) return current
      passBrake(asked)
      current = begin(way)
      return current
    },

    decline(reason) {
      declinedAtMs = clock.now()
      current?.stop(reason)
    },

    succeeded() {
      inVain = 0
      declinedAtMs = undefined
    },
  }
}

interface BegunSignIn extends SignIn {
  readonly ended: Promise<void>
  stop(reason: Error): void
}

function beginSignIn(way: Way, settings: SignInsSettings): BegunSignIn {
  const { name, command, authenticator, clock, log, life, limitMs = SIGN_IN_MS, followedMs = FOLLOWED_MS } = settings
  const end = new AbortController()
  const limit = setTimeout(() => end.abort(new PosternError(signInTimeout({ server: name, command, limitMs }))), limitMs)
  limit.unref()
  const signal = end.signal
  const onEnd = (): void => end.abort(new PosternError(bridgeStopping({ server: name })))
  if (life.aborted) onEnd()
  life.addEventListener("abort", onEnd, { once: true })
  const handedOn = withResolvers<SignInLink>()
  const signedIn = withResolvers()
  /** Before a person has it, a sign-in that nobody waits for is given up; after that it is the person's. */
  let isWithPerson = false
  let isHandedOn = false
  let waiting = 0

  const openLink: Interaction["openLink"] = async (link, inner) => {
    const how = await way.show(link, AbortSignal.any([inner, signal]), signedIn.promise)
    isWithPerson = true
    if (how === "shown") handedOn.resolve(link)
    return how
  }

  const run = async (): Promise<void> => {
    log.info("sign-in begins")
    try {
      const identity = await orAborted(
        authenticator.signIn(interactionBy({ openLink, isElsewhere: way.isElsewhere }, settings), signal),
        signal,
      )
      log.info("signed in", { subject: identity.subject })
      await settings.onSignedIn(identity)
      signedIn.resolve()
    } catch (error) {
      log.error("sign-in failed", { code: error instanceof PosternError ? error.diagnosis.code : String(error) })
      throw error
    } finally {
      clearTimeout(limit)
      life.removeEventListener("abort", onEnd)
    }
  }

  const ended = run()
  ended.catch(() => undefined) // whoever waits hears of it

  const wait = async <Result>(promise: Promise<Result>, waiter: AbortSignal): Promise<Result> => {
    waiting++
    try {
      return await orAborted(promise, waiter)
    } finally {
      waiting--
      if (waiting === 0 && !isWithPerson) end.abort(new Error("nobody waits for this sign-in any more"))
    }
  }

  const toHandOn = async (waiter: AbortSignal): Promise<SignInLink> => {
    if (isHandedOn) await clock.sleep(followedMs, waiter)
    const link = await handedOn.promise
    isHandedOn = true
    return link
  }

  return {
    ended,
    stop: (reason) => end.abort(reason),
    linkOrEnd: (waiter) => wait(Promise.race([ended.then(() => undefined), toHandOn(waiter)]), waiter),
    end: (waiter) => wait(ended, waiter),
  }
}

/** MCP's version of the contract in `auth/interaction.ts`. A client must not be asked for secrets (S67), so what needs typing is left to a terminal. */
function interactionBy(link: Pick<Interaction, "openLink" | "isElsewhere">, { command, log }: SignInsSettings): Interaction {
  const leaveToTerminal = (question: string): never => {
    throw new PosternError(nobodyToAsk({ question, instead: command, why: "a client of MCP may not be asked for it" }))
  }
  return {
    askSecret: async (question) => leaveToTerminal(question),
    askText: async (question) => leaveToTerminal(question),
    ...link,
    tell: (text) => log.info("told", { text }),
  }
}
