/** What an authorization server says of itself: RFC 8414 and OpenID Connect Discovery, looked for in the order of S34. */
import * as v from "valibot"
import { type AddressPolicy, passAddress } from "../../core/address-gate.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { fetchDocument } from "../../core/http-document.ts"
import type { Http } from "../../core/http.ts"
import { oauthIssuerMismatch, oauthMetadataInvalid, oauthMetadataMissing, oauthMetadataUnavailable } from "./diagnoses.ts"
import { METADATA_HEADERS } from "./resource-metadata.ts"

const texts = v.pipe(v.array(v.string()), v.maxLength(500))
const endpoint = v.exactOptional(v.string())
const schema = v.object({
  issuer: v.string(),
  authorization_endpoint: endpoint,
  token_endpoint: endpoint,
  registration_endpoint: endpoint,
  revocation_endpoint: endpoint,
  device_authorization_endpoint: endpoint,
  pushed_authorization_request_endpoint: endpoint,
  require_pushed_authorization_requests: v.exactOptional(v.boolean()),
  scopes_supported: v.exactOptional(texts),
  code_challenge_methods_supported: v.exactOptional(texts),
  token_endpoint_auth_methods_supported: v.exactOptional(texts),
  authorization_response_iss_parameter_supported: v.exactOptional(v.boolean()),
  client_id_metadata_document_supported: v.exactOptional(v.boolean()),
})

/** An authorization server, as its metadata spells it. Each of its endpoints has passed the gate. */
export type IssuerMetadata = v.InferOutput<typeof schema>

/** Which authorization server is asked for, and how exactly the document must name it. */
export interface IssuerQuestion {
  /** As the server names it, byte for byte. */
  readonly issuer: string
  /** Where the metadata is, if the entry says so; else the well-known places of the issuer. */
  readonly metadataUrl?: string | undefined
  /** How exactly the document must name its issuer: to the letter (S35), by its origin (S36), or not at all (the entry names it). */
  readonly match: "exact" | "origin" | "any"
  readonly policy: AddressPolicy
}

/** Endpoints that a credential or a form is sent to. */
const CREDENTIAL_ENDPOINTS = [
  "token_endpoint",
  "registration_endpoint",
  "revocation_endpoint",
  "device_authorization_endpoint",
  "pushed_authorization_request_endpoint",
] as const

/**
 * Finds the metadata of an authorization server.
 *
 * @returns undefined if there is none in any place
 * @throws {PosternError} `oauth-issuer-mismatch`, `oauth-metadata-invalid`, `oauth-metadata-unavailable`, `address-refused`, and what
 *   the connection throws
 */
export async function findIssuerMetadata(question: IssuerQuestion, http: Http, signal: AbortSignal): Promise<IssuerMetadata | undefined> {
  for (const address of issuerPlaces(question)) {
    const url = passAddress(address, "fetch metadata", question.policy)
    const { status, json } = await fetchDocument(http, { method: "GET", url, headers: METADATA_HEADERS }, signal)
    if (status >= 500) throw new PosternError(oauthMetadataUnavailable({ address: url.href, status }))
    if (status === 200 && json !== undefined) return readMetadata(json, url.href, question)
  }
  return undefined
}

/** @returns what is told when there is none */
export function noIssuerMetadata(question: IssuerQuestion): PosternError {
  const tried = issuerPlaces(question).map((address) => `tried: ${address}`)
  return new PosternError(oauthMetadataMissing({ of: `the authorization server ${question.issuer}`, tried }))
}

function issuerPlaces({ issuer, metadataUrl, policy }: IssuerQuestion): readonly string[] {
  if (metadataUrl !== undefined) return [metadataUrl]
  const { origin, pathname } = passAddress(issuer, "fetch metadata", policy)
  const path = pathname.replace(/\/$/, "")
  const oauth = `${origin}/.well-known/oauth-authorization-server${path}`
  const openid = `${origin}/.well-known/openid-configuration${path}`
  return path === "" ? [oauth, openid] : [oauth, openid, `${origin}${path}/.well-known/openid-configuration`]
}

function readMetadata(json: unknown, address: string, { issuer, match, policy }: IssuerQuestion): IssuerMetadata {
  const parsed = v.safeParse(schema, json)
  if (!parsed.success) {
    const fault = `${v.getDotPath(parsed.issues[0]) ?? "the document"} is not what it should be`
    throw new PosternError(oauthMetadataInvalid({ address, fault }))
  }
  const metadata = parsed.output
  if (!isSameIssuer(metadata.issuer, issuer, match)) {
    throw new PosternError(oauthIssuerMismatch({ expected: issuer, found: metadata.issuer, where: `its metadata at ${address}` }))
  }
  if (!URL.canParse(metadata.issuer)) throw new PosternError(oauthMetadataInvalid({ address, fault: "its issuer is no address" }))
  for (const name of CREDENTIAL_ENDPOINTS) {
    const named = metadata[name]
    if (named !== undefined) passAddress(named, "send a credential", policy)
  }
  if (metadata.authorization_endpoint !== undefined) passAddress(metadata.authorization_endpoint, "open for a person", policy)
  return metadata
}

/** S35: no normalising, not even of a slash at the end; S36: before there was a document that named the issuer, only the origin could be known. */
function isSameIssuer(found: string, asked: string, match: IssuerQuestion["match"]): boolean {
  if (match === "any" || found === asked) return true
  return match === "origin" && URL.canParse(found) && new URL(found).origin === new URL(asked).origin
}
