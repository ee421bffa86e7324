/**
 * Credentials of a role, from an SSO session (`GetRoleCredentials` of the access portal).
 *
 * Asked by ourselves, and not through the SDK: a session that was ended at the portal is refused there with 401 while its token still
 * looks good, and the SDK neither renews it nor says so.
 */
import { PosternError } from "../../core/diagnosis.ts"
import { fetchDocument } from "../../core/http-document.ts"
import type { Environment } from "../../core/places.ts"
import { serviceEndpoint } from "./service-endpoint.ts"
import type { AwsKeys } from "./sign.ts"
import type { SsoToken } from "./sso-cache.ts"
import { failed } from "./sso-oidc.ts"
import type { SsoRole, SsoSession } from "./sso-session.ts"
import { type SsoTools, ended, freshSsoToken, renewSsoToken } from "./sso-token.ts"
import { awsSsoNoAccess } from "./sso-diagnoses.ts"

/** Keys of the role, and their end. */
export type SsoKeys = AwsKeys & { readonly expiresAtMs: number }

/**
 * @throws {PosternError} `aws-sso-ended` (kind sign-in); `aws-sso-no-access`; `aws-sso-failed` and the connection's failures
 */
export async function ssoCredentials(session: SsoSession, role: SsoRole, tools: SsoTools, signal: AbortSignal): Promise<SsoKeys> {
  const token = await freshSsoToken(session, tools, signal)
  const keys = await askPortal(session, role, token, { tools, signal })
  if (keys !== "unauthorized") return keys
  const renewed = await renewSsoToken(session, token, tools, signal)
  const again = await askPortal(session, role, renewed, { tools, signal })
  if (again === "unauthorized") throw ended(session, tools, renewed)
  return again
}

/** Where roles are asked for: `AWS_ENDPOINT_URL_SSO` and `AWS_ENDPOINT_URL` win, as with all AWS tools. */
export function portalEndpoint({ region }: SsoSession, env: Environment): URL {
  return serviceEndpoint({ id: "SSO", host: "portal.sso", region }, env)
}

async function askPortal(
  session: SsoSession,
  { account, role }: SsoRole,
  token: SsoToken,
  { tools, signal }: { readonly tools: SsoTools; readonly signal: AbortSignal },
): Promise<SsoKeys | "unauthorized"> {
  const base = portalEndpoint(session, tools.env)
  const url = new URL(`${base.pathname.replace(/\/$/, "")}/federation/credentials`, base)
  url.search = new URLSearchParams({ role_name: role, account_id: account }).toString()
  const request = { method: "GET", url, headers: { "x-amz-sso_bearer_token": token.accessToken, accept: "application/json" } } as const
  const { status, json } = await fetchDocument(tools.http, request, signal)
  const said = textOf((json as { message?: unknown } | undefined)?.message)
  if (status === 401) return "unauthorized"
  if (status === 403 || status === 404) throw new PosternError(awsSsoNoAccess({ profile: session.profile, account, role, said }))
  const keys = status === 200 ? readKeys(json) : undefined
  if (keys === undefined) throw failed(session, "give the role's credentials", { error: "", status, said })
  tools.redactor.learnPassing(keys.secretAccessKey)
  if (keys.sessionToken !== undefined) tools.redactor.learnPassing(keys.sessionToken)
  return keys
}

function readKeys(json: unknown): SsoKeys | undefined {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } =
    (json as { roleCredentials?: Record<string, unknown> } | undefined)?.roleCredentials ?? {}
  const isComplete = [accessKeyId, secretAccessKey, sessionToken].every((one) => typeof one === "string" && one !== "")
  if (!isComplete || typeof expiration !== "number") return undefined
  return {
    accessKeyId: String(accessKeyId),
    secretAccessKey: String(secretAccessKey),
    sessionToken: String(sessionToken),
    expiresAtMs: expiration,
  }
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "")
