/**
 * The sign-in by authorization code and PKCE (RFC 8252, RFC 7636), as the AWS CLI does it since 2.22: AWS SSO's `authorize` takes
 * `scopes` where OAuth has `scope`, and any port of 127.0.0.1 behind the one registered path.
 */
import { createHash, randomBytes } from "node:crypto"
import { orAborted, limited } from "../../core/abort.ts"
import { passAddress } from "../../core/address-gate.ts"
import { areEqual } from "../../core/constant-time.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { type LoopbackPage, listenOnLoopback } from "../../core/http-loopback.ts"
import { withResolvers } from "../../core/with-resolvers.ts"
import { failurePage, strayPage, successPage } from "../oauth/page.ts"
import type { SsoClient, SsoToken } from "./sso-cache.ts"
import { createSsoToken, failed, oidcEndpoint } from "./sso-oidc.ts"
import type { SsoSession } from "./sso-session.ts"
import { REDIRECT_PATH, SIGN_IN_MS, STANDARD_SCOPE, type SignInTools, notFinished } from "./sso-flow.ts"

interface Flow {
  readonly redirectUri: string
  readonly state: string
  readonly verifier: string
}

/**
 * @throws {PosternError} `aws-sso-not-finished` if the person declines or does not come back in ten minutes; what `createSsoToken`
 *   and `openLink` throw
 */
export async function signInByCode(
  session: SsoSession,
  client: SsoClient,
  { interaction, tools }: SignInTools,
  signal: AbortSignal,
): Promise<SsoToken> {
  const [state, verifier] = [randomText(), randomText()]
  tools.redactor.learnPassing(verifier)
  const desk = receive(session, state)
  const elsewhere = { ...strayPage("this is another page"), status: 404 }
  const settings = { host: "127.0.0.1", port: 0, path: REDIRECT_PATH, onVisit: desk.visit, elsewhere } as const
  await using loopback = await listenOnLoopback(settings)
  const flow = { redirectUri: `http://127.0.0.1:${loopback.port}${REDIRECT_PATH}`, state, verifier }
  desk.redeem((code) => redeem({ session, client, flow, code }, tools, signal))

  const limit = limited(signal, SIGN_IN_MS)
  try {
    const url = authorizeLink(session, client, flow, tools.env)
    const message = `Sign in to AWS SSO (${session.name ?? session.profile})`
    await Promise.race([interaction.openLink({ url, message }, limit), desk.done])
    return await orAborted(desk.done, limit)
  } catch (error) {
    if (error === DECLINED) throw notFinished(session, tools, true)
    if (limit.aborted && !signal.aborted) throw notFinished(session, tools, false)
    throw error
  } finally {
    await desk.farewell() // the browser has its page before the port is closed
  }
}

/** AWS SSO has no metadata document: the address is the one of its other calls. */
function authorizeLink(
  session: SsoSession,
  { clientId }: SsoClient,
  { redirectUri, state, verifier }: Flow,
  env: SignInTools["tools"]["env"],
): URL {
  const base = oidcEndpoint(session, env)
  const url = new URL(`${base.pathname.replace(/\/$/, "")}/authorize`, base)
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    state,
    code_challenge_method: "S256",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    scopes: session.scopes.length === 0 ? STANDARD_SCOPE : session.scopes.join(" "),
  }).toString()
  return passAddress(url, "open for a person", { home: base, allowPrivate: false })
}

interface Redeeming {
  readonly session: SsoSession
  readonly client: SsoClient
  readonly flow: Flow
  readonly code: string
}

async function redeem({ session, client, flow, code }: Redeeming, tools: SignInTools["tools"], signal: AbortSignal): Promise<SsoToken> {
  const { redirectUri, verifier } = flow
  const grant = { grantType: "authorization_code", code, redirectUri, codeVerifier: verifier } as const
  const answer = await createSsoToken(session, client, grant, { tools, nowMs: () => tools.clock.now(), signal })
  if ("error" in answer) throw failed(session, "give a token for the code", answer)
  return answer
}

/** The person said no on the page. */
const DECLINED = new Error("declined")

interface Desk {
  visit(parameters: URLSearchParams): LoopbackPage | Promise<LoopbackPage>
  /** Says what is done with the code. */
  redeem(exchange: (code: string) => Promise<SsoToken>): void
  readonly done: Promise<SsoToken>
  /** Waits until the browser has its page, if one came. */
  farewell(): Promise<void>
}

/** A visit that is not the flow's own changes nothing, and the flow goes on (RFC 9700 section 4.7); its own counts once. */
function receive(session: SsoSession, state: string): Desk {
  let exchange: ((code: string) => Promise<SsoToken>) | undefined
  let page: Promise<unknown> = Promise.resolve()
  let isUsed = false
  const { promise: done, resolve, reject } = withResolvers<SsoToken>()
  done.catch(() => undefined) // whoever waits for it hears it
  const name = `AWS SSO (${session.name ?? session.profile})`

  const take = async (parameters: URLSearchParams): Promise<LoopbackPage> => {
    try {
      const token = await exchange?.(codeAmong(parameters, session))
      if (token === undefined) throw DECLINED // nobody waits for it
      resolve(token)
      return successPage(name, undefined)
    } catch (error) {
      reject(error)
      return failurePage(
        name,
        error instanceof PosternError ? error.diagnosis : { code: "", kind: "failed", cause: "The sign-in was declined.", evidence: [] },
      )
    }
  }
  return {
    done,
    redeem: (given) => (exchange = given),
    farewell: async () => void (await page),
    visit(parameters) {
      const states = parameters.getAll("state")
      if (states.length !== 1 || !areEqual(states[0] ?? "", state)) return strayPage("it belongs to another sign-in (state)")
      if (isUsed) return strayPage("this one has been used")
      isUsed = true
      const told = take(parameters)
      page = told
      return told
    },
  }
}

/** Of the refusals (RFC 6749 section 4.1.2.1) one is the person's; the others are AWS's, and mended elsewhere. */
function codeAmong(parameters: URLSearchParams, session: SsoSession): string {
  const error = parameters.get("error") ?? ""
  if (error === "access_denied") throw DECLINED
  const [code, ...others] = parameters.getAll("code")
  if (error === "" && code !== undefined && others.length === 0) return code
  const said = parameters.get("error_description") ?? (error === "" ? "neither one code nor a refusal came back" : "")
  throw failed(session, "let you in", { error, status: 302, said }) // it comes by a redirect
}

const randomText = (): string => randomBytes(32).toString("base64url")
