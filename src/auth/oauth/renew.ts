/**
 * Renewal of a grant: the one way to a refreshed token, whoever asks for it (an end that is near, a 401, a command).
 *
 * It stands on the lease of the grant (docs/architecture.md): take it, read again, note that an exchange begins, exchange, store. The
 * only importer of refresh.ts; what can go wrong after the server has rotated the token, and what each failure means, is decided here.
 */
import type { Findable } from "../../config/server-command.ts"
import type { AddressPolicy } from "../../core/address-gate.ts"
import { PosternError, failedWith, failureOf } from "../../core/diagnosis.ts"
import { lockLost } from "../../core/file-lock.ts"
import { vaultOvertaken } from "../../vault/diagnoses.ts"
import type { KeptSecret, Renewal } from "../../vault/vault.ts"
import type { MethodTools } from "../tools.ts"
import { oauthClientRefused, oauthGrantNotStored, oauthSignInNeeded } from "./diagnoses.ts"
import { TOKEN_LIMIT_MS, type TokenRefusal, tokenFault } from "./exchange.ts"
import { type Grant, keepGrant, parseGrant, secretsOfGrant } from "./grant.ts"
import { exchangeRefreshToken } from "./refresh.ts"
import type { Tokens } from "./token-answer.ts"

/** What is wanted of a grant. */
export interface RenewalWish {
  readonly server: Findable
  /** The grant's place in the vault. */
  readonly name: string
  readonly origin: string
  readonly policy: AddressPolicy
  readonly need: RenewalNeed
  /** Hears that a renewed grant could not be stored; it is in memory only, and storing is tried again. */
  onUnstored(grant: Grant, fault?: PosternError): void
  /** What is needed of a grant that is not stored yet: only whoever holds its lease may renew it again. */
  needOfUnstored(): RenewalNeed | undefined
  /** Hears that nothing is in memory only any more: it was stored, or somebody has signed in or out meanwhile. */
  onStored(): void
}

/** What makes a grant one that has to be renewed. */
export interface RenewalNeed {
  /** An access token that the server has refused; absent: it ends soon. */
  readonly refused?: string
  /** How long the token must still live, in milliseconds. */
  readonly lifetimeMs: number
}

/** A token endpoint that is overloaded or broken is asked again, after these pauses in milliseconds. */
const PAUSES_MS = [500, 2_000] as const
/** Others wait for an exchange that is slow, and for its second and third try. */
const LEASE = { waitMs: 4 * TOKEN_LIMIT_MS, holdMs: 4 * TOKEN_LIMIT_MS } as const
/** Between two tries to store what could not be stored, in milliseconds. */
const STORE_PAUSES_MS = [250, 1_000, 5_000] as const

/** The grant, or why there is none; kept apart so that what is stored comes first. */
type Outcome = { readonly grant: Grant } | { readonly fault: PosternError }

/** What was renewed, and came to a fence that was shut. */
interface Unstored {
  readonly unstored: Grant
  /** The refresh token that it was renewed with. */
  readonly exchanged: string
}

/**
 * Renews a grant under its lease, or returns what another process has renewed meanwhile.
 *
 * @param signal - ends the wait for the lease; an exchange that has begun is always finished and stored
 * @returns a grant that is not the refused one and lives as long as wanted; where it cannot be stored, it is returned all the same, and
 *   the lease is held until it can be, so that nobody uses the old refresh token once more
 * @throws {PosternError} `oauth-sign-in-needed` if only a person can mend it, and then the grant says so; `oauth-token-refused`,
 *   `oauth-token-invalid`, `oauth-client-refused`, `lock-timeout`, `disk-full` and its like, and what the connection throws: the grant
 *   is then as it was
 */
export async function renewGrant(wish: RenewalWish, tools: MethodTools, signal: AbortSignal): Promise<Grant> {
  const outcome = await new Promise<Outcome>((resolve, reject) => {
    renewAndStore({ wish, tools, publish: (grant) => resolve({ grant }) }, signal).then(resolve, reject)
  })
  if ("fault" in outcome) throw outcome.fault
  return outcome.grant
}

interface Desk {
  readonly wish: RenewalWish
  readonly tools: MethodTools
  keep(interim: KeptSecret): Promise<void>
  /** Gives a grant out before it is stored. */
  publish(grant: Grant): void
}

