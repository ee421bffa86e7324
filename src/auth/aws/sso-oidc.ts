/**
 * The three calls of AWS SSO's authorization server: register a client, begin a device sign-in, get a token. Its JSON has names of
 * its own (`clientId`, `deviceCode`); the ideas are those of RFC 7591, RFC 8628 and RFC 6749.
 */
import { type Diagnosis, PosternError } from "../../core/diagnosis.ts"
import { fetchDocument } from "../../core/http-document.ts"
import type { Http } from "../../core/http.ts"
import type { Environment } from "../../core/places.ts"
import { bareType } from "./aws-error.ts"
import { serviceEndpoint } from "./service-endpoint.ts"
import type { SsoClient, SsoToken } from "./sso-cache.ts"
import type { SsoSession } from "./sso-session.ts"
import { awsSsoFailed } from "./sso-diagnoses.ts"

/** `env` may name another endpoint, as with all AWS tools. */
export interface OidcTools {
  readonly http: Http
  readonly env: Environment
}

/** A refusal that tells what to do next, as RFC 6749 and RFC 8628 name it: `authorization_pending`, `invalid_grant`, … */
export interface OidcRefusal {
  readonly error: string
  readonly status: number
  readonly said: string
}

/** A begun device sign-in (RFC 8628 section 3.2). */
export interface DeviceSignIn {
  readonly deviceCode: string
  readonly userCode: string
  /** Where the person goes, the code filled in. Comes from outside. */
  readonly link: string
  readonly lifeMs: number
  readonly intervalMs: number
}

/** How a token is asked for. */
export type SsoGrant =
  | { readonly grantType: "refresh_token"; readonly refreshToken: string }
  | { readonly grantType: "urn:ietf:params:oauth:grant-type:device_code"; readonly deviceCode: string }
  | { readonly grantType: "authorization_code"; readonly code: string; readonly redirectUri: string; readonly codeVerifier: string }

/** RFC 8628 section 3.5: what counts where the server names no interval. */
const INTERVAL_MS = 5_000
/** How long a device code lives where the server does not say, in milliseconds. */
const DEVICE_LIFE_MS = 600_000

/** Where AWS SSO signs people in: `AWS_ENDPOINT_URL_SSO_OIDC` and `AWS_ENDPOINT_URL` win, as with all AWS tools. */
export function oidcEndpoint({ region }: SsoSession, env: Environment): URL {
  return serviceEndpoint({ id: "SSO_OIDC", host: "oidc", region }, env)
}

/**
 * Registers Postern as a client of the session.
 *
 * @param client - as the call spells it
 * @throws {PosternError} `aws-sso-failed`, and what the connection throws
 */
export async function registerSsoClient(
  session: SsoSession,
  client: Readonly<Record<string, unknown>>,
  tools: OidcTools,
  signal: AbortSignal,
): Promise<SsoClient> {
  const answer = await ask(session, "client/register", client, { tools, signal })
  const { clientId, clientSecret, clientSecretExpiresAt } = required(answer, session, "register a client")
  if (typeof clientId !== "string" || typeof clientSecret !== "string" || typeof clientSecretExpiresAt !== "number") {
    throw failed(session, "register a client", { error: "", status: 200, said: "a registration without id, secret or end" })
  }
  return { clientId, clientSecret, expiresAtMs: clientSecretExpiresAt * 1000 }
}

/** Throws as `registerSsoClient`. */
export async function startDeviceSignIn(
  session: SsoSession,
  { clientId, clientSecret }: SsoClient,
  tools: OidcTools,
  signal: AbortSignal,
): Promise<DeviceSignIn> {
  const answer = await ask(session, "device_authorization", { clientId, clientSecret, startUrl: session.startUrl }, { tools, signal })
  const { deviceCode, userCode, verificationUri, verificationUriComplete, expiresIn, interval } = required(
    answer,
    session,
    "begin a sign-in",
  )
  const link = verificationUriComplete ?? verificationUri
  if (typeof deviceCode !== "string" || typeof userCode !== "string" || typeof link !== "string") {
    throw failed(session, "begin a sign-in", { error: "", status: 200, said: "an answer without codes or link" })
  }
  return { deviceCode, userCode, link, lifeMs: secondsOf(expiresIn, DEVICE_LIFE_MS), intervalMs: secondsOf(interval, INTERVAL_MS) }
}

