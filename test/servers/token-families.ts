/**
 * What a strict authorization server keeps of its tokens: families of refresh tokens, each of which may be used once. A token that is
 * used a second time ends its whole family (RFC 9700 section 4.14.2), without any time of grace.
 */
import { randomBytes } from "node:crypto"

/** What a token says of itself. */
export interface TokenFacts {
  readonly subject: string
  readonly clientId: string
  readonly scopes: readonly string[]
  /** The `resource` that it was asked for, as it was written (RFC 8707); undefined where none was named. */
  readonly resource: string | undefined
}

/** One sign-in: everything that came from one authorization. */
export interface Family {
  readonly facts: TokenFacts
  /** Why its tokens are worth nothing any more. */
  ended: "reuse" | "revoked" | undefined
  /** How often its refresh token was exchanged with success. */
  rotations: number
}

export interface IssuedTokens {
  readonly accessToken: string
  readonly refreshToken: string
}

export interface TokenFamilies {
  readonly families: Family[]
  /** How often a refresh token came a second time. */
  readonly reuses: number
  /** Every token that was ever given. */
  readonly given: readonly string[]
  start(facts: TokenFacts, lifetimeSeconds: number): IssuedTokens
  /**
   * Takes a refresh token and gives the next pair.
   *
   * @returns undefined for a token that is unknown, ended, of another client, or used before, which ends its family
   */
  refresh(refreshToken: string, request: { clientId: string; lifetimeSeconds: number; rotates: boolean }): RefreshedTokens | undefined
  /** @returns what an access token says, or undefined where it is unknown, expired, or its family has ended */
  lookUp(accessToken: string): TokenFacts | undefined
  /** Ends the family of an access or refresh token. @returns whether it was known */
  revoke(token: string): boolean
  /** Makes all access tokens worthless, long before they said that they would end. Refresh tokens live on. */
  expireAccessTokens(): void
}

export interface RefreshedTokens extends IssuedTokens {
  readonly facts: TokenFacts
}

export function tokenFamilies(): TokenFamilies {
  const families: Family[] = []
  const access = new Map<string, { readonly family: Family; readonly expiresAtMs: number }>()
  const refresh = new Map<string, { readonly family: Family; used: boolean }>()
  const given: string[] = []
  let reuses = 0

  const issue = (family: Family, lifetimeSeconds: number): IssuedTokens => {
    const accessToken = `at-${randomBytes(18).toString("base64url")}`
    const refreshToken = `rt-${randomBytes(18).toString("base64url")}`
    access.set(accessToken, { family, expiresAtMs: Date.now() + lifetimeSeconds * 1000 })
    refresh.set(refreshToken, { family, used: false })
    given.push(accessToken, refreshToken)
    return { accessToken, refreshToken }
  }

  return {
    families,
    given,
    get reuses() {
      return reuses
    },
    start(facts, lifetimeSeconds) {
      const family: Family = { facts, ended: undefined, rotations: 0 }
      families.push(family)
      return issue(family, lifetimeSeconds)
    },
    refresh(refreshToken, { clientId, lifetimeSeconds, rotates }) {
      const known = refresh.get(refreshToken)
      if (!known || known.family.ended || known.family.facts.clientId !== clientId) return undefined
      const { family } = known
      if (known.used) {
        reuses++
        family.ended = "reuse"
        return undefined
      }
      family.rotations++
      if (rotates) known.used = true
      const issued = issue(family, lifetimeSeconds)
      return { ...issued, ...(rotates ? {} : { refreshToken }), facts: family.facts }
    },
    lookUp(accessToken) {
      const known = access.get(accessToken)
      return known && !known.family.ended && known.expiresAtMs > Date.now() ? known.family.facts : undefined
    },
    revoke(token) {
      const family = (refresh.get(token) ?? access.get(token))?.family
      if (family) family.ended = "revoked"
      return family !== undefined
    },
    expireAccessTokens: () => access.clear(),
  }
}
