/** An OAuth client made by hand, to try the authorization servers of the tests: nothing of ours judges them. */
import { createHash } from "node:crypto"

export interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
}

/** The parts of an authorization server's metadata that are used here (RFC 8414). */
interface Metadata {
  readonly registration_endpoint: string
  readonly authorization_endpoint: string
  readonly token_endpoint: string
}

export interface HandMadeClient {
  readonly id: string
  readonly metadata: Metadata
  /** Where a browser begins. */
  authorizeUrl(extra?: Readonly<Record<string, string>>): URL
  redeem(code: string, verifier?: string): Promise<Response>
  refresh(token: string): Promise<Response>
}

const VERIFIER = "v".repeat(43)
/** Nobody listens there: the browser's last address holds the answer. */
const REDIRECT = "http://127.0.0.1:4711/callback"

/** Registers with an authorization server, for one resource. */
export async function registerByHand(issuer: string, resource: string, scope: string): Promise<HandMadeClient> {
  const metadata = (await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json()) as Metadata
  const { registration_endpoint, authorization_endpoint, token_endpoint } = metadata
  const registration = await fetch(registration_endpoint, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      redirect_uris: [REDIRECT],
      application_type: "native",
      grant_types: ["authorization_code", "refresh_token"],
      token_endpoint_auth_method: "none",
    }),
  })
  const { client_id } = (await registration.json()) as { readonly client_id: string }
  const post = (form: Record<string, string>): Promise<Response> =>
    fetch(token_endpoint, { method: "POST", body: new URLSearchParams({ client_id, ...form }) })

  return {
    id: client_id,
    metadata,
    authorizeUrl(extra = {}) {
      const challenge = createHash("sha256").update(VERIFIER).digest("base64url")
      const pkce = { code_challenge: challenge, code_challenge_method: "S256" }
      const params = { response_type: "code", client_id, redirect_uri: REDIRECT, state: "s", scope, resource, ...pkce, ...extra }
      return new URL(`${authorization_endpoint}?${new URLSearchParams(params)}`)
    },
    redeem: (code, verifier = VERIFIER) =>
      post({ grant_type: "authorization_code", code, redirect_uri: REDIRECT, resource, code_verifier: verifier }),
    refresh: (token) => post({ grant_type: "refresh_token", refresh_token: token, resource }),
  }
}

/** Calls a tool of an MCP server, with or without a token. */
export const callByHand = (url: string, token?: string, name = "whoami"): Promise<Response> =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name } }),
  })
