/** From a link to a code: the listener is bound, the person is sent away, and the first answer of their own sign-in is redeemed. */
import { orAborted, limited } from "../../core/abort.ts"
import { PosternError, failedWith } from "../../core/diagnosis.ts"
import { type Loopback, listenOnLoopback } from "../../core/http-loopback.ts"
import { nobodyToAsk, secretEmpty } from "../diagnoses.ts"
import type { Interaction } from "../interaction.ts"
import type { MethodTools } from "../tools.ts"
import { type Flow, authorizationLink, judgeCallback, readPasted, startFlow } from "./authorization-request.ts"
import { type ClientPlan, type ClientQuestion, type RealClient, realizeClient } from "./client.ts"
import { oauthPortTaken } from "./diagnoses.ts"
import { TOKEN_LIMIT_MS } from "./exchange.ts"
import { strayPage } from "./page.ts"
import { type ReceptionDesk, receptionDesk } from "./reception-desk.ts"

/** Makes something of a checked answer of the browser. */
export type Redeem<Result> = (flow: Flow, callback: URLSearchParams) => Promise<Result>

/** As which client, and for which scopes, a person is sent away. */
export interface BrowserQuestion<Result> extends ClientQuestion {
  readonly plan: ClientPlan
  readonly scopes: readonly string[]
  /** Another way that is offered beside the link, where no browser was started. One that fails is no matter. */
  beside?(flow: Flow, signal: AbortSignal): Promise<Result>
}

/**
 * Sends a person to sign in, and waits for them to come back: by the browser, or, where none was started, by what they paste.
 *
 * @param redeem - is called once, for the flow's own answer; the browser gets its page only after it
 * @returns what `redeem` gives
 * @throws {PosternError} `oauth-port-taken`, what `redeem` throws, and the reason of `signal`
 */
export async function signInByBrowser<Result extends { readonly subject?: string }>(
  question: BrowserQuestion<Result>,
  redeem: Redeem<Result>,
  { tools, interaction }: { readonly tools: MethodTools; readonly interaction: Interaction },
  signal: AbortSignal,
): Promise<Result> {
  const { server, destination } = question
  const desk = receptionDesk(server.name, redeem)
  await using loopback = await bindOne(question, desk.visit)
  const redirectUri = redirectOf(question, loopback.port)
  const flow = await prepareFlow(question, redirectUri, tools, signal)
  tools.redactor.learnPassing(flow.verifier)
  const reach = { http: tools.http, policy: question.policy, limitMs: TOKEN_LIMIT_MS }
  const url = await authorizationLink(flow, reach, signal)
  desk.open(flow)

  const waiting = new AbortController()
  void orAborted(desk.done, signal).catch(desk.fail) // which changes nothing once an answer is being redeemed
  try {
    const message = `Sign in to ${server.name} (issuer ${new URL(destination.issuer).host})`
    const way = await Promise.race([interaction.openLink({ url, message }, waiting.signal), desk.done])
    // Over SSH, or without a display, the browser may run on another machine, which cannot come back here.
    if (way === "shown") {
      void question.beside?.(flow, waiting.signal).then(desk.finish, () => undefined)
      void paste(flow, desk, interaction, waiting.signal)
    }
    return await desk.done
  } finally {
    waiting.abort(new Error("the sign-in is over"))
    await desk.farewell
  }
}

async function paste<Result>(flow: Flow, desk: ReceptionDesk<Result>, interaction: Interaction, signal: AbortSignal): Promise<void> {
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
      if (failedWith(error, nobodyToAsk)) return
      if (failedWith(error, secretEmpty)) continue
      return desk.fail(error)
    }
  }
}

type Bindable = Omit<BrowserQuestion<never>, "beside">

async function bindOne({ server, plan }: Bindable, onVisit: ReceptionDesk<unknown>["visit"]): Promise<Loopback> {
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

function redirectOf({ server }: Bindable, port: number): string {
  const { redirectHost = "127.0.0.1", redirectPath = "/callback" } = server.oauth ?? {}
  return `http://${redirectHost}:${port}${redirectPath}`
}

/**
 * A kept registration, and a hosted document, are tried out first: a server that has forgotten the one, or finds no redirect of the
 * other that is ours (S40), shows an error to the person, and never sends them back. Where it registers clients, one is registered.
 */
async function prepareFlow(question: Bindable, redirectUri: string, tools: MethodTools, signal: AbortSignal): Promise<Flow> {
  const { server, destination, scopes, plan } = question
  const flowAs = (real: RealClient): Flow =>
    startFlow({ ...real, server, destination, redirectUri, scopes, extraParameters: server.oauth?.authorizeParams ?? {} })
  const flow = flowAs(await realizeClient(question, redirectUri, tools, signal))
  const canRegister = destination.metadata.registration_endpoint !== undefined
  const isDoubtful = flow.isKept || (flow.client.from === "document" && canRegister)
  if (!isDoubtful || (await isWelcome(flow, question, tools, signal))) return flow
  const anew = { ...question, plan: { kind: "registration", kept: undefined, ports: plan.ports } } as const
  return flowAs(await realizeClient(anew, redirectUri, tools, signal))
}

async function isWelcome(flow: Flow, { policy, destination }: Bindable, { http }: MethodTools, signal: AbortSignal): Promise<boolean> {
  if (destination.metadata.require_pushed_authorization_requests) return true // the push tells
  const url = await authorizationLink(startFlow(flow), { http, policy, limitMs: TOKEN_LIMIT_MS }, signal)
  const request = { method: "GET", url, headers: { accept: "text/html" } } as const
  try {
    const answer = await http.send(request, limited(signal, 10_000))
    answer.discard()
    return answer.status !== 400 && answer.status !== 401 // 403 and its like may be a wall that lets browsers pass
  } catch (error) {
    // A browser may come where we cannot; but to no address that was refused.
    if (signal.aborted || (error instanceof PosternError && error.diagnosis.kind === "guard")) throw error
    return true
  }
}
