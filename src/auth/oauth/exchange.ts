/** A code for tokens, and how any answer of a token endpoint is judged. The other exchange, of a refresh token, stands in refresh.ts. */
import * as oauth from "oauth4webapi"
import type { Findable } from "../../config/server-command.ts"
import type { Clock } from "../../core/clock.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { isObject } from "../../core/json.ts"
import { type EndpointAnswer, type Reach, clientOf, proofOf, sendForm } from "./authorization-server.ts"
import { oauthClientRefused, oauthTokenRefused } from "./diagnoses.ts"
import type { OAuthClient } from "./grant.ts"
import type { IssuerMetadata } from "./issuer-metadata.ts"
import { type Tokens, readTokens } from "./token-answer.ts"

/** Longest time that a token endpoint may take. To give up on one that is slow loses what it is about to give. */
export const TOKEN_LIMIT_MS = 60_000

/** An answer that is no token. */
export interface TokenRefusal {
  readonly status: number
  /** The error code of RFC 6749 section 5.2; undefined for a page, or an answer without one. */
  readonly error: string | undefined
  /** What the server said of it, as it came. */
  readonly said: string | undefined
}

/** Tokens, or why there are none. */
export type TokenOutcome = { readonly tokens: Tokens } | { readonly refusal: TokenRefusal }

/**
 * Judges an answer of a token endpoint. Some say an error with status 200 (Slack); some answer with a page.
 *
 * @throws {PosternError} `oauth-token-invalid` for a success that is no token
 */
export function judgeTokens(
  { status, json }: EndpointAnswer,
  at: { readonly issuer: string; readonly clientId: string; readonly nowMs: number },
): TokenOutcome {
  const words = wordsOf(json)
  if (status === 200 && words.error === undefined && json !== undefined) return { tokens: readTokens(json, at) }
  return { refusal: { status, ...words } }
}

/** @returns `error` and `error_description` of an answer, where it has them (RFC 6749 section 5.2) */
export function wordsOf(json: unknown): Pick<TokenRefusal, "error" | "said"> {
  const answer = isObject(json) ? json : {}
  const [error, said] = [answer["error"], answer["error_description"]].map((one) => (typeof one === "string" ? one : undefined))
  return { error, said }
}

/** @returns a refusal as it is told where no sign-in mends it */
export function tokenFault(issuer: string, { status, error, said }: TokenRefusal): PosternError {
  return new PosternError(oauthTokenRefused({ issuer, status, error, said }))
}

/** A kept registration that the server does not know any more (S43). */
export class ForgottenClient extends PosternError {}

/** At which endpoint's issuer, and as whom, something was asked for. */
export interface AskedAs {
  readonly server: Findable
  readonly destination: { readonly issuer: string }
  readonly client: OAuthClient
  /** Whether the client is a kept registration. */
  readonly isKept: boolean
}

/** @returns a refusal as it is told during a sign-in: that of a kept registration is a reason for a new one */
export function signInFault({ server, destination, client, isKept }: AskedAs, refusal: TokenRefusal): PosternError {
  const { error, said } = refusal
  if (error !== "invalid_client") return tokenFault(destination.issuer, refusal)
  const diagnosis = oauthClientRefused({ server, client: client.id, said: said ?? error })
  return isKept ? new ForgottenClient(diagnosis) : new PosternError(diagnosis)
}

/** What a code was asked for with. */
export interface CodeFlow {
  readonly metadata: IssuerMetadata
  readonly client: OAuthClient
  readonly redirectUri: string
  readonly verifier: string
  /** The checked answer of the browser (`readCallback`). */
  readonly callback: URLSearchParams
  readonly resourceParameter: string | undefined
}

/** Exchanges a code. The resource is named again (S46). It ends by the limit of `reach` alone: a torn exchange loses its tokens. */
export async function exchangeCode(flow: CodeFlow, reach: Reach, clock: Clock): Promise<TokenOutcome> {
  const { metadata, client, redirectUri, verifier, callback, resourceParameter } = flow
  const additionalParameters = resourceParameter === undefined ? {} : { resource: resourceParameter }
  const answer = await sendForm(
    (options) =>
      oauth.authorizationCodeGrantRequest(metadata, clientOf(client), proofOf(client), callback, redirectUri, verifier, {
        ...options,
        additionalParameters,
      }),
    reach,
    new AbortController().signal,
  )
  return judgeTokens(answer, { issuer: metadata.issuer, clientId: client.id, nowMs: clock.now() })
}
