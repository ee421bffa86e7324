/** Tells a client that its lists are stale: when the door has opened, and when somebody else is signed in than before (S19). */
import type { Authenticator } from "../../auth/method.ts"
import type { Clock } from "../../core/clock.ts"
import type { Log } from "../../core/log.ts"
import { type Frame, readFrame } from "../frame.ts"
import { memberText } from "../json-text.ts"
import type { Receive } from "../link.ts"
import { KINDS, type Kind } from "../memory.ts"
import { ACKNOWLEDGED, SUBSCRIPTION_KEY } from "../server/modern/subscription.ts"
import { whoIs } from "./memory-of-person.ts"
import { editResult, kindsIn, withCapabilities } from "./promises.ts"

/** What one client is told; only of lists for which `initialize` or a subscription promised it. */
export interface ChangeNotices {
  /** Learns from the result of `initialize` what the client may be told, and makes it promise that where `adds` says so. */
  opening(answer: Frame, adds: boolean): Frame
  /** Whether the server said that it has such lists; it may have them where nothing was heard of it. */
  mayHave(kind: Kind): boolean
  /**
   * Goes along with a subscription of a modern client, which hears nothing outside of one (S18): what the server has agreed to is told
   * on it, under its id.
   *
   * @param listen - carries the subscription, for as long as it lasts
   */
  along(request: Frame, receive: Receive, listen: (hear: Receive) => Promise<void>): Promise<void>
  /** Tells that all lists may have changed, and remembers who is signed in. */
  tell(): Promise<void>
  /** Tells it if somebody else is signed in than before; looks now and then, or `now`. */
  noticeIdentity(now?: "now"): Promise<void>
}

/** Who is signed in, and who is told. */
export interface ChangeNoticesSettings {
  readonly authenticator: Pick<Authenticator, "identity">
  /** Takes what goes to the client unasked. */
  readonly tell: Receive
  readonly clock: Clock
  readonly log: Log
}

/** How often it is looked who is signed in, at most: it is on the way of every call. In milliseconds. */
const LOOK_MS = 5_000

/** Begins knowing nothing: before `opening`, no list is told of. */
export function changeNotices({ authenticator, tell, clock, log }: ChangeNoticesSettings): ChangeNotices {
  let has: readonly Kind[] | undefined
  let told: readonly Kind[] = []
  let who: string | undefined
  let lookedAtMs = -Infinity

  const subscriptions = new Set<() => Promise<void>>()

  const tellAll = async (): Promise<void> => {
    for (const kind of told) await tell(changed(kind))
    for (const tellOn of subscriptions) await tellOn()
  }

  return {
    async tell() {
      lookedAtMs = clock.now()
      who = await whoIs(authenticator)
      await tellAll()
    },

    async along(request, receive, listen) {
      let agreed: readonly Kind[] = []
      const tellOn = async (): Promise<void> => {
        for (const kind of agreed) await receive(changed(kind, request.id))
      }
      subscriptions.add(tellOn)
      try {
        await listen((said) => {
          if (said.method === ACKNOWLEDGED) agreed = kindsAgreed(said)
          return receive(said)
        })
      } finally {
        subscriptions.delete(tellOn)
      }
    },

    mayHave: (kind) => has?.includes(kind) ?? true,

    opening(answer, adds) {
      const result = memberText(answer.bytes.toString("utf8"), "result")
      if (answer.kind !== "response" || !result?.startsWith("{")) return answer
      has = kindsIn(result).all
      const edited = adds ? editResult(answer, withCapabilities) : answer
      told = kindsIn(memberText(edited.bytes.toString("utf8"), "result") ?? "{}").told
      return edited
    },

    async noticeIdentity(now) {
      if (now === undefined && clock.now() - lookedAtMs < LOOK_MS) return
      lookedAtMs = clock.now()
      const before = who
      who = await whoIs(authenticator)
      if (before === undefined || before === who) return
      log.info("somebody else is signed in")
      await tellAll()
    },
  }
}

/** @param subscription - its id as JSON text, where it is told on one */
function changed(kind: Kind, subscription?: string): Frame {
  const params = subscription === undefined ? "" : `,"params":{"_meta":{"${SUBSCRIPTION_KEY}":${subscription}}}`
  return readFrame(`{"jsonrpc":"2.0","method":"notifications/${kind}/list_changed"${params}}`)
}

/** The lists whose changes a server has agreed to tell. */
function kindsAgreed(acknowledged: Frame): readonly Kind[] {
  const { params } = JSON.parse(acknowledged.bytes.toString("utf8")) as {
    params?: { notifications?: Record<string, unknown> | null } | null
  }
  return KINDS.filter((kind) => params?.notifications?.[`${kind}ListChanged`] === true)
}
