/**
 * A token of an SSO session that is good for a while: read from the shared cache, or renewed there.
 *
 * A refresh token is good for one use, and several programs share it. So it is renewed under a lock, what lies there is read again
 * after the wait, and renewed earlier than the AWS SDKs do it, which take no lock.
 */
import type { Clock } from "../../core/clock.ts"
import { PosternError, failedWith, failureOf } from "../../core/diagnosis.ts"
import { lockFile } from "../../core/file-lock.ts"
import type { Redactor } from "../../core/redact.ts"
import type { MethodTools } from "../tools.ts"
import { awsSsoEnded, awsSsoNotStored } from "./sso-diagnoses.ts"
import {
  type KeptSsoToken,
  type SsoClient,
  type SsoToken,
  ensureSsoCache,
  probeSsoWrite,
  readSsoToken,
  ssoTokenPath,
  writeSsoToken,
} from "./sso-cache.ts"
import { type OidcTools, createSsoToken, failed } from "./sso-oidc.ts"
import type { SsoSession } from "./sso-session.ts"

/** What using and renewing a token takes. */
export interface SsoTools extends OidcTools, Pick<MethodTools, "tell" | "hold"> {
  /** Renewed tokens that could not be written yet, by their file. Absent where nothing asks a second time. */
  readonly unstored?: Map<string, KeptSsoToken>
  readonly clock: Clock
  readonly redactor: Redactor
  /** The command by which a person signs in to the server that it is for; undefined where there is none. */
  readonly signIn: string | undefined
}

/** The AWS SDKs renew without a lock when five minutes are left, in milliseconds. */
const EARLY_MS = 6 * 60_000
/** A token is renewed, or tried to be, once in this time at most, in milliseconds: some live shorter than the time above. */
const RETRY_MS = 60_000
/** One exchange, its limit of ten seconds included, and the wait for another process's, in milliseconds. */
const TERMS = { waitMs: 30_000, holdMs: 30_000 }
/** Between two tries to write what could not be written, in milliseconds. */
const STORE_PAUSE_MS = 5_000
/** What says that the grant itself is at its end, and nothing else (RFC 6749 section 5.2, and AWS's own). */
const GRANT_IS_OVER: ReadonlySet<string> = new Set([
  "invalid_grant",
  "expired_token",
  "invalid_client",
  "unauthorized_client",
  "access_denied",
])

/**
 * @returns a token that is good now
 * @throws {PosternError} `aws-sso-ended` (kind sign-in) if there is none and none can be had without a person; `aws-sso-failed` or the
 *   connection's failure where that could not be found out
 */
export async function freshSsoToken(session: SsoSession, tools: SsoTools, signal: AbortSignal): Promise<SsoToken> {
  const present = tools.unstored?.get(ssoTokenPath(session)) ?? (await readSsoToken(session))
  if (present === undefined) throw ended(session, tools, undefined)
  learn(present, tools.redactor)
  const leftMs = present.expiresAtMs - tools.clock.now()
  if (leftMs > EARLY_MS || (leftMs > 0 && tools.clock.now() - present.writtenAtMs < RETRY_MS)) return present
  try {
    return await renewSsoToken(session, present, tools, signal)
  } catch (error) {
    // It could not be renewed, and is good for a few minutes more.
    if (error instanceof PosternError && present.expiresAtMs > tools.clock.now()) return present
    throw error
  }
}

/**
 * Renews a token, or takes the one that another process has put in its place.
 *
 * @param stale - the token that is near its end, or was refused
 * @returns a token that is good now; where it cannot be written, it is returned all the same, and the lock is held until it can be, so
 *   that nobody sends the old refresh token once more
 * @throws as `freshSsoToken`
 */
export async function renewSsoToken(session: SsoSession, stale: SsoToken, tools: SsoTools, signal: AbortSignal): Promise<SsoToken> {
  await ensureSsoCache(session)
  return new Promise((resolve, reject) => {
    const work = renewUnderLock(session, stale, { tools, publish: resolve }, signal).then(resolve, reject)
    tools.hold?.(work)
  })
}

interface Desk {
  readonly tools: SsoTools
  /** Gives a token out before it is written. */
  publish(token: SsoToken): void
}

