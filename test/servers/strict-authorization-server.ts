/**
 * An authorization server that is honest and strict, until a test bends one of its answers: every request is kept, refresh tokens
 * rotate without grace, and what it does and what it says can be parted (`beforeAnswer`), so that somebody can die in between.
 *
 * `authorization-server.ts` is a real one; this double stands where a test needs an answer that no real one gives.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { json } from "./mcp-server.ts"
import { consentPage, devicePage } from "./strict-pages.ts"
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

type Json = Record<string, unknown>
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
  /** Waited for after the server has done what was asked, before it says so. */
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

interface Authorization {
  readonly params: URLSearchParams
  readonly subject: string
}

/** Starts it on loopback. It lets in whoever comes, until told otherwise. */
export async function startStrictAuthorizationServer(settings: StrictSettings = {}): Promise<StrictAuthorizationServer> {
  const seen: SeenAuthorization[] = []
  const codes = new Map<string, Authorization & { used: boolean }>()
  const pushed = new Map<string, URLSearchParams>()
  const devices = new Map<string, { readonly userCode: string; readonly params: URLSearchParams; approved: boolean }>()
  const tokens = tokenFamilies()

  const listener = http.createServer((incoming, response) => void receive(incoming, response))
  await new Promise<void>((resolve) => listener.listen(settings.port ?? 0, "127.0.0.1", resolve))
  const origin = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  const issuer = `${origin}${settings.issuerPath ?? ""}`

  const server: StrictAuthorizationServer = {
    subject: "alice",
    accessTokenSeconds: 3600,
    tellsLifetime: true,
    rotates: true,
    handler: () => false,
    beforeAnswer: () => undefined,
    bend: {},
    origin,
    issuer,
    seen,
    seenAt: (path) => seen.filter((request) => request.path === path),
    exchanges: (type) => seen.filter(({ path, params }) => path === "/token" && params.get("grant_type") === type),
    clients: new Map(),
    tokens,
    lookUp: (token) => Promise.resolve(tokens.lookUp(token)),
    approveDevice(userCode) {
      for (const device of devices.values()) if (device.userCode === userCode) device.approved = true
    },
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
    },
  }

  const receive = async (incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const request = await readRequest(incoming, origin)
    seen.push(request)
    if (await server.handler(request, response)) return
    if (isMetadata(request.path)) return void json(response, bent("metadata", metadata(), request))
    const endpoint = endpoints[request.path]
    if (endpoint) await endpoint(request, response)
    else json(response, { error: "not_found" }, 404)
  }

  const bent = (kind: "metadata" | "registration" | "token" | "device", honest: Json, request: SeenAuthorization): Json =>
    server.bend[kind]?.(honest, request) ?? honest

  const isMetadata = (path: string): boolean => {
    const at = settings.issuerPath ?? ""
    const openid = "/.well-known/openid-configuration"
    return [`/.well-known/oauth-authorization-server${at}`, `${openid}${at}`, `${at}${openid}`].includes(path)
  }

  const metadata = (): Json => ({
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
  })

  const knownClient = (request: SeenAuthorization, response: http.ServerResponse): string | undefined => {
    const { id, secret } = clientOf(request)
    const client = server.clients.get(id)
    if (client && (client["client_secret"] === undefined || client["client_secret"] === secret)) return id
    json(response, { error: "invalid_client", error_description: "unknown client" }, 401)
    return undefined
  }

  const giveCode = (params: URLSearchParams, subject: string, request: SeenAuthorization): URL => {
    const code = `code-${randomBytes(12).toString("base64url")}`
    codes.set(code, { params, subject, used: false })
    return callback(params, { code }, request)
  }

  const callback = (params: URLSearchParams, answer: Record<string, string>, request: SeenAuthorization): URL => {
    const to = new URL(params.get("redirect_uri") ?? "")
    const state = params.get("state")
    for (const [name, value] of Object.entries({ ...answer, ...(state === null ? {} : { state }), iss: issuer }))
      to.searchParams.set(name, value)
    return server.bend.callback?.(to, request) ?? to
  }

  const answerTokens = async (
    request: SeenAuthorization,
    response: http.ServerResponse,
    issued: { accessToken: string; refreshToken: string; facts: TokenFacts },
  ): Promise<void> => {
    const honest = {
      access_token: issued.accessToken,
      token_type: "Bearer",
      ...(server.tellsLifetime ? { expires_in: server.accessTokenSeconds } : {}),
      refresh_token: issued.refreshToken,
      scope: issued.facts.scopes.join(" "),
    }
    const answer = bent("token", honest, request)
    await server.beforeAnswer(request)
    json(response, answer)
  }

  const startFamily = (clientId: string, params: URLSearchParams, subject: string) => {
    const facts = { subject, clientId, scopes: words(params.get("scope")), resource: params.get("resource") ?? undefined }
    return { ...tokens.start(facts, server.accessTokenSeconds), facts }
  }

  const grants: Record<string, (request: SeenAuthorization, response: http.ServerResponse, clientId: string) => Promise<void> | void> = {
    authorization_code(request, response, clientId) {
      const { params } = request
      const known = codes.get(params.get("code") ?? "")
      const fits =
        known &&
        !known.used &&
        known.params.get("client_id") === clientId &&
        known.params.get("redirect_uri") === params.get("redirect_uri") &&
        known.params.get("resource") === params.get("resource") &&
        known.params.get("code_challenge") === challengeOf(params.get("code_verifier") ?? "")
      if (!fits) return void json(response, { error: "invalid_grant" }, 400)
      known.used = true
      return answerTokens(request, response, startFamily(clientId, known.params, known.subject))
    },
    refresh_token(request, response, clientId) {
      const { accessTokenSeconds: lifetimeSeconds, rotates } = server
      const issued = tokens.refresh(request.params.get("refresh_token") ?? "", { clientId, lifetimeSeconds, rotates })
      if (!issued) return void json(response, { error: "invalid_grant", error_description: "unknown, ended or used" }, 400)
      return answerTokens(request, response, issued)
    },
    [DEVICE](request, response, clientId) {
      const device = devices.get(request.params.get("device_code") ?? "")
      if (!device) return void json(response, { error: "invalid_grant" }, 400)
      if (!device.approved) return void json(response, { error: "authorization_pending" }, 400)
      devices.delete(request.params.get("device_code") ?? "")
      return answerTokens(request, response, startFamily(clientId, device.params, server.subject))
    },
  }

  const endpoints: Record<string, (request: SeenAuthorization, response: http.ServerResponse) => Promise<void> | void> = {
    "/register"(request, response) {
      const asked = JSON.parse(request.body) as Json
      const secret = asked["token_endpoint_auth_method"] === "none" ? {} : { client_secret: randomUUID(), client_secret_expires_at: 0 }
      const client = { ...asked, client_id: `client-${randomUUID()}`, client_id_issued_at: Math.floor(Date.now() / 1000), ...secret }
      server.clients.set(client.client_id, client)
      json(response, bent("registration", client, request), 201)
    },
    "/par"(request, response) {
      const clientId = knownClient(request, response)
      if (clientId === undefined) return
      const name = `urn:ietf:params:oauth:request_uri:${randomUUID()}`
      pushed.set(name, new URLSearchParams([...request.params, ["client_id", clientId]]))
      json(response, { request_uri: name, expires_in: 60 }, 201)
    },
    "/authorize"(request, response) {
      const params = pushed.get(request.params.get("request_uri") ?? "") ?? request.params
      const refusal = whyNot(params, server.clients, settings.exactRedirects === true)
      if (refusal) return void response.writeHead(400, { "content-type": "text/plain" }).end(refusal)
      if (params.get("code_challenge_method") !== "S256" || !params.get("code_challenge"))
        return redirect(response, callback(params, { error: "invalid_request", error_description: "PKCE is required" }, request))
      if (settings.pages) return consentPage(response, params)
      redirect(response, giveCode(params, server.subject, request))
    },
    "/decide"(request, response) {
      const { params } = request
      if (params.get("decision") !== "allow") return redirect(response, callback(params, { error: "access_denied" }, request))
      redirect(response, giveCode(params, params.get("login") || server.subject, request))
    },
    async "/token"(request, response) {
      const clientId = knownClient(request, response)
      if (clientId === undefined) return
      const exchange = grants[request.params.get("grant_type") ?? ""]
      if (exchange) await exchange(request, response, clientId)
      else json(response, { error: "unsupported_grant_type" }, 400)
    },
    "/device_authorization"(request, response) {
      if (knownClient(request, response) === undefined) return
      const [deviceCode, userCode] = [randomUUID(), randomBytes(4).toString("hex").toUpperCase()]
      devices.set(deviceCode, { userCode, params: request.params, approved: false })
      const at = `${origin}/device`
      const where = { verification_uri: at, verification_uri_complete: `${at}?user_code=${userCode}` }
      json(response, bent("device", { device_code: deviceCode, user_code: userCode, ...where, expires_in: 60, interval: 1 }, request))
    },
    "/device"(request, response) {
      if (request.method === "POST") server.approveDevice(request.params.get("user_code") ?? "")
      devicePage(response, request)
    },
    "/revoke"(request, response) {
      tokens.revoke(request.params.get("token") ?? "")
      response.writeHead(200).end()
    },
  }

  return server
}

