/** From a server to where one signs in for it: what the server says, then what its authorization server says, each checked. */
import type { HttpServer } from "../../config/server.ts"
import type { AddressPolicy } from "../../core/address-gate.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Http } from "../../core/http.ts"
import type { Challenge } from "./challenge.ts"
import { oauthMetadataInvalid, oauthNotOffered, oauthPkceMissing } from "./diagnoses.ts"
import { covers } from "./grant.ts"
import { type IssuerMetadata, findIssuerMetadata, noIssuerMetadata } from "./issuer-metadata.ts"
import { type ResourceMetadata, findResourceMetadata } from "./resource-metadata.ts"
import { splitScopes } from "./scopes.ts"

/** Where one signs in for a server, and what is asked for there. */
export interface Destination {
  /** As the metadata names it: answers are compared with it, and registrations and grants belong to it. */
  readonly issuer: string
  readonly metadata: IssuerMetadata
  /** Whether nobody has published that metadata: it names the fixed places of S36. */
  readonly isGuessed: boolean
  /** The protected resource by its own name. */
  readonly resource: string
  /** What is sent as `resource`, byte for byte (S46); undefined: nothing. */
  readonly resourceParameter: string | undefined
  /** The scopes that the server asks for; empty: the parameter is left out. */
  readonly scopes: readonly string[]
  /** Other authorization servers that the server names. */
  readonly otherIssuers: readonly string[]
}

/** What is known of a server before it is looked where one signs in for it. */
export interface DiscoveryQuestion {
  readonly server: HttpServer
  readonly url: URL
  readonly challenge: Challenge | undefined
  /** How a request without proof was answered; undefined where that is not known. 401 makes the guess of S36 one worth trying. */
  readonly status: number | undefined
  /** The issuer of a former sign-in, or the one that the server is pinned to: it wins where the server still names it (S33). */
  readonly knownIssuer: string | undefined
  readonly policy: AddressPolicy
}

/**
 * Finds where one signs in.
 *
 * @throws {PosternError} `oauth-metadata-*`, `oauth-resource-mismatch`, `oauth-issuer-mismatch`, `oauth-pkce-missing`,
 *   `address-refused`, and what the connection throws; nobody was sent anywhere by then
 */
export async function discover(question: DiscoveryQuestion, http: Http, signal: AbortSignal): Promise<Destination> {
  const { server, url, challenge, policy } = question
  const { oauth = {} } = server
  const anyResource = oauth.dialects?.includes("no-resource-check") ?? false
  const named = challenge?.parameters["resource_metadata"]
  const published = await findResourceMetadata({ server: server.name, url, named, anyResource, policy }, http, signal)
  const { metadata, isGuessed } = await metadataOf(published, question, http, signal)

  const resource = published !== undefined && covers(published.resource, url) ? published.resource : canonical(url)
  const resourceParameter = oauth.resource === "omit" ? undefined : (oauth.resource ?? published?.resource ?? resource)
  const otherIssuers = (published?.authorizationServers ?? []).filter((issuer) => issuer !== metadata.issuer)
  const scopes = scopesFor(question, published, metadata)
  return { issuer: metadata.issuer, metadata, isGuessed, resource, resourceParameter, scopes, otherIssuers }
}

async function metadataOf(
  published: ResourceMetadata | undefined,
  question: DiscoveryQuestion,
  http: Http,
  signal: AbortSignal,
): Promise<Pick<Destination, "metadata" | "isGuessed">> {
  const { server, url, policy, knownIssuer } = question
  const metadataUrl = server.oauth?.authServerMetadataUrl
  const named = published?.authorizationServers ?? []
  const issuer = named.find((one) => one === knownIssuer) ?? named[0] ?? url.origin
  const isLenient = server.oauth?.dialects?.includes("lenient-issuer") ?? false
  const match = metadataUrl !== undefined || isLenient ? "any" : named.length > 0 ? "exact" : "origin"
  const place = { issuer, metadataUrl, match, policy } as const
  const found = await findIssuerMetadata(place, http, signal)
  if (found === undefined && (named.length > 0 || metadataUrl !== undefined)) throw noIssuerMetadata(place)
  // Revision 2025-03-26 (S36): a server without any metadata has its endpoints at fixed places, and says nothing of PKCE.
  if (found === undefined && question.status !== 401 && question.challenge === undefined) {
    throw new PosternError(oauthNotOffered({ server: server.name, url: url.href, status: question.status }))
  }
  if (found === undefined) return { metadata: fixedPlaces(url.origin), isGuessed: true }
  // Before there was resource metadata, nothing was said of PKCE; who says something and leaves S256 out does not have it.
  if (published !== undefined || found.code_challenge_methods_supported !== undefined) requirePkce(server, found)
  return { metadata: found, isGuessed: false }
}

function fixedPlaces(origin: string): IssuerMetadata {
  return {
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    registration_endpoint: `${origin}/register`,
  }
}

function requirePkce(server: HttpServer, { issuer, code_challenge_methods_supported: methods }: IssuerMetadata): void {
  if (methods?.includes("S256") || server.oauth?.dialects?.includes("unannounced-pkce")) return
  throw new PosternError(oauthPkceMissing({ server: server.name, issuer, found: methods?.join(", ") ?? "absent" }))
}

/** S47 and S48: what is pinned, else the challenge's, else all that the server names, else none. */
function scopesFor(
  { server, challenge }: DiscoveryQuestion,
  published: ResourceMetadata | undefined,
  metadata: IssuerMetadata,
): readonly string[] {
  if (server.oauth?.scopes !== undefined) return splitScopes(server.oauth.scopes)
  const asked = splitScopes(challenge?.parameters["scope"])
  const scopes = asked.length > 0 ? asked : (published?.scopesSupported ?? [])
  const offline = metadata.scopes_supported?.includes("offline_access") && scopes.length > 0 ? ["offline_access"] : []
  return [...new Set([...scopes, ...offline])]
}

/** The canonical address of a server that does not name itself: no fragment, and no slash where there is no path. */
function canonical({ origin, pathname, search }: URL): string {
  return `${origin}${pathname === "/" ? "" : pathname}${search}`
}

/** @throws {PosternError} `oauth-metadata-invalid` if the authorization server does not have this endpoint */
export function requireEndpoint({ metadata }: Destination, name: "authorization_endpoint" | "token_endpoint"): string {
  const endpoint = metadata[name]
  if (endpoint === undefined) throw new PosternError(oauthMetadataInvalid({ address: metadata.issuer, fault: `it names no ${name}` }))
  return endpoint
}
