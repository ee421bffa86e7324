/** What a 401 or 403 of the server means for a sign-in, and what is to be remembered of it until somebody signs in. */
import type { HttpServer } from "../../config/server.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Answer } from "../../core/http.ts"
import { accessDenied } from "../diagnoses.ts"
import type { Recovery } from "../method.ts"
import { type Challenge, findBearer } from "./challenge.ts"
import { oauthAccessDenied, oauthSignInNeeded, oauthTokenNotAccepted } from "./diagnoses.ts"
import type { Grant } from "./grant.ts"
import type { KeptGrant } from "./kept-grant.ts"
import { stepUpFor } from "./step-up.ts"

/** What a session knows of the server's refusals. */
export interface RefusalMemory {
  /** The last one's, which says where one signs in. */
  readonly challenge?: Challenge
  /** Scopes that the server wants beside those of the sign-in; it may want more and not say what. Undefined: no more are wanted. */
  readonly missing: readonly string[] | undefined
  /** What a person was asked for beyond the first sign-in, each time (`askedFor`). */
  readonly asked: readonly string[]
  /** The token that only a person can mend, or undefined where there was none; absent: no sign-in is wanted. */
  readonly unmended?: { readonly token: string | undefined }
  /** The last token that was renewed for a refusal, until the server takes it, or refuses it. */
  readonly renewed?: string | undefined
  /** One of those that was refused at its first use, and until when it is not renewed once more. */
  readonly notAccepted?: { readonly token: string; readonly untilMs: number }
}

/** One refusal. */
export interface Refusal {
  readonly answer: Pick<Answer, "status" | "headers">
  /** The token that was sent; undefined: none. */
  readonly sent: string | undefined
  /** When it came, in milliseconds on a clock that nobody sets. */
  readonly nowMs: number
}

/** How long a server that has refused a new token is not tried with another one, in milliseconds: it may only have been too early. */
const NOT_ACCEPTED_MS = 60_000

/** What to do, and what was learned; no more than that: other refusals are looked at meanwhile, and people sign in. */
type Verdict = { readonly recovery: Recovery; readonly learned: Partial<RefusalMemory> }

/**
 * Looks at a refusal: what was renewed or signed in to meanwhile is tried, what can be renewed is renewed; the rest takes a person.
 *
 * @param memory - as it is at the beginning
 */
export async function judgeRefusal(
  { answer, sent, nowMs }: Refusal,
  { server, keeper, memory }: { readonly server: HttpServer; readonly keeper: KeptGrant; readonly memory: RefusalMemory },
  signal: AbortSignal,
): Promise<Verdict> {
  const { status, headers } = answer
  const challenge = findBearer(headers["www-authenticate"])
  const heard = challenge ? { challenge } : {}
  keeper.lookAgain()
  const grant = await keeper.read()
  if (grant === undefined) {
    // 403 without a challenge is no question about identity (S52).
    if (status === 403 && headers["www-authenticate"] === undefined)
      return { recovery: { advice: "denied", diagnosis: accessDenied({ server: server.name, status }) }, learned: {} }
    const diagnosis = oauthSignInNeeded({ server, why: "nobody has signed in yet" })
    return { recovery: { advice: "sign-in", diagnosis }, learned: { ...heard, unmended: { token: undefined } } }
  }
  const refused = oauthSignInNeeded({ server, why: "the server does not take the token", issuer: grant.issuer })
  if (sent !== grant.accessToken) return { recovery: { advice: "retry", diagnosis: refused }, learned: heard }
  if (status === 403) {
    const { recovery, learned } = judgeForbidden(server, grant, challenge, memory.asked)
    return { recovery, learned: { ...heard, ...learned } }
  }

  // A server that takes no token at all would use one up with every message.
  const isNew = sent === memory.renewed
  const { notAccepted = { token: undefined, untilMs: 0 } } = memory
  if (isNew || (sent === notAccepted.token && nowMs < notAccepted.untilMs)) {
    const untilMs = isNew ? nowMs + NOT_ACCEPTED_MS : notAccepted.untilMs
    const header = headers["www-authenticate"] ?? ""
    const diagnosis = oauthTokenNotAccepted({ server, status, issuer: grant.issuer, challenge: header })
    return { recovery: { advice: "denied", diagnosis }, learned: { ...heard, renewed: undefined, notAccepted: { token: sent, untilMs } } }
  }
  const { recovery, learned } = await renewOrTell(grant, { keeper, refused }, signal)
  return { recovery, learned: { ...heard, ...learned } }
}

function judgeForbidden(server: HttpServer, grant: Grant, challenge: Challenge | undefined, asked: readonly string[]): Verdict {
  if (challenge?.parameters["error"] !== "insufficient_scope") {
    const subject = grant.subject ?? `the client ${grant.client.id}`
    return { recovery: { advice: "denied", diagnosis: oauthAccessDenied({ server: server.name, subject, status: 403 }) }, learned: {} }
  }
  const { recovery, missing } = stepUpFor(server, grant, challenge, asked)
  return { recovery, learned: { ...(missing ? { missing } : {}), unmended: { token: grant.accessToken } } }
}

async function renewOrTell(
  grant: Grant,
  { keeper, refused }: { readonly keeper: KeptGrant; readonly refused: Recovery["diagnosis"] },
  signal: AbortSignal,
): Promise<Verdict> {
  try {
    const { accessToken } = await keeper.renew({ refused: grant.accessToken, lifetimeMs: 0 }, signal)
    // It is the same where it is not stored yet, and could not be renewed again.
    const learned = accessToken === grant.accessToken ? {} : { renewed: accessToken }
    return { recovery: { advice: "retry", diagnosis: refused }, learned }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    const { diagnosis } = error
    if (diagnosis.kind !== "sign-in") return { recovery: { advice: "denied", diagnosis }, learned: {} }
    return { recovery: { advice: "sign-in", diagnosis }, learned: { unmended: { token: grant.accessToken } } }
  }
}