const DEVICE = "urn:ietf:params:oauth:grant-type:device_code"

const words = (text: string | null): string[] => (text ?? "").split(" ").filter(Boolean)
const challengeOf = (verifier: string): string => createHash("sha256").update(verifier).digest("base64url")
const redirect = (response: http.ServerResponse, to: URL): void => void response.writeHead(302, { location: to.href }).end()

/** Why a browser is not sent anywhere: the client or the redirect address is not known (RFC 6749 section 4.1.2.1). */
function whyNot(params: URLSearchParams, clients: ReadonlyMap<string, Json>, exact: boolean): string | undefined {
  const client = clients.get(params.get("client_id") ?? "")
  if (!client) return "unknown client"
  const asked = params.get("redirect_uri") ?? ""
  const registered = (client["redirect_uris"] ?? []) as readonly string[] // as this server's own /register keeps it
  const portless = (uri: string): string => uri.replace(/^(http:\/\/(?:127\.0\.0\.1|\[::1\])):\d+/, "$1")
  const same = exact ? registered.includes(asked) : registered.some((uri) => portless(uri) === portless(asked))
  return same ? undefined : "redirect_uri mismatch"
}

/** Basic (RFC 6749 section 2.3.1: both parts are form-encoded) or in the body. */
function clientOf({ headers, params }: SeenAuthorization): { id: string; secret: string | undefined } {
  const basic = /^Basic (.+)$/.exec(headers.authorization ?? "")?.[1]
  if (basic === undefined) return { id: params.get("client_id") ?? "", secret: params.get("client_secret") ?? undefined }
  const [id = "", secret = ""] = Buffer.from(basic, "base64")
    .toString("utf8")
    .split(":")
    .map((part) => decodeURIComponent(part.replaceAll("+", " ")))
  return { id, secret }
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