async function renewUnderLock(session: SsoSession, stale: SsoToken, desk: Desk, signal: AbortSignal): Promise<SsoToken> {
  const { tools } = desk
  await using lock = await lockFile(ssoTokenPath(session), { clock: tools.clock, ...TERMS }, signal)
  const present = await readSsoToken(session)
  if (present === undefined) throw ended(session, tools, undefined)
  if (present.accessToken !== stale.accessToken && present.expiresAtMs > tools.clock.now()) return learned(present, tools)
  const { client, refreshToken } = present
  if (client === undefined || refreshToken === undefined || client.expiresAtMs <= tools.clock.now()) throw ended(session, tools, present)
  await probeSsoWrite(session) // a disk that is full or a folder that cannot be written is found before the exchange, and not after it
  await lock.assertHeld() // afterwards it is too late: the refresh token is used up once it was sent
  return await exchange({ session, present, client, refreshToken }, desk) // the lock ends with this scope
}

/**
 * Stores the token of a sign-in.
 *
 * @throws {PosternError} `lock-timeout`, `disk-full`, `not-writable`
 */
export async function storeSsoToken(session: SsoSession, token: SsoToken, { clock, redactor }: SsoTools): Promise<void> {
  learn(token, redactor)
  await using lock = await lockFile(ssoTokenPath(session), { clock, ...TERMS })
  await writeSsoToken(session, token, () => lock.assertHeld())
}

interface Renewal {
  readonly session: SsoSession
  readonly present: SsoToken
  readonly client: SsoClient
  readonly refreshToken: string
}

/** Nothing is torn here. */
async function exchange(renewal: Renewal, desk: Desk): Promise<SsoToken> {
  const { session, present, client, refreshToken } = renewal
  const { tools } = desk
  const signal = new AbortController().signal // it has a limit of its own
  const answer = await createSsoToken(
    session,
    client,
    { grantType: "refresh_token", refreshToken },
    { tools, nowMs: () => tools.clock.now(), signal },
  )
  if ("error" in answer) {
    // A program that takes no lock may have been faster.
    const found = await readSsoToken(session)
    if (found !== undefined && found.accessToken !== present.accessToken) return learned(found, tools)
    throw GRANT_IS_OVER.has(answer.error) ? ended(session, tools, present) : failed(session, "renew the session", answer)
  }
  const renewed = { ...answer, refreshToken: answer.refreshToken ?? refreshToken }
  learn(renewed, tools.redactor)
  return storeStubbornly(renewed, renewal, desk)
}

/**
 * A renewed token is never dropped: the one that lies there is used up by now. For that reason it is replaced whoever holds the lock, and
 * nothing else is: who has signed in or out meanwhile, means it.
 */
async function storeStubbornly(renewed: SsoToken, { session, refreshToken }: Renewal, { tools, publish }: Desk): Promise<SsoToken> {
  const path = ssoTokenPath(session)
  const passFence = async (): Promise<void> => {
    const found = await readSsoToken(session)
    if (found?.refreshToken !== refreshToken) throw ended(session, tools, found)
  }
  for (let isFirst = true; ; isFirst = false) {
    const fault = await failureOf(writeSsoToken(session, renewed, passFence))
    if (fault === undefined || isOvertaken(fault)) {
      tools.unstored?.delete(path)
      return fault === undefined ? renewed : whatLiesThere(session, tools)
    }
    if (isFirst) {
      tools.unstored?.set(path, { ...renewed, writtenAtMs: tools.clock.now() })
      tools.tell?.(awsSsoNotStored({ profile: session.profile, cause: fault.diagnosis.cause }))
      publish(renewed)
    }
    await tools.clock.sleep(STORE_PAUSE_MS)
  }
}

const isOvertaken = (fault: PosternError): boolean => failedWith(fault, awsSsoEnded)

async function whatLiesThere(session: SsoSession, tools: SsoTools): Promise<SsoToken> {
  const found = await readSsoToken(session)
  if (found === undefined) throw ended(session, tools, undefined)
  return learned(found, tools)
}

/** That a person has to sign in again: the session's end as its file tells it, and which profile it is. */
export function ended(
  { profile }: SsoSession,
  { signIn, clock }: Pick<SsoTools, "signIn" | "clock">,
  token: SsoToken | undefined,
): PosternError {
  if (token === undefined) return new PosternError(awsSsoEnded({ signIn, profile, isRefused: false }))
  const endsAt = new Date(token.expiresAtMs).toISOString()
  return new PosternError(awsSsoEnded({ signIn, profile, endsAt, isRefused: token.expiresAtMs > clock.now() }))
}

function learned(token: SsoToken, { redactor }: SsoTools): SsoToken {
  learn(token, redactor)
  return token
}

/** Nothing of a token is ever written by us but into its file. */
export function learn({ accessToken, refreshToken, client }: SsoToken, redactor: Redactor): void {
  for (const secret of [accessToken, refreshToken, client?.clientSecret]) if (secret !== undefined) redactor.learnPassing(secret)
}
