/** How a link comes before a person: the rungs of the ladder that lie inside a sign-in. */
import { randomUUID } from "node:crypto"
import type { Browser } from "../../core/browser.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Log } from "../../core/log.ts"
import { signInDeclined } from "./diagnoses.ts"
import type { Declared } from "./declared.ts"
import type { Questions, Reaction } from "./questions.ts"
import type { Way } from "./sign-ins.ts"

/** With what a link can come before a person. */
export interface WaySettings {
  /** The server's name. */
  readonly name: string
  /** By which the person signs in elsewhere. */
  readonly command: string
  readonly questions: Questions
  readonly browser: Browser
  readonly log: Log
}

/** The client shows the link: whoever waits is given it for that. */
const handOn: Way = { show: async () => "shown", isElsewhere: false }

/** Opens the browser; where none can be started, whoever waits is given the link. */
export function byBrowser({ browser, log }: Pick<WaySettings, "browser" | "log">): Way {
  return {
    isElsewhere: !browser.present,
    async show({ url }, signal) {
      if (browser.present && (await browser.open(url, signal))) return "opened"
      log.info("no browser could be started")
      return "shown"
    },
  }
}

/**
 * The first way that the client can take, of those that do not answer the call that waits (`ladder.ts` has those).
 *
 * @param declared - of the call that begins the sign-in
 */
export function wayFor(declared: Declared, settings: WaySettings): Way {
  if (declared.era === "modern") return declared.url ? handOn : byBrowser(settings)
  if (declared.url) return byUrlQuestion(settings)
  return declared.form && settings.browser.present ? byFormQuestion(settings) : byBrowser(settings)
}

/** Revision 2025-11-25: the client shows the link; `accept` says that it was opened, and no more. */
function byUrlQuestion(settings: WaySettings): Way {
  const show: Way["show"] = async (link, signal, signedIn) => {
    const elicitationId = randomUUID()
    const message = link.code === undefined ? link.message : `${link.message}. The page asks for this code: ${link.code}`
    const reaction = await settings.questions.elicit({ mode: "url", elicitationId, url: link.url.href, message }, signal)
    if (reaction === "failed") return byBrowser(settings).show(link, signal, signedIn)
    refuseUnlessAccepted(reaction, settings)
    void signedIn.then(() => settings.questions.notify("notifications/elicitation/complete", { elicitationId }))
    return "opened"
  }
  return { show, isElsewhere: false }
}

/** A client that knows forms only is asked whether the browser may be opened: a link has no place in a form (S67). */
function byFormQuestion(settings: WaySettings): Way {
  const { show, isElsewhere } = byBrowser(settings)
  return {
    isElsewhere,
    async show(link, signal, signedIn) {
      const reaction = await settings.questions.elicit(browserQuestion(settings.name), signal)
      if (reaction !== "failed") refuseUnlessAccepted(reaction, settings)
      return show(link, signal, signedIn)
    },
  }
}

/** The parameters of a form that asks for nothing but a yes. */
export function browserQuestion(name: string): { readonly message: string; readonly requestedSchema: object } {
  return { message: `Sign in to ${name} in the browser?`, requestedSchema: { type: "object", properties: {} } }
}

/** @throws {PosternError} `sign-in-declined` */
export function refuseUnlessAccepted(reaction: Reaction, { name: server, command }: Pick<WaySettings, "name" | "command">): void {
  if (reaction === "decline" || reaction === "cancel")
    throw new PosternError(signInDeclined({ server, command, how: `the answer in the client: ${reaction}` }))
}
