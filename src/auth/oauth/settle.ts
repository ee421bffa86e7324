/** From a token answer to a stored grant: what is told as a success is one. */
import type { HttpServer } from "../../config/server.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Http } from "../../core/http.ts"
import { configuredHeaders } from "../header.ts"
import type { MethodTools } from "../tools.ts"
import type { Flow } from "./authorization-request.ts"
import { purposeOf } from "./client.ts"
import { oauthTokenNotAccepted } from "./diagnoses.ts"
import { requireEndpoint } from "./discovery.ts"
import { TOKEN_LIMIT_MS, type TokenOutcome, signInFault } from "./exchange.ts"
import { type Grant, grantName, isGrantOf, keepGrant, secretsOfGrant } from "./grant.ts"
import type { GrantOwner } from "./owner.ts"
import { requirePinned } from "./pin.ts"
import { keepRegistration } from "./registration.ts"
import { type TestProof, testRequest } from "./test-request.ts"
import type { Tokens } from "./token-answer.ts"

/** What a grant is made of beside its tokens. */
export type FlowFacts = Pick<Flow, "destination" | "client" | "scopes" | "isKept" | "registration">

/** What a flow ended with, and whose grant is to come of it; `former` is the one that it replaces. */
export interface Settlement {
  readonly outcome: TokenOutcome
  readonly flow: FlowFacts
  readonly server: HttpServer
  readonly owner: GrantOwner
  readonly former: Grant | undefined
}

/** Pin, one accepted request, store: in this order, so that what is told as a success is one. Nobody's impatience tears it. */
export async function settle({ outcome, flow, server, owner, former }: Settlement, tools: MethodTools): Promise<Grant> {
  const { issuer } = flow.destination
  if ("refusal" in outcome) throw signInFault({ ...flow, server }, outcome.refusal)
  const grant = toGrant(outcome.tokens, flow, former, tools.clock.now())
  for (const secret of secretsOfGrant(grant)) tools.redactor.learnPassing(secret)
  requirePinned(server, grant)
  const configured = await configuredHeaders(server, owner.url.origin, tools)()
  await requireAccepted(owner, { grant, configured }, tools.http)
  await store(owner, grant, tools)
  if (flow.registration) await keepRegistration(tools.vault, issuer, purposeOf(server.oauth ?? {}), flow.registration)
  return grant
}

/** @param former - its version is counted on */
function toGrant(
  tokens: Tokens,
  { destination, client, scopes }: Pick<Flow, "destination" | "client" | "scopes">,
  former: Grant | undefined,
  nowMs: number,
): Grant {
  const { metadata, resourceParameter } = destination
  const { accessToken, refreshToken, expiresAtMs, subject } = tokens
  return {
    version: (former?.version ?? 0) + 1,
    issuer: destination.issuer,
    tokenEndpoint: requireEndpoint(destination, "token_endpoint"),
    ...(metadata.revocation_endpoint === undefined ? {} : { revocationEndpoint: metadata.revocation_endpoint }),
    client,
    resource: destination.resource,
    ...(resourceParameter === undefined ? {} : { resourceParameter }),
    scopes: [...(tokens.scopes ?? scopes)],
    accessToken,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    obtainedAtMs: nowMs,
    signedInAtMs: nowMs,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    ...(subject === undefined ? {} : { subject }),
  }
}

/** A server that cannot be reached, or answers with a fault of its own, says nothing of the token. */
async function requireAccepted(
  { server, url }: GrantOwner,
  { grant, configured }: { readonly grant: Grant; readonly configured: TestProof["configured"] },
  http: Http,
): Promise<void> {
  const { accessToken } = grant
  const { signal } = new AbortController()
  const { status, header } = await testRequest(url, { accessToken, configured }, http, signal).catch((error: unknown) => {
    if (!(error instanceof PosternError)) throw error
    return { status: 0, header: "" }
  })
  if (status !== 401 && status !== 403) return
  throw new PosternError(oauthTokenNotAccepted({ server, status, issuer: grant.issuer, challenge: header }))
}

/**
 * The new one is written first; then what it replaces goes: a sign-in with another issuer or client has another name. So does one for
 * a closer resource of the same server: it would be found in the place of the new one.
 */
async function store(owner: GrantOwner, grant: Grant, { vault }: MethodTools): Promise<void> {
  const name = grantName(owner.label, grant)
  const terms = { waitMs: 2 * TOKEN_LIMIT_MS, holdMs: TOKEN_LIMIT_MS }
  await vault.renew(
    { name, origin: owner.url.origin },
    async () => ({ next: keepGrant(grant), result: undefined }),
    terms,
    new AbortController().signal,
  )
  for (const entry of await vault.list()) {
    const isReplaced = isGrantOf(entry, owner) && (entry.facts.resource ?? "").length >= grant.resource.length
    if (isReplaced && entry.name !== name) await vault.remove(entry.name)
  }
}
