/** Signing out: the tokens are revoked where that is possible (RFC 7009), and the grant is forgotten in any case. */
import * as oauth from "oauth4webapi"
import type { AddressPolicy } from "../../core/address-gate.ts"
import { type Diagnosis, PosternError, failureOf } from "../../core/diagnosis.ts"
import type { KeptSecret, Renewal } from "../../vault/vault.ts"
import type { MethodTools } from "../tools.ts"
import { type Reach, clientOf, proofOf, sendForm } from "./authorization-server.ts"
import { oauthRevocationFailed } from "./diagnoses.ts"
import { TOKEN_LIMIT_MS } from "./exchange.ts"
import { type Grant, parseGrant } from "./grant.ts"

/** What came of it. */
export interface SignedOut {
  /** The grant's name in the vault, which has it no more. */
  readonly name: string
  readonly revoked: boolean
  /** Why it was not revoked; absent when it was. */
  readonly failure?: Diagnosis
}

const LIMIT_MS = 15_000
/** A renewal that is under way is waited for, and what it brings is revoked. */
const LEASE = { waitMs: TOKEN_LIMIT_MS, holdMs: 60_000 } as const

/**
 * Revokes and forgets one grant, under its lease. The refresh token goes first: it is worth more. A revocation that fails is told, and
 * stops nothing; so is a lease that another holds for too long.
 *
 * @param grant - its name and origin in the vault
 */
export async function signOut(
  { name, origin, policy }: { readonly name: string; readonly origin: string; readonly policy: AddressPolicy },
  { vault, http }: MethodTools,
  signal: AbortSignal,
): Promise<SignedOut> {
  const revokePresent = async (present: KeptSecret | undefined): Promise<void> => {
    if (present !== undefined) await revoke(parseGrant(name, present.secret), { http, policy, limitMs: LIMIT_MS }, signal)
  }
  const revokeAndForget = async (present: KeptSecret | undefined): Promise<Renewal<PosternError | undefined>> => {
    const result = await failureOf(revokePresent(present))
    await vault.remove(name) // under the lease: what was revoked, and nothing that was stored since
    return { result }
  }
  const failure = await vault.renew({ name, origin }, revokeAndForget, LEASE, signal).catch(async (error: unknown) => {
    if (!(error instanceof PosternError)) throw error
    await vault.remove(name) // whoever holds the lease cannot put it back
    return error
  })
  return { name, revoked: failure === undefined, ...(failure ? { failure: failure.diagnosis } : {}) }
}

async function revoke(grant: Grant, reach: Reach, signal: AbortSignal): Promise<void> {
  const { issuer, client, revocationEndpoint, refreshToken, accessToken } = grant
  if (revocationEndpoint === undefined) {
    throw new PosternError(oauthRevocationFailed({ issuer, why: "it has no endpoint for that; tokens end by themselves" }))
  }
  const metadata = { issuer, revocation_endpoint: revocationEndpoint }
  for (const [hint, token] of [
    ["refresh_token", refreshToken],
    ["access_token", accessToken],
  ] as const) {
    if (token === undefined) continue
    const { status } = await sendForm(
      (options) =>
        oauth.revocationRequest(metadata, clientOf(client), proofOf(client), token, {
          ...options,
          additionalParameters: { token_type_hint: hint },
        }),
      reach,
      signal,
    )
    // A server that revokes refresh tokens only says so with `unsupported_token_type`; the access token then ends with it, or by itself.
    if (status >= 300 && hint === "refresh_token") throw new PosternError(oauthRevocationFailed({ issuer, why: `answer: HTTP ${status}` }))
  }
}
