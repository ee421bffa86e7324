/** From a link to a code: the listener is bound, the person is sent away, and the first answer of their own sign-in is redeemed. */
import { orAborted } from "../../core/abort.ts"
import { type Diagnosis, PosternError } from "../../core/diagnosis.ts"
import { type Loopback, type LoopbackPage, listenOnLoopback } from "../../core/http-loopback.ts"
import type { Interaction } from "../interaction.ts"
import type { MethodTools } from "../tools.ts"
import { type Flow, authorizationLink, judgeCallback, readCallback, readPasted, startFlow } from "./authorization-request.ts"
import { type ClientPlan, type ClientQuestion, realizeClient } from "./client.ts"
import { oauthPortTaken } from "./diagnoses.ts"
import { TOKEN_LIMIT_MS } from "./exchange.ts"
import type { OAuthClient } from "./grant.ts"
import { failurePage, strayPage, successPage } from "./page.ts"
import type { Registration } from "./registration.ts"

/** A flow with its client. */
export interface ClientFlow extends Flow {
  /** A registration that is not kept yet. */
  readonly registration?: Registration
  /** Whether the client is a kept registration, which the server may have forgotten meanwhile. */
  readonly isKept: boolean
}

/** Makes something of a checked answer of the browser. */
export type Redeem<Result> = (flow: ClientFlow, callback: URLSearchParams) => Promise<Result>

export interface BrowserQuestion extends ClientQuestion {
  readonly plan: ClientPlan
  readonly scopes: readonly string[]
}

/**
 * Sends a person to sign in, and waits for them to come back: by the browser, or, where none was started, by what they paste.
 *
 * @param redeem - is called once, for the flow's own answer; the browser gets its page only after it
 * @returns what `redeem` gives
 * @throws {PosternError} `oauth-port-taken`, what `redeem` throws, and the reason of `signal`
 */
export async function signInByBrowser<Result extends { readonly subject?: string }>(
  question: BrowserQuestion,
  redeem: Redeem<Result>,
  { tools, interaction }: { readonly tools: MethodTools; readonly interaction: Interaction },
  signal: AbortSignal,
): Promise<Result> {
  const { server, destination } = question
  const desk = receptionDesk(server.name, redeem)
  await using loopback = await bindOne(question, desk.visit)
  const redirectUri = redirectOf(question, loopback.port)
  const flow = await prepareFlow(question, redirectUri, tools, signal)
  tools.redactor.learn(flow.verifier)
  const reach = { http: tools.http, policy: question.policy, limitMs: TOKEN_LIMIT_MS }
  const url = await authorizationLink(flow, reach, signal)
  desk.open(flow)

  const waiting = new AbortController()
  try {
    const message = `Sign in to ${server.name} (issuer ${new URL(destination.issuer).host})`
    const way = await orAborted(
      Promise.race([interaction.openLink({ url, message }, AbortSignal.any([signal, waiting.signal])), desk.done]),
      signal,
    )
    // Over SSH, or without a display, the browser may run on another machine, which cannot come back here.
    if (way === "shown") void paste(flow, desk, interaction, AbortSignal.any([signal, waiting.signal]))
    return await orAborted(desk.done, signal)
  } finally {
    waiting.abort(new Error("the sign-in is over"))
    await desk.farewell
  }
}

/** Where visits come in. Until a flow is open, and after it was used, each is a stray. */
interface ReceptionDesk<Result> {
  visit(parameters: URLSearchParams): LoopbackPage | Promise<LoopbackPage>
  open(flow: ClientFlow): void
  /** Takes an answer that came another way; throws if it is not the flow's own. */
  settle(parameters: URLSearchParams): void
  fail(error: unknown): void
  readonly done: Promise<Result>
  /** Ends when the browser has its page, if one came. */
  readonly farewell: Promise<unknown>
}

