/**
 * A real MCP server that takes the tokens of an authorization server: it publishes its metadata (RFC 9728), challenges whoever comes
 * without a good token (RFC 6750), and asks for more scopes where a tool needs them.
 */
import type http from "node:http"
import { json, type McpServer, type SeenRequest, startMcpServer } from "./mcp-server.ts"
import { startStrictAuthorizationServer, type StrictAuthorizationServer, type StrictSettings } from "./strict-authorization-server.ts"
import type { TokenFacts } from "./token-families.ts"

/** What the server needs of an authorization server. */
export interface TokenIssuer {
  readonly issuer: string
  /** @returns what a token says, or undefined where it is worth nothing */
  lookUp(token: string): Promise<TokenFacts | undefined>
}

export interface ProtectedSettings {
  /** What the metadata says of scopes; absent: nothing. */
  readonly scopesSupported?: readonly string[]
  /** The `scope` of the challenge at a 401. */
  readonly challengeScope?: string
  /** Tools that need a scope beside those that everybody has. */
  readonly toolScopes?: Readonly<Record<string, string>>
  /** Leaves `resource_metadata` out of the challenge: it then has to be found by its well-known address. */
  readonly quietChallenge?: boolean
  readonly port?: number
}

export interface ProtectedServer extends AsyncDisposable {
  readonly url: string
  readonly origin: string
  readonly mcp: McpServer
  /** Requests to the MCP endpoint, each with who it came from (undefined where the token was refused), and whether they may do it. */
  readonly visits: { readonly request: SeenRequest; readonly token: TokenFacts | undefined; readonly allowed: boolean }[]
  /** Answered `tools/call` requests, by the name of the tool. */
  callsOf(tool: string): SeenRequest[]
  /** Has the first word on each request; true when it has answered. */
  handler: McpServer["handler"]
  /** Bends the protected-resource metadata. */
  bendMetadata: (honest: Record<string, unknown>) => unknown
  /** Bends the challenge, `WWW-Authenticate` as a whole. */
  bendChallenge: (honest: string) => string | string[]
  /** What a refused token was, if it matters: 401 for all of them though the authorization server vouches for them. */
  refusesAll: boolean
}

/** Starts it for an authorization server that runs already. */
export async function startResourceServer(issuer: TokenIssuer, settings: ProtectedSettings = {}): Promise<ProtectedServer> {
  const mcp = await startMcpServer(settings.port === undefined ? {} : { port: settings.port })
  const metadataUrl = `${mcp.origin}/.well-known/oauth-protected-resource/mcp`
  const metadata = {
    resource: mcp.url,
    authorization_servers: [issuer.issuer],
    bearer_methods_supported: ["header"],
    ...(settings.scopesSupported ? { scopes_supported: settings.scopesSupported } : {}),
  }
  const server: ProtectedServer = {
    url: mcp.url,
    origin: mcp.origin,
    mcp,
    visits: [],
    callsOf: (tool) => server.visits.filter((visit) => visit.allowed && toolOf(visit.request) === tool).map(({ request }) => request),
    handler: () => false,
    bendMetadata: (honest) => honest,
    bendChallenge: (honest) => honest,
    refusesAll: false,
    [Symbol.asyncDispose]: () => mcp.close(),
  }

  const challenge = (response: http.ServerResponse, status: 401 | 403, parameters: Record<string, string | undefined>): true => {
    const all = { ...parameters, resource_metadata: settings.quietChallenge ? undefined : metadataUrl }
    const list = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value}"`]))
    return json(response, { error: parameters["error"] ?? "unauthorized" }, status, {
      "www-authenticate": server.bendChallenge(`Bearer ${list.join(", ")}`.trim()),
    })
  }

  const checkToken = async (request: SeenRequest, response: http.ServerResponse): Promise<boolean> => {
    const sent = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1]
    const known = sent === undefined || server.refusesAll ? undefined : await issuer.lookUp(sent)
    const token = known && (known.resource === undefined || sameResource(known.resource, mcp.url)) ? known : undefined
    const needed = settings.toolScopes?.[toolOf(request) ?? ""]
    const allowed = token !== undefined && (needed === undefined || token.scopes.includes(needed))
    server.visits.push({ request, token, allowed })
    if (!token) return challenge(response, 401, { error: sent === undefined ? undefined : "invalid_token", scope: settings.challengeScope })
    if (!allowed) return challenge(response, 403, { error: "insufficient_scope", scope: needed })
    return answerOwn(request, response, token)
  }

  mcp.handler = async (request, response) => {
    if (await server.handler(request, response)) return true
    if (request.path === "/.well-known/oauth-protected-resource/mcp") return json(response, server.bendMetadata(metadata))
    if (request.path.startsWith("/.well-known/")) return json(response, { error: "not_found" }, 404)
    return checkToken(request, response)
  }
  return server
}

export interface StrictPair extends ProtectedServer {
  readonly authorization: StrictAuthorizationServer
}

/** Starts both: an MCP server, and the strict authorization server that it trusts. */
export async function startProtectedServer({
  strict,
  ...settings
}: ProtectedSettings & { strict?: StrictSettings } = {}): Promise<StrictPair> {
  const authorization = await startStrictAuthorizationServer(strict)
  const server = await startResourceServer(authorization, settings)
  return Object.assign(server, {
    authorization,
    async [Symbol.asyncDispose]() {
      await server.mcp.close()
      await authorization[Symbol.asyncDispose]()
    },
  })
}

/** Tools of its own beside `echo`: `whoami` says whom the token belongs to, `write` and `admin` are there to need scopes. */
function answerOwn({ message }: SeenRequest, response: http.ServerResponse, token: TokenFacts): boolean {
  if (message?.method === "tools/list") {
    const tools = ["echo", "whoami", "write", "admin"].map((name) => ({ name, inputSchema: { type: "object" } }))
    return json(response, { jsonrpc: "2.0", id: message.id, result: { tools } })
  }
  if (message?.method !== "tools/call" || message.params?.name !== "whoami") return false
  return json(response, { jsonrpc: "2.0", id: message.id, result: { content: [{ type: "text", text: token.subject }] } })
}

const toolOf = ({ message }: SeenRequest): string | undefined => (message?.method === "tools/call" ? message.params?.name : undefined)
const sameResource = (named: string, own: string): boolean =>
  named === own || named === new URL(own).origin || named === `${new URL(own).origin}/`
