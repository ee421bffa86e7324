/** What the strict authorization server does at each of its addresses, as long as nobody bends it. */
import { createHash, randomBytes, randomUUID } from "node:crypto"
import type http from "node:http"
import { json } from "./mcp-server.ts"
import type { Begun, Json, SeenAuthorization, StrictAuthorizationServer, StrictSettings } from "./strict-authorization-server.ts"
import { consentPage, devicePage } from "./strict-pages.ts"
import type { IssuedTokens, TokenFacts } from "./token-families.ts"

/** RFC 8628 section 3.4. */
export const DEVICE = "urn:ietf:params:oauth:grant-type:device_code"

type Endpoint = (request: SeenAuthorization, response: http.ServerResponse) => Promise<void> | void
type Issued = IssuedTokens & { readonly facts: TokenFacts }

/** @returns what is done at each path */
export function endpoints(server: StrictAuthorizationServer, settings: StrictSettings, begun: Begun): Record<string, Endpoint> {
  const grants = tokenGrants(server, begun)

  const sendBack = (params: URLSearchParams, answer: Record<string, string>, request: SeenAuthorization): URL => {
    const to = new URL(params.get("redirect_uri") ?? "")
    const state = params.get("state")
    const all = { ...answer, ...(state === null ? {} : { state }), iss: server.issuer }
    for (const [name, value] of Object.entries(all)) to.searchParams.set(name, value)
    return server.bend.callback?.(to, request) ?? to
  }

  const giveCode = (params: URLSearchParams, subject: string, request: SeenAuthorization): URL => {
    const code = `code-${randomBytes(12).toString("base64url")}`
    begun.codes.set(code, { params, subject, used: false })
    return sendBack(params, { code }, request)
  }

  return {
    "/register"(request, response) {
      const asked = JSON.parse(request.body) as Json
      const secret = asked["token_endpoint_auth_method"] === "none" ? {} : { client_secret: randomUUID(), client_secret_expires_at: 0 }
      const client = { ...asked, client_id: `client-${randomUUID()}`, client_id_issued_at: Math.floor(Date.now() / 1000), ...secret }
      server.clients.set(client.client_id, client)
      json(response, server.bend.registration?.(client, request) ?? client, 201)
    },
    "/par"(request, response) {
      const clientId = knownClient(server, request, response)
      if (clientId === undefined) return
      const name = `urn:ietf:params:oauth:request_uri:${randomUUID()}`
      begun.pushed.set(name, new URLSearchParams([...request.params, ["client_id", clientId]]))
      json(response, { request_uri: name, expires_in: 60 }, 201)
    },
    "/authorize"(request, response) {
      const params = begun.pushed.get(request.params.get("request_uri") ?? "") ?? request.params
      const refusal = whyNot(params, server.clients, settings.exactRedirects === true)
      if (refusal) response.writeHead(400, { "content-type": "text/plain" }).end(refusal)
      else if (params.get("code_challenge_method") !== "S256" || !params.get("code_challenge"))
        redirect(response, sendBack(params, { error: "invalid_request", error_description: "PKCE is required" }, request))
      else if (settings.pages) consentPage(response, params)
      else redirect(response, giveCode(params, server.subject, request))
    },
    "/decide"(request, response) {
      const { params } = request
      const allowed = params.get("decision") === "allow"
      const subject = params.get("login") || server.subject
      redirect(response, allowed ? giveCode(params, subject, request) : sendBack(params, { error: "access_denied" }, request))
    },
    async "/token"(request, response) {
      const clientId = knownClient(server, request, response)
      if (clientId === undefined) return
      const grant = grants[request.params.get("grant_type") ?? ""]
      if (!grant) return void json(response, { error: "unsupported_grant_type" }, 400)
      const outcome = grant(request.params, clientId)
      if (typeof outcome === "string") json(response, { error: outcome }, 400)
      else await answerTokens(server, outcome, request, response)
    },
    "/device_authorization"(request, response) {
      if (knownClient(server, request, response) === undefined) return
      const [deviceCode, userCode] = [randomUUID(), randomBytes(4).toString("hex").toUpperCase()]
      begun.devices.set(deviceCode, { userCode, params: request.params, approved: false })
      const at = `${server.origin}/device`
      const where = { verification_uri: at, verification_uri_complete: `${at}?user_code=${userCode}` }
      const honest = { device_code: deviceCode, user_code: userCode, ...where, expires_in: 60, interval: 1 }
      json(response, server.bend.device?.(honest, request) ?? honest)
    },
    "/device"(request, response) {
      if (request.method === "POST") server.approveDevice(request.params.get("user_code") ?? "")
      devicePage(response, request)
    },
    "/revoke"(request, response) {
      server.tokens.revoke(request.params.get("token") ?? "")
      response.writeHead(200).end()
    },
  }
}