/**
 * Asks for a token.
 *
 * @param nowMs - to turn its life into an end
 * @returns the token, or why there is none yet or any more
 * @throws {PosternError} `aws-sso-failed` for what says nothing about the grant: a server error, an answer that is no JSON
 */
export async function createSsoToken(
  session: SsoSession,
  client: SsoClient,
  grant: SsoGrant,
  { tools, nowMs, signal }: { readonly tools: OidcTools; readonly nowMs: () => number; readonly signal: AbortSignal },
): Promise<SsoToken | OidcRefusal> {
  const answer = await ask(session, "token", { clientId: client.clientId, clientSecret: client.clientSecret, ...grant }, { tools, signal })
  if ("error" in answer) {
    if (answer.error === "" || answer.status >= 500) throw failed(session, "give a token", answer)
    return answer
  }
  const { accessToken, expiresIn, refreshToken } = answer.json
  if (typeof accessToken !== "string" || !/^[\u0021-\u007e]+$/.test(accessToken)) {
    throw failed(session, "give a token", { error: "", status: 200, said: "an answer without a token" })
  }
  return {
    accessToken,
    expiresAtMs: nowMs() + secondsOf(expiresIn, 0),
    client,
    ...(typeof refreshToken === "string" ? { refreshToken } : {}),
  }
}

interface Success {
  readonly json: Readonly<Record<string, unknown>>
}

async function ask(
  session: SsoSession,
  path: string,
  body: Readonly<Record<string, unknown>>,
  { tools: { http, env }, signal }: { readonly tools: OidcTools; readonly signal: AbortSignal },
): Promise<Success | OidcRefusal> {
  const base = oidcEndpoint(session, env)
  const url = new URL(`${base.pathname.replace(/\/$/, "")}/${path}`, base)
  const headers = { "content-type": "application/json", accept: "application/json" }
  const {
    status,
    headers: said,
    json,
  } = await fetchDocument(http, { method: "POST", url, headers, body: Buffer.from(JSON.stringify(body)) }, signal)
  const object = typeof json === "object" && json !== null ? (json as Record<string, unknown>) : undefined
  if (status === 200 && object !== undefined) return { json: object }
  const type = bareType(typeof said["x-amzn-errortype"] === "string" ? said["x-amzn-errortype"] : undefined)
  const error = typeof object?.["error"] === "string" ? object["error"] : snakeCase(type ?? "")
  const description = object?.["error_description"] ?? object?.["message"]
  return { error, status, said: typeof description === "string" ? description : "" }
}

/** `AuthorizationPendingException` is `authorization_pending` to those who know OAuth. */
function snakeCase(type: string): string {
  return type
    .replace(/Exception$/, "")
    .replace(/(?<!^)[A-Z]/g, "_$&")
    .toLowerCase()
}

function required(answer: Success | OidcRefusal, session: SsoSession, call: string): Readonly<Record<string, unknown>> {
  if ("error" in answer) throw failed(session, call, answer)
  return answer.json
}

/** A refusal that says nothing about the session. */
export class SsoRefused extends PosternError {
  /** As RFC 6749 names it; empty if it said none. */
  readonly error: string

  constructor(diagnosis: Diagnosis, error: string) {
    super(diagnosis)
    this.error = error
  }
}

/** @param call - what AWS SSO did not do, as a verb */
export function failed({ profile }: SsoSession, call: string, refusal: OidcRefusal): SsoRefused {
  return new SsoRefused(awsSsoFailed({ profile, call, ...refusal }), refusal.error)
}

/** A life of a day is the longest that AWS gives; what is no number of seconds counts as the standard. */
function secondsOf(value: unknown, standardMs: number): number {
  return typeof value === "number" && value > 0 ? Math.min(value, 7 * 86_400) * 1000 : standardMs
}
