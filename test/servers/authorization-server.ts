/**
 * A real authorization server on loopback: `oidc-provider`, with dynamic registration, PKCE, PAR, the device flow, revocation, `iss` in
 * its answers, and refresh tokens that rotate and end with their grant when one comes a second time. Its own pages ask who comes and
 * whether the client may; a script (`harness/browser.ts`) or a real browser can pass them.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { pathToFileURL } from "node:url"
import { resolveJudge } from "../harness/judges.ts"
import type { TokenIssuer } from "./protected-server.ts"

export interface AuthorizationSettings {
  /** Scopes that it gives for any resource. */
  readonly scopes?: readonly string[]
  /** Authorization requests have to be pushed first (RFC 9126). */
  readonly requiresPushed?: boolean
}

/** One answer of the token endpoint. */
export interface TokenAnswer {
  readonly grantType: string
  /** `error` of a refusal. */
  readonly error?: string
}

export interface AuthorizationServer extends TokenIssuer, AsyncDisposable {
  /** How long access tokens live, in seconds. */
  accessTokenSeconds: number
  /** What the token endpoint answered; grows while it runs. */
  readonly answers: readonly TokenAnswer[]
  /** Every request, as `METHOD /path`. */
  readonly seen: readonly string[]
  /** Grants that it ended by itself: a refresh token came a second time. */
  readonly familiesEnded: number
  /** Makes all access tokens worthless before their time. */
  expireAccessTokens(): Promise<void>
  /** As an administrator does: ends every grant with all its tokens. */
  revokeGrants(): Promise<void>
}

// The parts of oidc-provider's face that are used here, as its documentation has them.
interface Token {
  destroy(): Promise<void>
}
interface Grant extends Token {
  readonly jti: string
  addOIDCScope(scope: string): void
  addResourceScope(resource: string, scope: string): void
  save(): Promise<string>
}
interface Model {
  revokeByGrantId(id: string): Promise<void>
}
interface Interaction {
  readonly params: Readonly<Record<string, string | undefined>>
  readonly prompt: { readonly name: string }
}
interface Context {
  readonly oidc: { readonly params?: Readonly<Record<string, string>>; readonly entities: { readonly Grant?: Grant } }
}
interface Provider {
  callback(): http.RequestListener
  on(event: string, listener: (...args: never[]) => void): void
  interactionDetails(request: http.IncomingMessage, response: http.ServerResponse): Promise<Interaction>
  interactionFinished(request: http.IncomingMessage, response: http.ServerResponse, result: object): Promise<void>
  readonly Grant: new (of: { accountId: string; clientId: string }) => Grant
  readonly AccessToken: Model
  readonly RefreshToken: Model
}

/** What may ask whether a token is good: the MCP server. */
const INTROSPECTOR = { client_id: "resource-server", client_secret: randomBytes(16).toString("hex") }

