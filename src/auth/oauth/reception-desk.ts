/** Where the ways back from a sign-in end: the first answer that is the flow's own is redeemed, once; each visitor gets a page. */
import { type Diagnosis, PosternError } from "../../core/diagnosis.ts"
import type { LoopbackPage } from "../../core/http-loopback.ts"
import { withResolvers } from "../../core/with-resolvers.ts"
import { type Flow, judgeCallback, readCallback } from "./authorization-request.ts"
import type { Redeem } from "./browser-flow.ts"
import { failurePage, strayPage, successPage } from "./page.ts"

/** Where visits come in. Until a flow is open, and after it was used, each is a stray. */
export interface ReceptionDesk<Result> {
  visit(parameters: URLSearchParams): LoopbackPage | Promise<LoopbackPage>
  open(flow: Flow): void
  /** Takes an answer that came another way; throws if it is not the flow's own. */
  settle(parameters: URLSearchParams): void
  /** Takes the result of another way. */
  finish(result: Result): void
  fail(error: unknown): void
  readonly done: Promise<Result>
  /** Ends when the browser has its page, if one came. */
  readonly farewell: Promise<unknown>
}

/**
 * Makes a desk without a flow: the listener has to be bound before there can be one.
 *
 * @param server - its name, for the pages
 * @param redeem - is called once at most; what it throws is what `done` throws
 */
export function receptionDesk<Result extends { readonly subject?: string }>(server: string, redeem: Redeem<Result>): ReceptionDesk<Result> {
  let flow: Flow | undefined
  let isUsed = false
  let page: Promise<unknown> = Promise.resolve()
  const { promise: done, resolve, reject } = withResolvers<Result>()
  done.catch(() => undefined) // whoever waits for it hears it

  const take = (own: Flow, parameters: URLSearchParams): Promise<Result> => {
    isUsed = true
    const outcome = (async () => redeem(own, readCallback(own, parameters)))()
    resolve(outcome)
    return outcome
  }
  return {
    done,
    get farewell() {
      return page
    },
    open: (opened) => (flow = opened),
    fail: reject,
    finish(result) {
      isUsed = true
      resolve(result)
    },
    visit(parameters) {
      if (flow === undefined) return strayPage("none has begun here")
      const verdict = judgeCallback(flow, parameters)
      if (verdict.is === "foreign") return strayPage(verdict.why)
      if (isUsed) return strayPage("this one has been used")
      const told = take(flow, parameters).then(
        ({ subject }) => successPage(server, subject),
        (error: unknown) => failurePage(server, tell(error)),
      )
      page = told
      return told
    },
    settle(parameters) {
      if (flow === undefined || isUsed) return
      void take(flow, parameters).catch(() => undefined) // `done` tells it
    },
  }
}

/** A fault of our own is not explained to a browser. */
function tell(error: unknown): Diagnosis {
  if (error instanceof PosternError) return error.diagnosis
  return { code: "internal", kind: "failed", cause: "Something went wrong; see where the sign-in was started.", evidence: [] }
}
