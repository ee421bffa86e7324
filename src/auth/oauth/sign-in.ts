/** A sign-in as a whole: one at a time on the machine for each account, unless somebody insists, and nothing of a former one is lost until the new one is proved and stored. */
import type { HttpServer } from "../../config/server.ts"
import { limited } from "../../core/abort.ts"
import { PosternError, failedWith } from "../../core/diagnosis.ts"
import { lockTimeout } from "../../core/file-lock.ts"
import type { AddressPolicy } from "../../core/address-gate.ts"
import type { Renewal, Vault } from "../../vault/vault.ts"
import { configuredHeaders } from "../header.ts"
import type { Interaction } from "../interaction.ts"
import type { MethodTools } from "../tools.ts"
import type { Flow } from "./authorization-request.ts"
import { signInByBrowser } from "./browser-flow.ts"
import { type ClientPlan, planClient, realizeClient } from "./client.ts"
import type { Challenge } from "./challenge.ts"
import { oauthIssuerUnknown, oauthSignInTimeout } from "./diagnoses.ts"
import { type Destination, discover, requireEndpoint } from "./discovery.ts"
import { ForgottenClient, TOKEN_LIMIT_MS, exchangeCode } from "./exchange.ts"
import { type Grant, findGrant, parseGrant, signInName } from "./grant.ts"
import type { GrantOwner } from "./owner.ts"
import { type FlowFacts, settle } from "./settle.ts"
import { testRequest } from "./test-request.ts"

/** For which server one signs in, and what this sign-in has to give. */
export interface SignInWish {
  readonly server: HttpServer
  readonly owner: GrantOwner
  readonly policy: AddressPolicy
  /** Of the refusal that led here; undefined: the server is asked. */
  readonly challenge?: Challenge | undefined
  /** The token that made it needed, or that there was none: a grant with another one is a winner's. Absent: whatever stands there now. */
  readonly unmended?: { readonly token: string | undefined }
  /** Asked for beside what the server asks for: what was agreed to before, and what a step-up needs. */
  readonly moreScopes?: readonly string[]
  /** Whether a kept registration is left aside, and a new one made. */
  readonly fresh?: boolean
  /** The authorization server, where the server names several; undefined: a former one's, or the first. */
  readonly issuer?: string | undefined
  /**
   * The device flow, where the server has it: in the place of the browser; the same where the client was registered for it; or beside
   * the link where no browser is started.
   */
  readonly device?: "instead" | "preferred" | "beside"
  /** Somebody asks for it by name: another one that waits for a person is not waited for. Its page may have been closed long since. */
  readonly insists?: boolean
}

/** How long a person may take, in milliseconds. */
const PERSON_LIMIT_MS = 10 * 60_000
/** A sign-in may take the person's time, and its exchanges. */
const LEASE = { waitMs: PERSON_LIMIT_MS, holdMs: PERSON_LIMIT_MS + 3 * TOKEN_LIMIT_MS } as const

/**
 * Signs in. Of several that want to at once, in any number of processes, one asks the person; the others have its result. One that
 * insists asks all the same.
 *
 * @returns the grant, as it is stored now
 * @throws {PosternError} `oauth-*`; the former grant is then as it was
 */
export async function signIn(wish: SignInWish, tools: MethodTools, interaction: Interaction, signal: AbortSignal): Promise<Grant> {
  const { owner } = wish
  const before = wish.unmended ?? { token: (await readCurrent(owner, tools))?.accessToken }
  const ask = async (): Promise<Grant> => {
    const now = await readCurrent(owner, tools)
    const isNew = now !== undefined && now.needsSignIn === undefined && now.accessToken !== before.token
    // Whoever asks for more than the winner has been given asks again.
    if (isNew && (wish.moreScopes ?? []).every((scope) => now.scopes.includes(scope))) return now
    return askPerson(wish, now, { tools, interaction }, signal)
  }
  return inTurn(wish, tools.vault, ask, signal)
}

