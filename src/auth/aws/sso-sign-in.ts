/**
 * Signs a person in to AWS SSO, as `aws sso login` does, and leaves the token where all AWS tools find it.
 *
 * With a browser on this machine the code comes back to a port of it (RFC 8252, RFC 7636); without one the person types a code into a
 * page on any machine (RFC 8628). One sign-in for each session on the whole machine: who waits for another's takes its token.
 */
import { findBrowser } from "../../core/browser.ts"
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
import { SsoRefused, registerSsoClient } from "./sso-oidc.ts"
import type { SsoSession } from "./sso-session.ts"
import { type SsoTools, learn, storeSsoToken } from "./sso-token.ts"
import { signInByDevice } from "./sso-device.ts"
import { REDIRECT_PATH, SIGN_IN_MS, STANDARD_SCOPE } from "./sso-flow.ts"

export interface SignInOptions {
  /** Leaves the port of this machine alone, and asks for a code on a page. */
  readonly deviceCode?: boolean
}

/** A registration that ends sooner is not used any more, in milliseconds. */
const CLIENT_EARLY_MS = 15 * 60_000
/** What says that a registration is none any more, or none for this way of signing in. */
const CLIENT_IS_GONE: ReadonlySet<string> = new Set(["invalid_client", "unauthorized_client"])

/**
 * @param interaction - shows the page, or its link
 * @throws {PosternError} `aws-sso-not-finished`, `sign-in-declined`, `aws-sso-failed`, `address-refused`, `lock-timeout`, and the
 *   connection's failures
 */
export async function signInSso(
  session: SsoSession,
  interaction: Interaction,
  { tools, options = {} }: { readonly tools: SsoTools; readonly options?: SignInOptions },
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
  // A profile of the older form knows codes on a page only, as with the AWS CLI.
  const byCode = session.name !== undefined && options.deviceCode !== true && findBrowser(tools.env).present
  const flow = byCode ? "authorization_code" : "device_code"
  const signIn = byCode ? (await import("./sso-code.ts")).signInByCode : signInByDevice
  const kept = await readSsoClient(session, flow)
  const isKept = kept !== undefined && kept.expiresAtMs - tools.clock.now() > CLIENT_EARLY_MS
  const token = await signIn(session, isKept ? kept : await register(session, flow, tools, signal), { interaction, tools }, signal).catch(
    async (error: unknown) => {
      // AWS has forgotten the registration before its time.
      if (!isKept || !(error instanceof SsoRefused) || !CLIENT_IS_GONE.has(error.error)) throw error
      return signIn(session, await register(session, flow, tools, signal), { interaction, tools }, signal)
    },
  )
  await turn.assertHeld()
  await storeSsoToken(session, token, tools)
  return token
}

/** The address that is registered has no port: AWS SSO lets any follow (RFC 8252 section 7.3). */
const REGISTERED_REDIRECT = `http://127.0.0.1${REDIRECT_PATH}`

async function register(session: SsoSession, flow: SsoFlow, tools: SsoTools, signal: AbortSignal): Promise<SsoClient> {
  const named = { clientName: `postern-${session.name ?? "sso"}`, clientType: "public" }
  const scopes = session.scopes.length === 0 && flow === "authorization_code" ? [STANDARD_SCOPE] : session.scopes
  const scoped = scopes.length === 0 ? {} : { scopes }
  const byCode = { grantTypes: ["authorization_code", "refresh_token"], redirectUris: [REGISTERED_REDIRECT], issuerUrl: session.startUrl }
  const asked = flow === "authorization_code" ? { ...named, ...scoped, ...byCode } : { ...named, ...scoped }
  const client = await registerSsoClient(session, asked, tools, signal)
  await writeSsoClient(session, client, flow === "authorization_code" ? { ...scoped, grantTypes: byCode.grantTypes } : scoped)
  return client
}