/** Starts it. Nobody is signed in yet. */
export async function startAuthorizationServer(settings: AuthorizationSettings = {}): Promise<AuthorizationServer> {
  const answers: TokenAnswer[] = []
  const seen: string[] = []
  const grants = new Map<string, Grant>()
  const accessTokens = new Set<Token>()
  let familiesEnded = 0

  const listener = http.createServer((request, response) => {
    seen.push(`${request.method} ${request.url?.split("?")[0]}`)
    if (request.url?.startsWith("/interaction/")) void interact(provider, request, response)
    else handle(request, response)
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  const issuer = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`

  const server: AuthorizationServer = {
    issuer,
    accessTokenSeconds: 3600,
    answers,
    seen,
    get familiesEnded() {
      return familiesEnded
    },
    lookUp: (token) => introspect(issuer, token),
    async expireAccessTokens() {
      await Promise.all([...accessTokens].map((token) => token.destroy()))
      accessTokens.clear()
    },
    async revokeGrants() {
      for (const [id, grant] of grants) {
        await Promise.all([provider.AccessToken.revokeByGrantId(id), provider.RefreshToken.revokeByGrantId(id), grant.destroy()])
      }
      grants.clear()
    },
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
    },
  }

  const { default: makeProvider } = (await import(pathToFileURL(resolveJudge("oidc-provider")).href)) as {
    readonly default: new (issuer: string, configuration: object) => Provider
  }
  const provider = new makeProvider(issuer, configuration(settings, server))
  const handle = provider.callback()
  provider.on("grant.success", ({ oidc }: Context) => {
    answers.push({ grantType: oidc.params?.["grant_type"] ?? "" })
    if (oidc.entities.Grant) grants.set(oidc.entities.Grant.jti, oidc.entities.Grant)
  })
  provider.on("grant.error", ({ oidc }: Context, error: { readonly error: string }) => {
    answers.push({ grantType: oidc.params?.["grant_type"] ?? "", error: error.error })
  })
  provider.on("grant.revoked", () => void familiesEnded++)
  provider.on("access_token.saved", (token: Token) => void accessTokens.add(token))
  return server
}

function configuration({ scopes = [], requiresPushed = false }: AuthorizationSettings, server: AuthorizationServer): object {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const accessTokenTTL = (): number => server.accessTokenSeconds
  return {
    clients: [{ ...INTROSPECTOR, redirect_uris: [], response_types: [], grant_types: [] }],
    cookies: { keys: [randomBytes(16).toString("hex")] },
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig" }] },
    scopes: ["openid", "offline_access", ...scopes],
    findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    issueRefreshToken: (_: unknown, client: { grantTypeAllowed(type: string): boolean }) => client.grantTypeAllowed("refresh_token"),
    expiresWithSession: () => false,
    rotateRefreshToken: true,
    pkce: { required: () => true },
    ttl: { AccessToken: accessTokenTTL, RefreshToken: 86_400, Grant: 86_400, Session: 3600, Interaction: 600, DeviceCode: 600 },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      revocation: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: (_: unknown, { clientId }: { clientId: string }) => clientId === INTROSPECTOR.client_id,
      },
      deviceFlow: { enabled: true, charset: "base-20", mask: "****-****" },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: requiresPushed },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_: unknown, audience: string) => ({
          scope: scopes.join(" "),
          audience,
          accessTokenTTL: accessTokenTTL(),
          accessTokenFormat: "opaque",
        }),
      },
    },
  }
}

/** The page that asks who comes and whether the client may: one form, a name, two buttons. */
async function interact(provider: Provider, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const { params, prompt } = await provider.interactionDetails(request, response)
  if (request.method !== "POST") {
    const name = prompt.name === "login" ? `<label>Name <input name="login" autofocus></label>` : ""
    const buttons = `<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button>`
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" })
    response.end(
      `<!doctype html><title>Sign in</title><h1>Sign in</h1><form method="post" action="${request.url}">${name} ${buttons}</form>`,
    )
    return
  }

  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer) // a request without an encoding gives buffers
  const form = new URLSearchParams(Buffer.concat(chunks).toString("utf8"))
  if (form.get("decision") !== "allow") return provider.interactionFinished(request, response, { error: "access_denied" })
  const accountId = form.get("login") ?? (await sessionOf(provider, request, response))
  const grant = new provider.Grant({ accountId, clientId: params["client_id"] ?? "" })
  const scope = params["scope"] ?? ""
  grant.addOIDCScope(scope)
  if (params["resource"] !== undefined) grant.addResourceScope(params["resource"], scope)
  const consent = { grantId: await grant.save() }
  await provider.interactionFinished(request, response, { ...(form.has("login") ? { login: { accountId } } : {}), consent })
}

/** Who is signed in already, where the page asks for consent only. */
async function sessionOf(provider: Provider, request: http.IncomingMessage, response: http.ServerResponse): Promise<string> {
  const { session } = (await provider.interactionDetails(request, response)) as Interaction & {
    readonly session?: { readonly accountId: string }
  }
  return session?.accountId ?? ""
}

/** RFC 7662. */
async function introspect(issuer: string, token: string): ReturnType<TokenIssuer["lookUp"]> {
  const { client_id: id, client_secret: secret } = INTROSPECTOR
  const answer = await fetch(`${issuer}/token/introspection`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` },
    body: new URLSearchParams({ token }),
  })
  const said = (await answer.json()) as { active: boolean; sub?: string; client_id?: string; scope?: string; aud?: string }
  if (!said.active) return undefined
  return {
    subject: said.sub ?? "",
    clientId: said.client_id ?? "",
    scopes: (said.scope ?? "").split(" ").filter(Boolean),
    resource: said.aud,
  }
}
