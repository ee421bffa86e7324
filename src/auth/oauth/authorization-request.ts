/** What the browser is sent away with, and how what it comes back with is checked before anything is redeemed (S45, S49, S50). */
import { createHash, randomBytes } from "node:crypto"
import * as oauth from "oauth4webapi"
import type { Findable } from "../../config/server-command.ts"
import { passAddress } from "../../core/address-gate.ts"
import { areEqual } from "../../core/constant-time.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { isObject } from "../../core/json.ts"
import type { RealClient } from "./client.ts"
import { type Reach, clientOf, proofOf, sendForm } from "./authorization-server.ts"
import { oauthConsentRefused, oauthIssuerMismatch, oauthMetadataInvalid } from "./diagnoses.ts"
import { type Destination, requireEndpoint } from "./discovery.ts"
import { signInFault, wordsOf } from "./exchange.ts"

/** One flow: what belongs together from the first link to the exchange. Nothing of it is shared with another (S50). */
export interface Flow extends RealClient {
  readonly server: Findable
  readonly destination: Destination
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly extraParameters: Readonly<Record<string, string>>
  readonly state: string
  readonly verifier: string
}

/** @returns the flow with a `state` and a verifier of its own */
export function startFlow(facts: Omit<Flow, "state" | "verifier">): Flow {
  return { ...facts, state: randomBytes(32).toString("base64url"), verifier: randomBytes(32).toString("base64url") }
}

/** The parameters of the authorization request (RFC 6749 section 4.1.1, RFC 7636, RFC 8707). */
function parametersOf({ destination, client, redirectUri, scopes, extraParameters, state, verifier }: Flow): URLSearchParams {
  const binding = {
    response_type: "code",
    client_id: client.id,
    redirect_uri: redirectUri,
    state,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  }
  const parameters = new URLSearchParams(binding)
  if (scopes.length > 0) parameters.set("scope", scopes.join(" "))
  if (destination.resourceParameter !== undefined) parameters.set("resource", destination.resourceParameter)
  // OpenID Connect Core section 11: without it, some servers give no refresh token.
  if (scopes.includes("offline_access")) parameters.set("prompt", "consent")
  // Whoever wrote the entry adds to the request; what ties the answer to this flow stays ours.
  for (const [name, value] of Object.entries(extraParameters)) if (!Object.hasOwn(binding, name)) parameters.set(name, value)
  return parameters
}

/**
 * The address that a person opens. Where the server wants the request pushed first (RFC 9126), it is.
 *
 * @throws {PosternError} `address-refused`; `oauth-token-refused` and `oauth-client-refused` if the pushed request is refused
 */
export async function authorizationLink(flow: Flow, reach: Reach, signal: AbortSignal): Promise<URL> {
  const { destination, client } = flow
  const { metadata } = destination
  const url = passAddress(requireEndpoint(destination, "authorization_endpoint"), "open for a person", reach.policy)
  const parameters = metadata.require_pushed_authorization_requests
    ? new URLSearchParams({ client_id: client.id, request_uri: await push(flow, reach, signal) })
    : parametersOf(flow)
  for (const [name, value] of parameters) url.searchParams.set(name, value)
  return passAddress(url, "open for a person", reach.policy)
}

async function push(flow: Flow, reach: Reach, signal: AbortSignal): Promise<string> {
  const { client, destination } = flow
  const { metadata } = destination
  const { status, json } = await sendForm(
    (options) => oauth.pushedAuthorizationRequest(metadata, clientOf(client), proofOf(client), parametersOf(flow), options),
    reach,
    signal,
  )
  const uri = isObject(json) ? json["request_uri"] : undefined
  if (status >= 300 || typeof uri !== "string") throw signInFault(flow, { status, ...wordsOf(json) })
  return uri
}

/** What a callback turns out to be: somebody else's, or the flow's own. */
export type CallbackVerdict =
  | { readonly is: "foreign"; readonly why: string }
  | { readonly is: "own"; readonly parameters: URLSearchParams }

/**
 * Looks at a callback. One whose `state` is not the flow's changes nothing: it gets an error page, and the flow goes on (RFC 9700
 * section 4.7). Nothing of it is shown or used.
 */
export function judgeCallback(flow: Flow, parameters: URLSearchParams): CallbackVerdict {
  const states = parameters.getAll("state")
  if (states.length !== 1 || !areEqual(states[0] ?? "", flow.state)) {
    return { is: "foreign", why: states.length === 0 ? "it names no sign-in (state is missing)" : "it belongs to another sign-in (state)" }
  }
  return { is: "own", parameters }
}

/**
 * Checks the flow's own callback: the issuer first, also of an error, whose text is not shown if the issuer is another one (S49).
 *
 * @returns the parameters as the exchange takes them
 * @throws {PosternError} `oauth-issuer-mismatch`, `oauth-consent-refused`, `oauth-metadata-invalid` if there is no code in it
 */
export function readCallback({ server, destination, client, state }: Flow, parameters: URLSearchParams): URLSearchParams {
  const { metadata, issuer } = destination
  const issuers = parameters.getAll("iss")
  const isMissing = issuers.length === 0 && metadata.authorization_response_iss_parameter_supported === true
  if (isMissing || issuers.length > 1 || (issuers.length === 1 && issuers[0] !== issuer)) {
    const found = isMissing ? "nobody, though it says that it always names itself" : issuers.join(", ")
    throw new PosternError(oauthIssuerMismatch({ expected: issuer, found, where: "the answer in the browser" }))
  }
  const error = parameters.get("error")
  if (error !== null) throw new PosternError(oauthConsentRefused({ server, error, said: parameters.get("error_description") ?? "" }))
  if (parameters.getAll("code").length !== 1) {
    throw new PosternError(oauthMetadataInvalid({ address: issuer, fault: "the browser came back without a code" }))
  }
  return oauth.validateAuthResponse(metadata, clientOf(client), parameters, state)
}

/**
 * What a person has pasted: the whole address that the browser ended at, its query, or the bare code.
 *
 * @returns its parameters; a bare code is taken as the flow's own: whoever types it has seen the page
 */
export function readPasted(pasted: string, { state, destination }: Flow): URLSearchParams | undefined {
  const text = pasted.trim().replace(/^(["'])(.*)\1$/, "$2")
  if (URL.canParse(text) && /^https?:/i.test(text)) return new URL(text).searchParams
  if (/(^|[?&])(code|error)=/.test(text)) return new URLSearchParams(text.replace(/^[^?]*\?/, ""))
  if (!/^[\x21-\x7e]{4,4096}$/.test(text)) return undefined
  return new URLSearchParams({ code: text, state, iss: destination.issuer })
}