/** A lease that is lost between exchange and write is taken again: nobody else has what was renewed. */
async function renewAndStore(desk: Omit<Desk, "keep">, signal: AbortSignal): Promise<Outcome> {
  const { wish, tools } = desk
  const underLease = (decide: typeof decideRenewal, untilOver: AbortSignal): Promise<Outcome | Unstored> =>
    tools.vault.renew(wish, (present, keep) => decide(present, { ...desk, keep }), LEASE, untilOver)
  try {
    let outcome = await underLease(decideRenewal, signal)
    while ("unstored" in outcome) {
      const renewed = outcome
      outcome = await underLease((_present, anew) => storeUnlessGone(renewed, anew), new AbortController().signal)
    }
    return outcome
  } finally {
    wish.onStored()
  }
}

async function decideRenewal(present: KeptSecret | undefined, desk: Desk): Promise<Renewal<Outcome | Unstored>> {
  const { wish, tools } = desk
  if (present === undefined) return { result: { fault: signInNeeded(wish, "it was signed out") } }
  const grant = parseGrant(wish.name, present.secret)
  for (const secret of secretsOfGrant(grant)) tools.redactor.learnPassing(secret)
  if (isGood(grant, wish.need, tools.clock.now())) return { result: { grant } }
  if (grant.needsSignIn !== undefined) return { result: { fault: signInNeeded(wish, grant.needsSignIn, grant.issuer) } }
  const { refreshToken } = grant
  if (refreshToken === undefined)
    return markLost(grant, "it has ended, and cannot be renewed without a person (there is no refresh token)", wish)

  // That this can be stored shows that the result can; after a crash it tells that the refresh token may have been used.
  await desk.keep(keepGrant({ ...grant, exchangeBegunAtMs: tools.clock.now() }))
  const outcome = await exchangePatiently({ ...grant, refreshToken }, desk)
  if ("tokens" in outcome) {
    const renewed = withTokens(grant, outcome.tokens, tools.clock.now())
    for (const secret of secretsOfGrant(renewed)) tools.redactor.learnPassing(secret)
    return storeStubbornly({ unstored: renewed, exchanged: refreshToken }, desk)
  }
  return judgeRefusal(grant, outcome.refusal, desk)
}

function isGood(
  { accessToken, expiresAtMs = Number.POSITIVE_INFINITY }: Grant,
  { refused, lifetimeMs }: RenewalNeed,
  nowMs: number,
): boolean {
  return accessToken !== refused && expiresAtMs - nowMs > lifetimeMs
}

/**
 * Sent again where the server is overloaded or broken. One that broke (500, 502, 504) may have used the refresh token up, and take the
 * second for a theft (RFC 9700 section 4.14.2); but there is no other one, so the next call would send it too, and servers that forgive
 * a repeat do so for some seconds only.
 */
async function exchangePatiently(grant: Grant & { readonly refreshToken: string }, { wish, tools }: Desk) {
  const reach = { http: tools.http, policy: wish.policy, limitMs: TOKEN_LIMIT_MS }
  const { signal } = new AbortController() // nobody's impatience tears an exchange
  for (const pauseMs of PAUSES_MS) {
    const outcome = await exchangeRefreshToken(grant, reach, tools.clock, signal)
    if ("tokens" in outcome || (outcome.refusal.status < 500 && outcome.refusal.status !== 429)) return outcome
    await tools.clock.sleep(pauseMs)
  }
  return exchangeRefreshToken(grant, reach, tools.clock, signal)
}

/** RFC 6749 section 6: where no refresh token comes back, the old one is still good. */
function withTokens(grant: Grant, tokens: Tokens, nowMs: number): Grant {
  const { exchangeBegunAtMs: _begun, expiresAtMs: _end, ...kept } = grant
  const { accessToken, refreshToken = grant.refreshToken, expiresAtMs, scopes = grant.scopes, subject = grant.subject } = tokens
  return {
    ...kept,
    version: grant.version + 1,
    accessToken,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    obtainedAtMs: nowMs,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    scopes: [...scopes],
    ...(subject === undefined ? {} : { subject }),
  }
}

/** A renewed grant is never dropped: the old refresh token is used up by now. It may have to be renewed again before it can be stored. */
async function storeStubbornly({ unstored, exchanged }: Unstored, desk: Desk): Promise<Renewal<Outcome | Unstored>> {
  const { wish, tools, keep } = desk
  let grant = unstored
  for (let attempt = 0; ; attempt++) {
    const fault = await failureOf(keep(keepGrant(grant)))
    if (fault === undefined) return { result: { grant } }
    if (isShut(fault)) return { result: { unstored: grant, exchanged } }
    if (attempt === 0) {
      wish.onUnstored(
        grant,
        new PosternError(oauthGrantNotStored({ server: wish.server.name, cause: fault.diagnosis.cause }), { cause: fault }),
      )
      desk.publish(grant)
    }
    await tools.clock.sleep(STORE_PAUSES_MS[attempt] ?? 5_000)

    const need = wish.needOfUnstored()
    if (need === undefined) continue
    grant = await renewUnstored(grant, need, desk)
    wish.onUnstored(grant) // also where nothing came of it: the call that needs it is told by the server's own refusal
  }
}

