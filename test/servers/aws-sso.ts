/**
 * AWS SSO on loopback: its authorization server (SSO-OIDC) and its access portal, at one address. It checks what the real one checks:
 * clients and their secrets, redirect addresses, PKCE, one use of codes and refresh tokens, the life of tokens, assigned roles. All
 * else is refused, so that a client that gets through has done it right.
 */
import { createHash, randomBytes } from "node:crypto"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { type Holders, addSession } from "./aws/keys.ts"

interface Client {
  readonly secret: string
  readonly grantTypes: readonly string[]
  readonly redirectUris: readonly string[]
}

interface Pending {
  readonly clientId: string
  readonly redirectUri?: string
  readonly challenge?: string
  state: "pending" | "approved" | "denied" | "used"
}

interface IssuedToken {
  readonly refreshToken: string
  readonly clientId: string
  endsAtMs: number
  revoked: boolean
  /** Whether its refresh token was used up. */
  renewed: boolean
}

/** One request that came in. */
export interface SsoRequest {
  readonly path: string
  readonly body: Record<string, unknown>
}

export interface AwsSso extends AsyncDisposable {
  /** For `AWS_ENDPOINT_URL`. */
  readonly url: string
  readonly seen: SsoRequest[]
  seenAt(path: string): SsoRequest[]
  /** Requests that were refused, with the reason: empty after a run in which all was right. */
  readonly refusals: string[]
  /** Life of the tokens that are issued from now on, in seconds. */
  tokenSeconds: number
  /** Role credentials that were given out, by access key. */
  readonly keys: Map<
    string,
    { readonly secretAccessKey: string; readonly sessionToken: string; readonly account: string; readonly role: string }
  >
  /** What a person does on the page of a device code. */
  decide(userCode: string, decision: "approved" | "denied"): void
  /** What a person does on the page of an authorization code; `login` by default. */
  page: "login" | "decline" | "nothing"
  /** Forgets all registrations. */
  forgetClients(): void
  /** Ends all sessions at the portal, whatever their tokens say. */
  revokeAll(): void
  /** Answers that come before all checks; returns true when it has answered. */
  handler: (path: string, response: http.ServerResponse) => boolean
  readonly listener: http.RequestListener
}

export const START_URL = "https://example.awsapps.com/start"
export const ACCOUNT = "123456789012"
export const ROLE = "Developers"

type Answer = (status: number, body: object, type?: string) => void

