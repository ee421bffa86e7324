/**
 * Signs a person in to AWS SSO, as `aws sso login` does, and leaves the token where all AWS tools find it.
 *
 * With a browser on this machine the code comes back to a port of it (RFC 8252, RFC 7636); without one the person types a code into a
 * page on any machine (RFC 8628). One sign-in for each session on the whole machine: who waits for another's takes its token.
 */
import { passAddress } from "../../core/address-gate.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { lockFile } from "../../core/file-lock.ts"
import type { Interaction } from "../interaction.ts"
import {
  type SsoClient,
  type SsoFlow,
  type SsoToken,
  ensureSsoCache,
  readSsoClient,
  readSsoToken,
  ssoTokenPath,
  writeSsoClient,
} from "./sso-cache.ts"
import { createSsoToken, failed, oidcEndpoint, registerSsoClient, startDeviceSignIn } from "./sso-oidc.ts"
import type { SsoSession } from "./sso-session.ts"
import { type SsoTools, learn, storeSsoToken } from "./sso-token.ts"
import { awsSsoNotFinished } from "./sso-diagnoses.ts"

export interface SignInOptions {
  /** Leaves the port of this machine alone, and asks for a code on a page. */
  readonly deviceCode?: boolean
}

/** How long a person has, in milliseconds; AWS's codes live as long. */
export const SIGN_IN_MS = 600_000
/** A registration that ends sooner is not used any more, in milliseconds. */
const CLIENT_EARLY_MS = 15 * 60_000
/** What slow_down adds (RFC 8628 section 3.5), in milliseconds. */
const SLOWER_MS = 5_000

/**
 * @param interaction - shows the page, or its link
 * @throws {PosternError} `aws-sso-not-finished`, `sign-in-declined`, `aws-sso-failed`, `address-refused`, `lock-timeout`, and the
 *   connection's failures
 */
export async function signInSso(
  session: SsoSession,
  interaction: Interaction,
  { tools }: { readonly tools: SsoTools; readonly options?: SignInOptions },
  signal: AbortSignal,
): Promise<SsoToken> {
  await ensureSsoCache(session)
  const before = await readSsoToken(session)
  // Not the lock of the token itself: others must be able to find out, meanwhile, that it has ended.
  await using turn = await lockFile(
    `${ssoTokenPath(session)}.sign-in`,
    { clock: tools.clock, waitMs: SIGN_IN_MS, holdMs: SIGN_IN_MS },
    signal,
  )
  const after = await readSsoToken(session)
  if (after !== undefined && after.accessToken !== before?.accessToken && after.expiresAtMs > tools.clock.now()) {
    learn(after, tools.redactor)
    return after // another process has signed in meanwhile
  }
  const client = await clientFor(session, "device_code", tools, signal)
  const token = await signInByDevice(session, client, { interaction, tools }, signal)
  await turn.assertHeld()
  await storeSsoToken(session, token, tools)
  return token
}

/** The AWS CLI asks for this scope where none is configured. */
export const STANDARD_SCOPE = "sso:account:access"
/** The address that is registered has no port: AWS SSO lets any follow (RFC 8252 section 7.3). */
const REGISTERED_REDIRECT = "http://127.0.0.1/oauth/callback"

async function clientFor(session: SsoSession, flow: SsoFlow, tools: SsoTools, signal: AbortSignal): Promise<SsoClient> {
  const kept = await readSsoClient(session, flow)
  if (kept !== undefined && kept.expiresAtMs - tools.clock.now() > CLIENT_EARLY_MS) return kept
  const named = { clientName: `postern-${session.name ?? "sso"}`, clientType: "public" }
  const scopes = session.scopes.length === 0 && flow === "authorization_code" ? [STANDARD_SCOPE] : session.scopes
  const scoped = scopes.length === 0 ? {} : { scopes }
  const byCode = { grantTypes: ["authorization_code", "refresh_token"], redirectUris: [REGISTERED_REDIRECT], issuerUrl: session.startUrl }
  const asked = flow === "authorization_code" ? { ...named, ...scoped, ...byCode } : { ...named, ...scoped }
  const client = await registerSsoClient(session, asked, tools, signal)
  await writeSsoClient(session, client, flow === "authorization_code" ? { ...scoped, grantTypes: byCode.grantTypes } : scoped)
  return client
}

/** What both ways of signing in are given. */
export interface SignInTools {
  readonly interaction: Interaction
  readonly tools: SsoTools
}

async function signInByDevice(
  session: SsoSession,
  client: SsoClient,
  { interaction, tools }: SignInTools,
  signal: AbortSignal,
): Promise<SsoToken> {
  const { deviceCode, userCode, link, lifeMs, intervalMs } = await startDeviceSignIn(session, client, tools, signal)
  const url = passAddress(link, "open for a person", { home: oidcEndpoint(session, tools.env), allowPrivate: false })
  await interaction.openLink({ url, message: `Sign in to AWS SSO (${session.name ?? session.profile})`, code: userCode }, signal)
  const grant = { grantType: "urn:ietf:params:oauth:grant-type:device_code", deviceCode } as const
  let pauseMs = intervalMs
  for (let waitedMs = 0; waitedMs < lifeMs; waitedMs += pauseMs) {
    await tools.clock.sleep(pauseMs, signal)
    const answer = await createSsoToken(session, client, grant, { tools, nowMs: () => tools.clock.now(), signal })
    if (!("error" in answer)) return answer
    if (answer.error === "slow_down") pauseMs += SLOWER_MS
    else if (answer.error === "access_denied") throw notFinished(session, tools, true)
    else if (answer.error === "expired_token") break
    else if (answer.error !== "authorization_pending") throw failed(session, "finish the sign-in", answer)
  }
  throw notFinished(session, tools, false)
}

export function notFinished({ profile }: SsoSession, { server }: SsoTools, declined: boolean): PosternError {
  return new PosternError(awsSsoNotFinished({ profile, server, declined }))
}
