/** Where a server says who gives out tokens for it: protected-resource metadata (RFC 9728), looked for in the order of S31. */
import * as v from "valibot"
import { type AddressPolicy, passAddress } from "../../core/address-gate.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { fetchDocument } from "../../core/http-document.ts"
import type { Http } from "../../core/http.ts"
import { oauthMetadataInvalid, oauthMetadataUnavailable, oauthResourceMismatch } from "./diagnoses.ts"
import { covers } from "./grant.ts"

const texts = v.pipe(v.array(v.string()), v.maxLength(200))
const schema = v.object({
  resource: v.string(),
  authorization_servers: v.optional(texts),
  scopes_supported: v.optional(texts),
})

/** What a server says of itself. Its texts are as published: `resource` is sent on byte for byte. */
export interface ResourceMetadata {
  readonly resource: string
  readonly authorizationServers: readonly string[]
  readonly scopesSupported: readonly string[]
}

/** Whose metadata is looked for, and from where its challenge says that it is. */
export interface ResourceQuestion {
  readonly server: string
  readonly url: URL
  /** `resource_metadata` of the challenge; absent if it named none. */
  readonly named?: string | undefined
  /** Whether metadata of another resource is accepted (the dialect `no-resource-check`). */
  readonly anyResource: boolean
  readonly policy: AddressPolicy
}

/**
 * Finds a server's metadata: where its challenge says, else below its well-known address with its path, else without.
 *
 * @returns undefined if there is none, as before revision 2025-06-18
 * @throws {PosternError} `address-refused`; `oauth-metadata-unavailable` for a place that cannot answer now (the next one might be
 *   another's); `oauth-metadata-invalid`; `oauth-resource-mismatch`; what the connection throws
 */
export async function findResourceMetadata(
  question: ResourceQuestion,
  http: Http,
  signal: AbortSignal,
): Promise<ResourceMetadata | undefined> {
  for (const address of placesOf(question)) {
    const url = passAddress(address, "fetch metadata", question.policy)
    const { status, json } = await fetchDocument(http, { method: "GET", url, headers: METADATA_HEADERS }, signal)
    if (status >= 500) throw new PosternError(oauthMetadataUnavailable({ address: url.href, status }))
    // A page of HTML in the place of a document is a server that answers everything alike.
    if (status === 200 && json !== undefined) return readMetadata(json, url.href, question)
  }
  return undefined
}

/** The revision that asks for this header names it on discovery requests too (S36). */
export const METADATA_HEADERS = { accept: "application/json", "mcp-protocol-version": "2025-11-25" } as const

function placesOf({ url, named }: ResourceQuestion): readonly string[] {
  const root = `${url.origin}/.well-known/oauth-protected-resource`
  const path = url.pathname === "/" ? "" : url.pathname
  return [...new Set([...(named === undefined ? [] : [named]), `${root}${path}${url.search}`, root])]
}

function readMetadata(json: unknown, address: string, { server, url, anyResource }: ResourceQuestion): ResourceMetadata {
  const parsed = v.safeParse(schema, json)
  if (!parsed.success) {
    const fault = `${v.getDotPath(parsed.issues[0]) ?? "the document"} is not what it should be`
    throw new PosternError(oauthMetadataInvalid({ address, fault }))
  }
  const { resource, authorization_servers: authorizationServers = [], scopes_supported: scopesSupported = [] } = parsed.output
  if (!anyResource && !covers(resource, url)) throw new PosternError(oauthResourceMismatch({ server, url: url.href, resource }))
  return { resource, authorizationServers, scopesSupported }
}
