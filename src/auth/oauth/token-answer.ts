/** The answer of a token endpoint, taken apart by the grammar before anything of it is used or stored (RFC 6749 section 5.1, RFC 6750 section 2.1). */
import { PosternError } from "../../core/diagnosis.ts"
import { isObject } from "../../core/json.ts"
import { oauthTokenInvalid } from "./diagnoses.ts"

/** What of a token answer counts. */
export interface Tokens {
  readonly accessToken: string
  readonly refreshToken?: string
  /** By our own clock; absent where the server did not say how long it lasts. */
  readonly expiresAtMs?: number
  /** Absent: those that were asked for. */
  readonly scopes?: readonly string[]
  /** `sub` of an ID token that the issuer made for this client. */
  readonly subject?: string
}

/** A longer life is a mistake, or an attempt to be never asked again. */
const LONGEST_LIFE_SECONDS = 366 * 24 * 3600
/** No header takes a longer one, in characters. */
const LONGEST_TOKEN = 64 * 1024

/**
 * Checks a token answer.
 *
 * @param json - the parsed body of a 200
 * @param at - whose answer it is, for which client, and when it came, in milliseconds since 1970
 * @throws {PosternError} `oauth-token-invalid` naming the member at fault, never its value
 */
export function readTokens(json: unknown, at: { readonly issuer: string; readonly clientId: string; readonly nowMs: number }): Tokens {
  const refuse = (field: string): never => {
    throw new PosternError(oauthTokenInvalid({ issuer: at.issuer, field }))
  }
  if (!isObject(json)) return refuse("it is no JSON object")
  const { access_token: accessToken, token_type: type, refresh_token: refreshToken, scope, id_token: idToken } = json

  if (!isToken(accessToken)) return refuse("access_token")
  // RFC 6749 section 7.1: a token of a type that is not understood must not be used.
  if (typeof type !== "string" || type.toLowerCase() !== "bearer") return refuse("token_type")
  if (refreshToken !== undefined && refreshToken !== null && refreshToken !== "" && !isToken(refreshToken)) return refuse("refresh_token")
  // Nonsense in what may be left out counts as left out: to refuse the whole would lose the refresh token that came with it.
  const lifeSeconds = readLife(json["expires_in"])
  const subject = typeof idToken === "string" ? subjectOf(idToken, at) : undefined
  return {
    accessToken,
    ...(isToken(refreshToken) ? { refreshToken } : {}),
    ...(lifeSeconds === undefined ? {} : { expiresAtMs: at.nowMs + lifeSeconds * 1000 }),
    ...(typeof scope === "string" && scope.trim() !== "" ? { scopes: scope.trim().split(/\s+/) } : {}),
    ...(subject === undefined ? {} : { subject }),
  }
}

/** Visible ASCII: no blank, no line break that would begin another header (RFC 6749 appendix A.12 and A.17). */
function isToken(value: unknown): value is string {
  return typeof value === "string" && value.length <= LONGEST_TOKEN && /^[\x21-\x7e]+$/.test(value)
}

/** @returns seconds, or undefined where it is not said, or says nothing */
function readLife(value: unknown): number | undefined {
  const seconds = typeof value === "string" && /^\d{1,15}(\.\d+)?$/.test(value) ? Number(value) : value
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return undefined
  // A token that ends before it was given would be renewed at every call: a 401 tells when it really ends.
  return seconds <= 0 ? undefined : Math.floor(Math.min(seconds, LONGEST_LIFE_SECONDS))
}

/**
 * Who the ID token is about. It came straight from the issuer, over TLS, which OpenID Connect Core section 3.1.3.7 takes in the
 * place of its signature; one for another client, or by another issuer, says nothing.
 */
function subjectOf(idToken: string, { issuer, clientId }: { readonly issuer: string; readonly clientId: string }): string | undefined {
  try {
    const claims = JSON.parse(Buffer.from(idToken.split(".")[1] ?? "", "base64url").toString("utf8")) as Readonly<Record<string, unknown>>
    const audience = Array.isArray(claims["aud"]) ? claims["aud"] : [claims["aud"]]
    const sub = claims["sub"]
    if (claims["iss"] !== issuer || !audience.includes(clientId) || typeof sub !== "string" || sub === "") return undefined
    return sub.slice(0, 256)
  } catch {
    return undefined // no ID token: nobody is named by it
  }
}
