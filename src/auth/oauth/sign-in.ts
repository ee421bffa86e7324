/** A sign-in as a whole: one at a time on the machine for each account, and nothing of a former one is lost until the new one is proved and stored. */
import type { HttpServer } from "../../config/server.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Http } from "../../core/http.ts"
import type { AddressPolicy } from "../../core/address-gate.ts"
import type { Interaction } from "../interaction.ts"
import type { MethodTools } from "../tools.ts"
import { type ClientFlow, signInByBrowser } from "./browser-flow.ts"
import { purposeOf, planClient } from "./client.ts"
import type { Challenge } from "./challenge.ts"
import { oauthClientRefused, oauthSignInTimeout, oauthTokenNotAccepted } from "./diagnoses.ts"
import { discover, requireEndpoint } from "./discovery.ts"
import { TOKEN_LIMIT_MS, exchangeCode, tokenFault } from "./exchange.ts"
import { type Grant, findGrant, grantName, keepGrant, parseGrant, secretsOfGrant, signInName } from "./grant.ts"
import { type GrantOwner, grantPrefix } from "./owner.ts"
import { requirePinned } from "./pin.ts"
import { keepRegistration } from "./registration.ts"
import { testRequest } from "./test-request.ts"
import type { Tokens } from "./token-answer.ts"

export interface SignInWish {
  readonly server: HttpServer
  readonly owner: GrantOwner
  readonly policy: AddressPolicy
  /** Of the refusal that led here; undefined: the server is asked. */
  readonly challenge?: Challenge | undefined
  /** Asked for beside what the server asks for: what was agreed to before, and what a step-up needs. */
  readonly moreScopes?: readonly string[]
  /** Whether a kept registration is left aside, and a new one made. */
  readonly fresh?: boolean
}

/** How long a person may take, in milliseconds. */
const PERSON_LIMIT_MS = 10 * 60_000
/** A sign-in may take the person's time, and its exchanges. */
const LEASE = { waitMs: PERSON_LIMIT_MS, holdMs: PERSON_LIMIT_MS + 3 * TOKEN_LIMIT_MS } as const

/**
 * Signs in. Of several that want to at once, in any number of processes, one asks the person; the others have its result.
 *
 * @returns the grant, as it is stored now
 * @throws {PosternError} `oauth-*`; the former grant is then as it was
 */
export async function signIn(wish: SignInWish, tools: MethodTools, interaction: Interaction, signal: AbortSignal): Promise<Grant> {
  const { owner } = wish
  const before = await readCurrent(owner, tools)
  const place = { name: signInName(owner), origin: owner.url.origin }
  return tools.vault.renew(
    place,
    async () => {
      const now = await readCurrent(owner, tools)
      const isNew =
        now !== undefined && now.needsSignIn === undefined && (now.version !== before?.version || now.accessToken !== before.accessToken)
      // Whoever asks for more than the winner has been given asks again.
      if (isNew && (wish.moreScopes ?? []).every((scope) => now.scopes.includes(scope))) return { result: now }
      return { result: await askPerson(wish, now, { tools, interaction }, signal) }
    },
    LEASE,
    signal,
  )
}

async function readCurrent(owner: GrantOwner, { vault }: MethodTools): Promise<Grant | undefined> {
  const entry = await findGrant(vault, owner)
  const secret = entry && (await vault.read(entry.name, owner.url.origin))
  return entry && secret !== undefined ? parseGrant(entry.name, secret) : undefined
}

interface Desk {
  readonly tools: MethodTools
  readonly interaction: Interaction
}

