/**
 * The exchange of a refresh token. Only renew.ts may import this file (dependency-cruiser proves it): two exchanges of one rotating
 * refresh token make the server revoke them all (RFC 9700 section 4.14.2), and the lease stands there.
 */
import * as oauth from "oauth4webapi"
import type { Clock } from "../../core/clock.ts"
import { type Reach, clientOf, proofOf, sendForm } from "./authorization-server.ts"
import { type TokenOutcome, judgeTokens } from "./exchange.ts"
import type { Grant } from "./grant.ts"

/**
 * Sends the refresh token to the token endpoint that the grant was made with, with the same resource and the same proof of the client
 * (S57). Sent once: what is to be tried again, and when, is the caller's.
 */
export async function exchangeRefreshToken(
  grant: Grant & { readonly refreshToken: string },
  reach: Reach,
  clock: Clock,
  signal: AbortSignal,
): Promise<TokenOutcome> {
  const { issuer, tokenEndpoint, client, resourceParameter, refreshToken } = grant
  const additionalParameters = resourceParameter === undefined ? {} : { resource: resourceParameter }
  const metadata = { issuer, token_endpoint: tokenEndpoint }
  const answer = await sendForm(
    (options) =>
      oauth.refreshTokenGrantRequest(metadata, clientOf(client), proofOf(client), refreshToken, { ...options, additionalParameters }),
    reach,
    signal,
  )
  return judgeTokens(answer, { issuer, clientId: client.id, nowMs: clock.now() })
}