/** @param holders - of the AWS whose roles it gives out, if that is to know them */
export async function startAwsSso(holders?: Holders): Promise<AwsSso> {
  const clients = new Map<string, Client>()
  const devices = new Map<string, Pending & { readonly userCode: string }>()
  const codes = new Map<string, Pending>()
  const tokens = new Map<string, IssuedToken>()
  const random = (): string => randomBytes(18).toString("base64url")

  const sso: AwsSso = {
    url: "",
    seen: [],
    refusals: [],
    tokenSeconds: 3600,
    keys: new Map(),
    page: "login",
    seenAt: (path) => sso.seen.filter((request) => request.path === path),
    decide(userCode, decision) {
      for (const device of devices.values()) if (device.userCode === userCode) device.state = decision
    },
    forgetClients: () => clients.clear(),
    revokeAll() {
      for (const token of tokens.values()) token.revoked = true
    },
    handler: () => false,
    listener: (incoming, response) => void handle(incoming, response),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }

  const handle = async (incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const url = new URL(incoming.url ?? "", "http://sso")
    const text = Buffer.concat(chunks).toString("utf8")
    const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>)
    sso.seen.push({ path: url.pathname, body })
    if (sso.handler(url.pathname, response)) return
    const answer: Answer = (status, said, type) => {
      response.writeHead(status, { "content-type": "application/json", ...(type === undefined ? {} : { "x-amzn-errortype": type }) })
      response.end(JSON.stringify(said))
    }
    const refuse = (error: string, why: string, status = 400): void => {
      if (error !== "authorization_pending") sso.refusals.push(`${url.pathname}: ${error}: ${why}`)
      const type = `${error
        .split("_")
        .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
        .join("")}Exception`
      answer(status, { error, error_description: why }, type)
    }
    const handlers: Record<string, () => void> = {
      "POST /client/register": () => register(body, answer, refuse),
      "POST /device_authorization": () => startDevice(body, answer, refuse),
      "POST /token": () => giveToken(body, answer, refuse),
      "GET /authorize": () => authorize(url.searchParams, response),
      "GET /federation/credentials": () => giveCredentials(url.searchParams, incoming.headers["x-amz-sso_bearer_token"], answer),
    }
    const known = handlers[`${incoming.method} ${url.pathname}`]
    if (known === undefined) refuse("invalid_request", `nothing answers ${incoming.method} ${url.pathname}`, 404)
    else known()
  }

  type Refuse = (error: string, why: string, status?: number) => void

  const register = (body: Record<string, unknown>, answer: Answer, refuse: Refuse): void => {
    const grantTypes = (body["grantTypes"] ?? []) as string[]
    const redirectUris = (body["redirectUris"] ?? []) as string[]
    if (typeof body["clientName"] !== "string" || body["clientType"] !== "public")
      return refuse("invalid_client_metadata", "clientName or clientType")
    if (grantTypes.includes("authorization_code")) {
      if (!redirectUris.every((uri) => uri === "http://127.0.0.1/oauth/callback") || redirectUris.length === 0)
        return refuse("invalid_redirect_uri", "redirectUris")
      if (body["issuerUrl"] !== START_URL) return refuse("invalid_request", "issuerUrl")
    }
    const clientId = random()
    clients.set(clientId, { secret: random(), grantTypes, redirectUris })
    answer(200, {
      clientId,
      clientSecret: clients.get(clientId)?.secret,
      clientIdIssuedAt: now(),
      clientSecretExpiresAt: now() + 90 * 86_400,
    })
  }

  const knownClient = (body: Record<string, unknown>): Client | undefined => {
    const client = clients.get(String(body["clientId"]))
    return client?.secret === body["clientSecret"] ? client : undefined
  }

  const startDevice = (body: Record<string, unknown>, answer: Answer, refuse: Refuse): void => {
    const client = knownClient(body)
    if (client === undefined) return refuse("invalid_client", "client or secret")
    if (client.grantTypes.length > 0) return refuse("unauthorized_client", "registered for authorization codes")
    if (body["startUrl"] !== START_URL) return refuse("invalid_request", "startUrl")
    const deviceCode = random()
    const userCode = `${randomBytes(2).toString("hex").toUpperCase()}-${randomBytes(2).toString("hex").toUpperCase()}`
    devices.set(deviceCode, { clientId: String(body["clientId"]), userCode, state: "pending" })
    const verificationUri = `${sso.url}/device`
    answer(200, {
      deviceCode,
      userCode,
      verificationUri,
      verificationUriComplete: `${verificationUri}?user_code=${userCode}`,
      expiresIn: 600,
      interval: 1,
    })
  }

  /** The page on which a person signs in; here it answers at once, as a person who is signed in already would see. */
  const authorize = (query: URLSearchParams, response: http.ServerResponse): void => {
    const refuse = (why: string): void => {
      sso.refusals.push(`/authorize: ${why}`)
      response.writeHead(400).end(why)
    }
    const client = clients.get(query.get("client_id") ?? "")
    const redirect = new URL(query.get("redirect_uri") ?? "http://missing")
    const bare = `${redirect.protocol}//${redirect.hostname}${redirect.pathname}`
    if (client === undefined || !client.grantTypes.includes("authorization_code")) return refuse("client_id")
    if (!client.redirectUris.includes(bare) || redirect.port === "") return refuse("redirect_uri")
    if (query.get("response_type") !== "code" || query.get("code_challenge_method") !== "S256") return refuse("response_type or method")
    if (!/^[\w-]{43}$/.test(query.get("code_challenge") ?? "") || (query.get("state") ?? "").length < 16)
      return refuse("challenge or state")
    if (!(query.get("scopes") ?? "").includes("sso:account:access")) return refuse("scopes")
    const code = random()
    codes.set(code, {
      clientId: query.get("client_id") ?? "",
      redirectUri: redirect.href,
      challenge: query.get("code_challenge") ?? "",
      state: "approved",
    })
    if (sso.page === "nothing") return void response.end("sign in here")
    const outcome: Record<string, string> = sso.page === "login" ? { code } : { error: "access_denied" }
    redirect.search = new URLSearchParams({ ...outcome, state: query.get("state") ?? "" }).toString()
    response.writeHead(302, { location: redirect.href }).end()
  }

  const giveToken = (body: Record<string, unknown>, answer: Answer, refuse: Refuse): void => {
    if (knownClient(body) === undefined) return refuse("invalid_client", "client or secret", 401)
    const grant = String(body["grantType"])
    if (grant === "urn:ietf:params:oauth:grant-type:device_code") {
      const device = devices.get(String(body["deviceCode"]))
      if (device === undefined || device.clientId !== body["clientId"] || device.state === "used")
        return refuse("invalid_grant", "deviceCode")
      if (device.state === "pending") return refuse("authorization_pending", "not yet")
      if (device.state === "denied") return refuse("access_denied", "the person declined")
      device.state = "used"
      return issue(body, answer)
    }
    if (grant === "authorization_code") {
      const code = codes.get(String(body["code"]))
      const challenge = createHash("sha256").update(String(body["codeVerifier"])).digest("base64url")
      if (code === undefined || code.state !== "approved" || code.clientId !== body["clientId"]) return refuse("invalid_grant", "code")
      if (code.redirectUri !== body["redirectUri"]) return refuse("invalid_grant", "redirectUri")
      if (code.challenge !== challenge) return refuse("invalid_grant", "codeVerifier")
      code.state = "used"
      return issue(body, answer)
    }
    if (grant === "refresh_token") {
      const token = [...tokens.values()].find(({ refreshToken }) => refreshToken === body["refreshToken"])
      if (token === undefined || token.clientId !== body["clientId"]) return refuse("invalid_grant", "refreshToken")
      if (token.renewed || token.revoked) {
        for (const other of tokens.values()) other.revoked = true
        return refuse("invalid_grant", token.renewed ? "a refresh token was used twice" : "the session was ended")
      }
      token.renewed = true
      return issue(body, answer)
    }
    refuse("unsupported_grant_type", grant)
  }

  const issue = (body: Record<string, unknown>, answer: Answer): void => {
    const accessToken = random()
    const token: IssuedToken = {
      refreshToken: random(),
      clientId: String(body["clientId"]),
      endsAtMs: Date.now() + sso.tokenSeconds * 1000,
      revoked: false,
      renewed: false,
    }
    tokens.set(accessToken, token)
    answer(200, { accessToken, tokenType: "Bearer", expiresIn: sso.tokenSeconds, refreshToken: token.refreshToken })
  }

  const giveCredentials = (query: URLSearchParams, bearer: string | string[] | undefined, answer: Answer): void => {
    const token = tokens.get(String(bearer))
    if (token === undefined || token.revoked || token.endsAtMs <= Date.now())
      return answer(401, { message: "Session token not found or invalid" }, "UnauthorizedException")
    const [account, role] = [query.get("account_id") ?? "", query.get("role_name") ?? ""]
    if (account !== ACCOUNT || role !== ROLE) return answer(403, { message: "No access" }, "ForbiddenException")
    const session = {
      role: `arn:aws:iam::${ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_${ROLE}_0123456789abcdef`,
      session: "ada",
      seconds: 3600,
    }
    const { accessKeyId, secretAccessKey, sessionToken = "" } = addSession(holders ?? new Map(), session)
    const keys = { secretAccessKey, sessionToken }
    sso.keys.set(accessKeyId, { ...keys, account, role })
    answer(200, { roleCredentials: { accessKeyId, ...keys, expiration: Date.now() + 3600_000 } })
  }

  const server = http.createServer(sso.listener)
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  const { port } = server.address() as AddressInfo // it listens on a port
  return Object.assign(sso, { url: `http://127.0.0.1:${port}` })
}

const now = (): number => Math.floor(Date.now() / 1000)

/** The shared configuration of a person who signs in by SSO: a profile of each form. */
export function ssoConfig(region = "us-east-1"): string {
  return `[sso-session corp]
sso_start_url = ${START_URL}
sso_region = ${region}
sso_registration_scopes = sso:account:access

[profile dev]
sso_session = corp
sso_account_id = ${ACCOUNT}
sso_role_name = ${ROLE}
region = ${region}

[profile old]
sso_start_url = ${START_URL}
sso_region = ${region}
sso_account_id = ${ACCOUNT}
sso_role_name = ${ROLE}
region = ${region}
`
}