async function askPerson(wish: SignInWish, former: Grant | undefined, { tools, interaction }: Desk, signal: AbortSignal): Promise<Grant> {
  const { server, owner, policy, moreScopes = [] } = wish
  const { url } = owner
  const challenge = wish.challenge ?? (await testRequest(url, tools.http, undefined, signal)).challenge
  const destination = await discover({ server, url, challenge, knownIssuer: former?.issuer, policy }, tools.http, signal)
  requireEndpoint(destination, "token_endpoint")
  if (former === undefined && destination.otherIssuers.length > 0)
    interaction.tell(
      `${server.name} names several authorization servers; this is ${destination.issuer}. Others: ${destination.otherIssuers.join(", ")}`,
    )

  const scopes = [...new Set([...destination.scopes, ...(server.oauth?.scopes === undefined ? moreScopes : [])])]
  const formerClient = former?.issuer === destination.issuer ? former.client : undefined
  const limit = AbortSignal.timeout(PERSON_LIMIT_MS)
  const attempt = async (fresh: boolean): Promise<Grant> => {
    const question = { server, url, destination, former: formerClient, fresh, policy }
    const plan = await planClient(question, tools, interaction, signal)
    const redeem = (flow: ClientFlow, callback: URLSearchParams): Promise<Grant> =>
      redeemCode({ wish, flow, callback, former }, tools, signal)
    return signInByBrowser({ ...question, plan, scopes }, redeem, { tools, interaction }, AbortSignal.any([signal, limit]))
  }
  try {
    return await attempt(wish.fresh ?? false).catch((error: unknown) => {
      // A registration that the server has forgotten: once more, as a new client.
      if (!(error instanceof ForgottenClient)) throw error
      interaction.tell(`${destination.issuer} has forgotten Postern's registration; it is made again.`)
      return attempt(true)
    })
  } catch (error) {
    if (!limit.aborted || signal.aborted || error instanceof PosternError) throw error
    throw new PosternError(oauthSignInTimeout({ server: server.name, limitMs: PERSON_LIMIT_MS }), { cause: error })
  }
}

/** A kept registration that the token endpoint does not know any more (S43). */
class ForgottenClient extends PosternError {}

interface Redeemable {
  readonly wish: SignInWish
  readonly flow: ClientFlow
  readonly callback: URLSearchParams
  readonly former: Grant | undefined
}

/** Exchange, pin, one accepted request, store: in this order, so that what is told as a success is one. */
async function redeemCode({ wish, flow, callback, former }: Redeemable, tools: MethodTools, signal: AbortSignal): Promise<Grant> {
  const { server, owner, policy } = wish
  const { destination, client } = flow
  const { metadata, resourceParameter, issuer } = destination
  const reach = { http: tools.http, policy, limitMs: TOKEN_LIMIT_MS }
  const outcome = await exchangeCode({ ...flow, metadata, callback, resourceParameter }, reach, tools.clock, signal)
  if ("refusal" in outcome) {
    const { error, said } = outcome.refusal
    if (error !== "invalid_client") throw tokenFault(issuer, outcome.refusal)
    const diagnosis = oauthClientRefused({ server: server.name, client: client.id, said: said ?? error })
    throw flow.isKept ? new ForgottenClient(diagnosis) : new PosternError(diagnosis)
  }

  const grant = toGrant(outcome.tokens, flow, former, tools.clock.now())
  for (const secret of secretsOfGrant(grant)) tools.redactor.learn(secret)
  requirePinned(server, grant)
  await requireAccepted(owner, grant, tools.http, signal)
  await store(owner, grant, tools)
  if (flow.registration) await keepRegistration(tools.vault, issuer, purposeOf(server.oauth ?? {}), flow.registration)
  return grant
}

/** @param former - its version is counted on */
export function toGrant(
  tokens: Tokens,
  { destination, client, scopes }: Pick<ClientFlow, "destination" | "client" | "scopes">,
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
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    ...(subject === undefined ? {} : { subject }),
  }
}

/** A server that cannot be reached, or answers with a fault of its own, says nothing of the token. */
async function requireAccepted({ server, url }: GrantOwner, grant: Grant, http: Http, signal: AbortSignal): Promise<void> {
  const { status, header } = await testRequest(url, http, grant.accessToken, signal).catch((error: unknown) => {
    if (!(error instanceof PosternError)) throw error
    return { status: 0, header: "" }
  })
  if (status !== 401 && status !== 403) return
  throw new PosternError(oauthTokenNotAccepted({ server, status, issuer: grant.issuer, challenge: header }))
}

/** The new one is written first; then what it replaces goes: a sign-in with another issuer or client has another name. */
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
    const isSame = entry.facts.kind === "grant" && entry.origin === owner.url.origin && entry.facts.resource === grant.resource
    if (isSame && entry.name !== name && entry.name.startsWith(grantPrefix(owner.label))) await vault.remove(entry.name)
  }
}