function receptionDesk<Result extends { readonly subject?: string }>(server: string, redeem: Redeem<Result>): ReceptionDesk<Result> {
  let flow: ClientFlow | undefined
  let isUsed = false
  let page: Promise<unknown> = Promise.resolve()
  let resolve: (result: Promise<Result>) => void
  let reject: (reason: unknown) => void
  const done = new Promise<Result>((...settlers) => ([resolve, reject] = settlers))
  done.catch(() => undefined) // whoever waits for it hears it

  const take = (own: ClientFlow, parameters: URLSearchParams): Promise<Result> => {
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
    fail: (error) => reject(error),
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

async function paste<Result>(flow: ClientFlow, desk: ReceptionDesk<Result>, interaction: Interaction, signal: AbortSignal): Promise<void> {
  const question = "If the browser cannot come back here, paste the address that it ended at (or the code)"
  while (!signal.aborted) {
    try {
      const parameters = readPasted(await interaction.askText(question, signal), flow)
      if (parameters === undefined) {
        interaction.tell("That is neither an address with a code in it nor a code.")
        continue
      }
      const verdict = judgeCallback(flow, parameters)
      if (verdict.is === "own") return desk.settle(parameters)
      interaction.tell(`That is not the answer to this sign-in: ${verdict.why}. Nothing was changed.`)
    } catch (error) {
      if (signal.aborted) return
      // Nobody can type here; the browser may still come back by itself.
      if (error instanceof PosternError && error.diagnosis.code === "nobody-to-ask") return
      if (error instanceof PosternError && error.diagnosis.code === "secret-empty") continue
      return desk.fail(error)
    }
  }
}

async function bindOne({ server, plan }: BrowserQuestion, onVisit: ReceptionDesk<unknown>["visit"]): Promise<Loopback> {
  const { oauth = {} } = server
  const [host, path] = [oauth.redirectHost ?? "127.0.0.1", oauth.redirectPath ?? "/callback"]
  const elsewhere = { ...strayPage("this is another page"), status: 404 }
  for (const [index, port] of plan.ports.entries()) {
    try {
      return await listenOnLoopback({ host, port, path, onVisit, elsewhere })
    } catch (error) {
      if (index < plan.ports.length - 1) continue
      throw new PosternError(oauthPortTaken({ host, port, fault: error instanceof Error ? error.message : String(error) }), {
        cause: error,
      })
    }
  }
  throw new Error("a client plan has at least one port")
}

function redirectOf({ server }: BrowserQuestion, port: number): string {
  const { redirectHost = "127.0.0.1", redirectPath = "/callback" } = server.oauth ?? {}
  return `http://${redirectHost}:${port}${redirectPath}`
}

/** A kept registration is tried out first: a server that has forgotten it shows an error to the person, and never sends them back. */
async function prepareFlow(question: BrowserQuestion, redirectUri: string, tools: MethodTools, signal: AbortSignal): Promise<ClientFlow> {
  const { server, destination, scopes, plan } = question
  const flowWith = (client: OAuthClient): Flow =>
    startFlow({ server: server.name, destination, client, redirectUri, scopes, extraParameters: server.oauth?.authorizeParams ?? {} })
  const first = await realizeClient(question, { redirectUri, scopes }, tools.http, signal)
  const flow = flowWith(first.client)
  if (!first.isKept || (await isWelcome(flow, question, tools, signal))) return { ...flow, ...first }
  const anew = { ...question, plan: { kind: "registration", kept: undefined, ports: plan.ports } } as const
  const second = await realizeClient(anew, { redirectUri, scopes }, tools.http, signal)
  return { ...flowWith(second.client), ...second }
}

async function isWelcome(
  flow: Flow,
  { policy, destination }: BrowserQuestion,
  { http }: MethodTools,
  signal: AbortSignal,
): Promise<boolean> {
  if (destination.metadata.require_pushed_authorization_requests) return true // the push tells
  const url = await authorizationLink(startFlow(flow), { http, policy, limitMs: TOKEN_LIMIT_MS }, signal)
  const answer = await http.send(
    { method: "GET", url, headers: { accept: "text/html" } },
    AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  )
  answer.discard()
  return answer.status < 400 || answer.status >= 500
}