async function inTurn({ owner, insists }: SignInWish, vault: Vault, ask: () => Promise<Grant>, signal: AbortSignal): Promise<Grant> {
  const place = { name: signInName(owner), origin: owner.url.origin }
  let hasTurn = false
  const decide = async (): Promise<Renewal<Grant>> => {
    hasTurn = true
    return { result: await ask() }
  }
  try {
    return await vault.renew(place, decide, insists ? { ...LEASE, waitMs: 0 } : LEASE, signal)
  } catch (error) {
    if (!insists || hasTurn || !failedWith(error, lockTimeout)) throw error
    return ask()
  }
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

async function askPerson(wish: SignInWish, former: Grant | undefined, desk: Desk, signal: AbortSignal): Promise<Grant> {
  const { server, moreScopes = [] } = wish
  const destination = await findDestination(wish, former, desk, signal)
  const scopes = [...new Set([...destination.scopes, ...(server.oauth?.scopes === undefined ? moreScopes : [])])]
  const untilLimit = limited(signal, PERSON_LIMIT_MS)
  const attempt = (fresh: boolean): Promise<Grant> => signInOnce({ wish, destination, scopes, former, fresh }, desk, untilLimit)
  try {
    return await attempt(wish.fresh ?? false).catch((error: unknown) => {
      // A registration that the server has forgotten: once more, as a new client.
      if (!(error instanceof ForgottenClient)) throw error
      desk.interaction.tell(`${destination.issuer} has forgotten Postern's registration; it is made again.`)
      return attempt(true)
    })
  } catch (error) {
    if (!untilLimit.aborted || signal.aborted || error instanceof PosternError) throw error
    throw new PosternError(oauthSignInTimeout({ server, limitMs: PERSON_LIMIT_MS }), { cause: error })
  }
}

async function findDestination(
  { server, owner, policy, challenge, issuer }: SignInWish,
  former: Grant | undefined,
  desk: Desk,
  signal: AbortSignal,
): Promise<Destination> {
  const { http } = desk.tools
  const { url } = owner
  const asked =
    challenge === undefined
      ? await testRequest(url, { configured: await configuredHeaders(server, url.origin, desk.tools)() }, http, signal)
      : { challenge, status: undefined }
  const knownIssuer = issuer ?? server.pin?.subject?.split("#")[0] ?? former?.issuer
  const destination = await discover({ server, url, ...asked, knownIssuer, policy }, http, signal)
  requireEndpoint(destination, "token_endpoint")
  if (issuer !== undefined && issuer !== destination.issuer) {
    throw new PosternError(oauthIssuerUnknown({ server, issuer, named: [destination.issuer, ...destination.otherIssuers] }))
  }
  tellWhere(destination, server, former, desk.interaction)
  return destination
}

/** What a person should know before they are sent there. */
function tellWhere(destination: Destination, { name, oauth }: HttpServer, former: Grant | undefined, interaction: Interaction): void {
  const { issuer, otherIssuers } = destination
  if (former === undefined && otherIssuers.length > 0) {
    const others = otherIssuers.join(", ")
    interaction.tell(`${name} names several authorization servers. This is ${issuer}; with --issuer, another: ${others}`)
  }
  if (former !== undefined && former.issuer !== issuer)
    interaction.tell(`The former sign-in to ${name} was at ${former.issuer}; this one is at ${issuer}.`)
  for (const dialect of oauth?.dialects ?? []) interaction.tell(`The dialect ${dialect} is accepted from ${name}: a check is left out.`)
}

interface Attempt {
  readonly wish: SignInWish
  readonly destination: Destination
  readonly scopes: readonly string[]
  readonly former: Grant | undefined
  readonly fresh: boolean
}

async function signInOnce(
  { wish, destination, scopes, former, fresh }: Attempt,
  { tools, interaction }: Desk,
  signal: AbortSignal,
): Promise<Grant> {
  const { server, owner, policy } = wish
  const formerClient = former?.issuer === destination.issuer ? former.client : undefined
  const question = { server, url: owner.url, destination, former: formerClient, fresh, policy }
  const plan = await planClient(question, tools, interaction, signal)
  const reach = { http: tools.http, policy, limitMs: TOKEN_LIMIT_MS }
  /** What was redeemed cannot be redeemed again, so the end of a bridge waits for what comes of it. */
  const finish = (settled: Promise<Grant>): Promise<Grant> => {
    tools.hold?.(settled.catch(() => undefined)) // whoever waits for the sign-in hears it
    return settled
  }
  const byCode = (flow: Flow, callback: URLSearchParams): Promise<Grant> => {
    const { metadata, resourceParameter } = destination
    tools.redactor.learnPassing(callback.get("code") ?? "")
    const exchange = exchangeCode({ ...flow, metadata, callback, resourceParameter }, reach, tools.clock)
    return finish(exchange.then((outcome) => settle({ outcome, flow, server, owner, former }, tools)))
  }
  const byDevice = async (flow: FlowFacts, untilOver: AbortSignal): Promise<Grant> => {
    const { signInByDevice } = await import("./device.ts")
    const outcome = await signInByDevice({ server, ...flow }, { reach, interaction, tools }, untilOver)
    return finish(settle({ outcome, flow, server, owner, former }, tools))
  }

  const hasDevice = destination.metadata.device_authorization_endpoint !== undefined
  const isPreferred = wish.device === "preferred" && plan.kind === "registration"
  if (hasDevice && (wish.device === "instead" || isPreferred)) {
    const client = await realizeClient({ ...question, plan }, keptRedirect(plan), tools, signal)
    return byDevice({ ...client, destination, scopes }, signal)
  }
  const beside = wish.device === "beside" && hasDevice ? { beside: byDevice } : {}
  return signInByBrowser({ ...question, plan, scopes, ...beside }, byCode, { tools, interaction }, signal)
}

/** A device comes back nowhere; a registration wants an address all the same. */
const keptRedirect = (plan: ClientPlan): string =>
  (plan.kind === "registration" ? plan.kept?.redirectUri : undefined) ?? "http://127.0.0.1/callback"
