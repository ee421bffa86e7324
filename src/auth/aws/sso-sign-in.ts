/**
 * Signs a person in to AWS SSO, as `aws sso login` does, and leaves the token where all AWS tools find it.
 *
 * With a browser on this machine the code comes back to a port of it (RFC 8252, RFC 7636); without one the person types a code into a
 * page on any machine (RFC 8628). One sign-in for each session on the whole machine: who waits for another's takes its token, and so does
 * one that waits on its page while somebody signs in by another program.
 */
import { findBrowser } from "../../core/browser.ts"
import { failedWith } from "../../core/diagnosis.ts"
import { type FileLock, lockFile, lockTimeout } from "../../core/file-lock.ts"
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

/** How it is gone about; unless said otherwise by the browser, where there is one and the profile names an `[sso-session]`. */
export interface SignInOptions {
  /** Leaves the port of this machine alone, and asks for a code on a page. */
  readonly deviceCode?: boolean
  /** Somebody asks for it by name: another sign-in that is under way is not waited for. Whoever waits there takes the outcome of this one. */
  readonly insists?: boolean
}

/** A registration that ends sooner is not used any more, in milliseconds. */
const CLIENT_EARLY_MS = 15 * 60_000
/** What says that a registration is none any more, or none for this way of signing in. */
const CLIENT_IS_GONE: ReadonlySet<string> = new Set(["invalid_client", "unauthorized_client"])

/** How often it is looked whether somebody else has signed in meanwhile, in milliseconds. */
const LOOK_MS = 2_000

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
  await using turn = await takeTurn(session, { tools, options }, signal)
  const other = await newerThan(before, session, tools)
  if (other !== undefined) return other

  const ended = new AbortController()
  const untilEnded = AbortSignal.any([signal, ended.signal])
  const elsewhere = waitForOther(before, session, tools, untilEnded)
  try {
    const own = signInOnce(session, interaction, { tools, options }, untilEnded)
    const outcome = await Promise.race([
      own.then((token) => ({ token, isOwn: true })),
      elsewhere.then((token) => ({ token, isOwn: false })),
    ])
    if (!outcome.isOwn) return outcome.token
    await turn?.assertHeld()
    await storeSsoToken(session, outcome.token, tools)
    return outcome.token
  } finally {
    ended.abort(new Error("the sign-in is over"))
  }
}

/**
 * Not the lock of the token itself: others must be able to find out, meanwhile, that it has ended.
 *
 * @returns undefined where another sign-in is under way, and is not waited for
 */
async function takeTurn(
  session: SsoSession,
  { tools, options }: { readonly tools: SsoTools; readonly options: SignInOptions },
  signal: AbortSignal,
): Promise<FileLock | undefined> {
  const terms = { clock: tools.clock, waitMs: options.insists ? 0 : SIGN_IN_MS, holdMs: SIGN_IN_MS }
  try {
    return await lockFile(`${ssoTokenPath(session)}.sign-in`, terms, signal)
  } catch (error) {
    if (options.insists && failedWith(error, lockTimeout)) return undefined
    throw error
  }
}

/** The token that somebody else has put there since, if it is good. */
async function newerThan(before: SsoToken | undefined, session: SsoSession, { clock, redactor }: SsoTools): Promise<SsoToken | undefined> {
  const found = await readSsoToken(session)
  if (found === undefined || found.accessToken === before?.accessToken || found.expiresAtMs <= clock.now()) return undefined
  learn(found, redactor)
  return found
}

/** Somebody may sign in by another program while our page waits: `aws sso login`, or `postern auth` in a terminal. */
async function waitForOther(before: SsoToken | undefined, session: SsoSession, tools: SsoTools, signal: AbortSignal): Promise<SsoToken> {
  for (;;) {
    await tools.clock.sleep(LOOK_MS, signal)
    const found = await newerThan(before, session, tools)
    if (found !== undefined) return found
  }
}

async function signInOnce(
  session: SsoSession,
  interaction: Interaction,
  { tools, options }: { readonly tools: SsoTools; readonly options: SignInOptions },
  signal: AbortSignal,
): Promise<SsoToken> {
  // A profile of the older form knows codes on a page only, as with the AWS CLI.
  const byCode = session.name !== undefined && options.deviceCode !== true && findBrowser(tools.env).present
  const flow = byCode ? "authorization_code" : "device_code"
  const signIn = byCode ? (await import("./sso-code.ts")).signInByCode : signInByDevice
  const kept = await readSsoClient(session, flow)
  const isKept = kept !== undefined && kept.expiresAtMs - tools.clock.now() > CLIENT_EARLY_MS
  try {
    return await signIn(session, isKept ? kept : await register(session, flow, tools, signal), { interaction, tools }, signal)
  } catch (error) {
    // AWS has forgotten the registration before its time.
    if (!isKept || !(error instanceof SsoRefused) || !CLIENT_IS_GONE.has(error.error)) throw error
    return signIn(session, await register(session, flow, tools, signal), { interaction, tools }, signal)
  }
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