/** @returns the very same where it cannot be renewed now: it must not be lost for that, and is still to be stored */
async function renewUnstored(grant: Grant, need: RenewalNeed, desk: Desk): Promise<Grant> {
  const { tools } = desk
  const { refreshToken } = grant
  if (refreshToken === undefined || isGood(grant, need, tools.clock.now())) return grant
  try {
    const outcome = await exchangePatiently({ ...grant, refreshToken }, desk)
    if ("refusal" in outcome) return grant
    const renewed = withTokens(grant, outcome.tokens, tools.clock.now())
    for (const secret of secretsOfGrant(renewed)) tools.redactor.learnPassing(secret)
    return renewed
  } catch (error) {
    if (error instanceof PosternError) return grant
    throw error
  }
}

/** Not what was written is at fault, but the lease under which it was to be. */
const isShut = (fault: PosternError): boolean => failedWith(fault, vaultOvertaken, lockLost)

/** Somebody may have signed in or out while nobody held the lease. */
async function storeUnlessGone(renewed: Unstored, desk: Desk): Promise<Renewal<Outcome | Unstored>> {
  const now = await whatStandsThere(desk.wish, desk.tools)
  if ("fault" in now || now.grant.refreshToken !== renewed.exchanged) return { result: now }
  return storeStubbornly(renewed, desk)
}

async function whatStandsThere(wish: RenewalWish, { vault }: MethodTools): Promise<Outcome> {
  const secret = await vault.read(wish.name, wish.origin)
  return secret === undefined ? { fault: signInNeeded(wish, "it was signed out") } : { grant: parseGrant(wish.name, secret) }
}

/** Only `invalid_grant` ends a grant, and only a client's own end does beside it (S58); anything else is no reason for a sign-in. */
async function judgeRefusal(grant: Grant, refusal: TokenRefusal, { wish, tools }: Desk): Promise<Renewal<Outcome>> {
  const { error, status, said } = refusal
  if (error === "invalid_grant" && status >= 400 && status < 500) {
    // Somebody who takes no lease may have renewed it: a copy of this folder on another machine, an older program.
    const now = await whatStandsThere(wish, tools)
    if ("fault" in now || now.grant.refreshToken !== grant.refreshToken) return { result: now }
    const cut =
      grant.exchangeBegunAtMs === undefined
        ? ""
        : `; a renewal was cut off or failed at ${new Date(grant.exchangeBegunAtMs).toISOString()}, and may have used the refresh token up`
    // It is kept in clear beside the grant, and some servers repeat the token that they refuse.
    const words = said === undefined ? "" : ` (${tools.redactor.clean(said)})`
    return markLost(grant, `the authorization server does not take its refresh token any more${words}${cut}`, wish)
  }
  if (error === "invalid_client") {
    if (grant.client.from === "registration") return markLost(grant, "the authorization server has forgotten Postern's registration", wish)
    const told = oauthClientRefused({ server: wish.server, client: grant.client.id, said: said ?? error })
    return asItWas(grant, refusal, new PosternError(told))
  }
  return asItWas(grant, refusal, tokenFault(grant.issuer, refusal))
}

/** The note that an exchange had begun goes, unless the server may have run it: it broke, and was not only too busy (RFC 9110 section 15.6.4). */
function asItWas(grant: Grant, { status }: TokenRefusal, fault: PosternError): Renewal<Outcome> {
  const mayHaveRun = status >= 500 && status !== 503
  return { ...(mayHaveRun ? {} : { next: keepGrant(grant) }), result: { fault } }
}

/** The grant stays, and says what is the matter: a person may still want to see whose it was. */
function markLost(grant: Grant, why: string, wish: RenewalWish): Renewal<Outcome> {
  const { exchangeBegunAtMs: _begun, ...kept } = grant
  return { next: keepGrant({ ...kept, needsSignIn: why.slice(0, 500) }), result: { fault: signInNeeded(wish, why, grant.issuer) } }
}

function signInNeeded({ server }: RenewalWish, why: string, issuer?: string): PosternError {
  return new PosternError(oauthSignInNeeded({ server, why, issuer }))
}