/** What each grant type comes to: tokens, or the `error` of a refusal (RFC 6749 section 5.2). */
function tokenGrants(
  server: StrictAuthorizationServer,
  { codes, devices }: Begun,
): Record<string, (params: URLSearchParams, clientId: string) => Issued | string> {
  const start = (clientId: string, params: URLSearchParams, subject: string): Issued => {
    const scopes = (params.get("scope") ?? "").split(" ").filter(Boolean)
    const facts = { subject, clientId, scopes, resource: params.get("resource") ?? undefined }
    return { ...server.tokens.start(facts, server.accessTokenSeconds), facts }
  }

  return {
    authorization_code(params, clientId) {
      const known = codes.get(params.get("code") ?? "")
      const same = (name: string): boolean => known?.params.get(name) === params.get(name)
      const proven = known?.params.get("code_challenge") === challengeOf(params.get("code_verifier") ?? "")
      if (!known || known.used || known.params.get("client_id") !== clientId || !same("redirect_uri") || !proven) return "invalid_grant"
      if (!same("resource")) return "invalid_target"
      known.used = true
      return start(clientId, known.params, known.subject)
    },
    refresh_token(params, clientId) {
      const { accessTokenSeconds: lifetimeSeconds, rotates } = server
      return server.tokens.refresh(params.get("refresh_token") ?? "", { clientId, lifetimeSeconds, rotates }) ?? "invalid_grant"
    },
    [DEVICE](params, clientId) {
      const code = params.get("device_code") ?? ""
      const device = devices.get(code)
      if (!device) return "invalid_grant"
      if (!device.approved) return "authorization_pending"
      devices.delete(code)
      return start(clientId, device.params, server.subject)
    },
  }
}

async function answerTokens(
  server: StrictAuthorizationServer,
  { accessToken, refreshToken, facts }: Issued,
  request: SeenAuthorization,
  response: http.ServerResponse,
): Promise<void> {
  const honest = {
    access_token: accessToken,
    token_type: "Bearer",
    ...(server.tellsLifetime ? { expires_in: server.accessTokenSeconds } : {}),
    refresh_token: refreshToken,
    scope: facts.scopes.join(" "),
  }
  const answer = server.bend.token?.(honest, request) ?? honest
  await server.beforeAnswer(request)
  json(response, answer)
}

/** @returns the client's id; undefined where it did not prove who it is, which is answered then */
function knownClient(server: StrictAuthorizationServer, request: SeenAuthorization, response: http.ServerResponse): string | undefined {
  const { id, secret } = clientOf(request)
  const client = server.clients.get(id)
  if (client && (client["client_secret"] === undefined || client["client_secret"] === secret)) return id
  json(response, { error: "invalid_client", error_description: "unknown client" }, 401)
  return undefined
}

/** Basic (RFC 6749 section 2.3.1: both parts are form-encoded) or in the body. */
function clientOf({ headers, params }: SeenAuthorization): { id: string; secret: string | undefined } {
  const basic = /^Basic (.+)$/.exec(headers.authorization ?? "")?.[1]
  if (basic === undefined) return { id: params.get("client_id") ?? "", secret: params.get("client_secret") ?? undefined }
  const decode = (part: string): string => decodeURIComponent(part.replaceAll("+", " "))
  const [id = "", secret = ""] = Buffer.from(basic, "base64").toString("utf8").split(":").map(decode)
  return { id, secret }
}

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

const challengeOf = (verifier: string): string => createHash("sha256").update(verifier).digest("base64url")
const redirect = (response: http.ServerResponse, to: URL): void => void response.writeHead(302, { location: to.href }).end()
