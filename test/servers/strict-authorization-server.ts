/**
 * An authorization server that is honest and strict, until a test bends one of its answers: every request is kept, refresh tokens
 * rotate without grace, and what it does and what it says can be parted (`beforeAnswer`), so that somebody can die in between.
 *
 * `authorization-server.ts` is a real one; this double stands where a test needs an answer that no real one gives.
 */
import http from "node:http"
import type { AddressInfo } from "node:net"
import { json } from "./mcp-server.ts"
import { DEVICE, endpoints } from "./strict-endpoints.ts"
import { type TokenFacts, type TokenFamilies, tokenFamilies } from "./token-families.ts"

/** One request, as it came. */
export interface SeenAuthorization {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  /** Query and form together; a form's value wins. */
  readonly params: URLSearchParams
  readonly body: string
}

export type Json = Record<string, unknown>
type Bend = (honest: Json, request: SeenAuthorization) => Json

export interface StrictSettings {
  /** Makes the issuer one with a path. */
  readonly issuerPath?: string
  /** Shows a page with a name to fill in and two buttons, instead of letting everybody in as `subject` at once. */
  readonly pages?: boolean
  /** Redirect addresses are compared to the letter, ports too. Otherwise the port of a loopback address is free (RFC 8252 section 7.3). */
  readonly exactRedirects?: boolean
  readonly port?: number
}

/** What can be changed while it runs. */
interface Manners {
  /** Who signs in where no page asks. */
  subject: string
  /** How long access tokens live. */
  accessTokenSeconds: number
  /** Whether `expires_in` is said. */
  tellsLifetime: boolean
  /** Whether each refresh gives a new refresh token, and the old one must not come again. */
  rotates: boolean
  /** Has the first word on each request; true when it has answered. */
  handler: (request: SeenAuthorization, response: http.ServerResponse) => boolean | void | Promise<boolean | void>
  /** Waited for after a token request was fulfilled, before the tokens are sent. */
  beforeAnswer: (request: SeenAuthorization) => Promise<void> | void
  /** Bends the honest answers. */
  readonly bend: {
    metadata?: Bend
    registration?: Bend
    token?: Bend
    device?: Bend
    /** The address that the browser is sent back to. */
    callback?: (honest: URL, request: SeenAuthorization) => URL
  }
}

export interface StrictAuthorizationServer extends AsyncDisposable, Manners {
  readonly origin: string
  readonly issuer: string
  readonly seen: SeenAuthorization[]
  seenAt(path: string): SeenAuthorization[]
  /** Token requests of one grant type. */
  exchanges(grantType: string): SeenAuthorization[]
  /** Registered clients, by id; taking one out makes it unknown, as pruning servers do. */
  readonly clients: Map<string, Json>
  readonly tokens: TokenFamilies
  lookUp(token: string): Promise<TokenFacts | undefined>
  /** The person enters a device's code. */
  approveDevice(userCode: string): void
}

/** What was begun and waits for the client to come back. */
export interface Begun {
  readonly codes: Map<string, { readonly params: URLSearchParams; readonly subject: string; used: boolean }>
  /** Authorization requests that were pushed, by their `request_uri`. */
  readonly pushed: Map<string, URLSearchParams>
  /** By device code. */
  readonly devices: Map<string, { readonly userCode: string; readonly params: URLSearchParams; approved: boolean }>
}

/** Starts it on loopback. It lets in whoever comes, until told otherwise. */
export async function startStrictAuthorizationServer(settings: StrictSettings = {}): Promise<StrictAuthorizationServer> {
  const seen: SeenAuthorization[] = []
  const begun: Begun = { codes: new Map(), pushed: new Map(), devices: new Map() }
  const tokens = tokenFamilies()
  const listener = http.createServer((incoming, response) => void receive(incoming, response))
  await new Promise<void>((resolve) => listener.listen(settings.port ?? 0, "127.0.0.1", resolve))
  const origin = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  const path = settings.issuerPath ?? ""

  const server: StrictAuthorizationServer = {
    subject: "alice",
    accessTokenSeconds: 3600,
    tellsLifetime: true,
    rotates: true,
    handler: () => false,
    beforeAnswer: () => undefined,
    bend: {},
    origin,
    issuer: `${origin}${path}`,
    seen,
    seenAt: (at) => seen.filter((request) => request.path === at),
    exchanges: (type) => seen.filter((request) => request.path === "/token" && request.params.get("grant_type") === type),
    clients: new Map(),
    tokens,
    lookUp: (token) => Promise.resolve(tokens.lookUp(token)),
    approveDevice(userCode) {
      for (const device of begun.devices.values()) if (device.userCode === userCode) device.approved = true
    },
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
    },
  }

  const honest = endpoints(server, settings, begun)
  const openid = "/.well-known/openid-configuration"
  const metadataPaths = new Set([`/.well-known/oauth-authorization-server${path}`, `${openid}${path}`, `${path}${openid}`])
  const receive = async (incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const request = await readRequest(incoming, origin)
    seen.push(request)
    if (await server.handler(request, response)) return
    if (metadataPaths.has(request.path)) json(response, server.bend.metadata?.(metadata(server), request) ?? metadata(server))
    else if (honest[request.path]) await honest[request.path]?.(request, response)
    else json(response, { error: "not_found" }, 404)
  }
  return server
}

/** RFC 8414, and what of OpenID Connect Discovery is the same. */
function metadata({ issuer, origin }: StrictAuthorizationServer): Json {
  return {
    issuer,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    registration_endpoint: `${origin}/register`,
    revocation_endpoint: `${origin}/revoke`,
    pushed_authorization_request_endpoint: `${origin}/par`,
    device_authorization_endpoint: `${origin}/device_authorization`,
    response_types_supported: ["code"],
    grant_types_supported: ["authorization_code", "refresh_token", DEVICE],
    code_challenge_methods_supported: ["S256"],
    token_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
    authorization_response_iss_parameter_supported: true,
  }
}

async function readRequest(incoming: http.IncomingMessage, origin: string): Promise<SeenAuthorization> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer) // a request without an encoding gives buffers
  const body = Buffer.concat(chunks).toString("utf8")
  const url = new URL(incoming.url ?? "/", origin)
  const params = new URLSearchParams(url.search)
  if (incoming.headers["content-type"]?.startsWith("application/x-www-form-urlencoded"))
    for (const [name, value] of new URLSearchParams(body)) params.set(name, value)
  return { method: incoming.method ?? "", path: url.pathname, headers: incoming.headers, params, body }
}
