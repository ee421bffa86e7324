/**
 * The `oauth` method: a person has signed in once, and every request carries the token that came of it.
 *
 * The whole method is on this page: what it sends, when it renews, what it makes of a refusal, who one is, how one gets in and out.
 * Its steps lie beside it, and are loaded when they are needed: a bridge whose grant is fresh loads none of them.
 */
import type { HttpServer } from "../../config/server.ts"
import { monotonicMs } from "../../core/clock.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { OutgoingRequest } from "../../core/http.ts"
import type { Identity } from "../../core/identity.ts"
import { configuredHeaders } from "../header.ts"
import type { Interaction } from "../interaction.ts"
import type { Authenticator } from "../method.ts"
import type { MethodTools } from "../tools.ts"
import { type Grant, type GrantEntry, findGrant, grantIdentity, holderOf } from "./grant.ts"
import { type KeptGrant, keptGrant } from "./kept-grant.ts"
import { grantOwner, grantOwnerInClear, policyOf } from "./owner.ts"
import type { RefusalMemory } from "./refusal.ts"

/** A token that ends within this is renewed before it is sent, in milliseconds; each process adds up to half of it, so that not all come at once. */
const EARLY_MS = 60_000
/** After an early renewal that failed, the token that is still good is used for this long without another try, in milliseconds. */
const PATIENCE_MS = 30_000
/** @param origin - of the server's address: what the grant is bound to, as every secret is */
export function oauthAuthenticator(server: HttpServer, origin: string, tools: MethodTools): Authenticator {
  const configured = Object.keys(server.headers).length === 0 ? undefined : configuredHeaders(server, origin, tools)
  const earlyMs = EARLY_MS * (1 + Math.random() / 2)
  let kept: Promise<KeptGrant> | undefined
  let memory: RefusalMemory = { missing: undefined, asked: [] }
  /** On a clock that nobody sets. */
  let patientUntilMs = 0

  const grantKeeper = (): Promise<KeptGrant> => {
    kept ??= grantOwner(server, tools)
      .then((owner) => keptGrant(owner, tools))
      .catch((error: unknown) => {
        kept = undefined // what the address refers to may be there with the next message
        throw error
      })
    return kept
  }

  /** How long a token must still live so as not to be renewed. Of a short life, no more than a quarter is given away. */
  const lifetimeFor = ({ expiresAtMs = Infinity, obtainedAtMs }: Grant): number => Math.min(earlyMs, (expiresAtMs - obtainedAtMs) / 4)

  /** Renews a token that is still good. A failure is no matter: it is good for a while yet. */
  const renewEarly = async (keeper: KeptGrant, grant: Grant): Promise<Grant | undefined> => {
    patientUntilMs = Infinity // one at a time; whoever comes meanwhile uses what is there
    try {
      const renewed = await keeper.renew({ lifetimeMs: lifetimeFor(grant) }, new AbortController().signal)
      patientUntilMs = 0
      return renewed
    } catch {
      patientUntilMs = monotonicMs() + PATIENCE_MS
      return undefined
    }
  }

  const renewEnded = async (keeper: KeptGrant, grant: Grant, signal: AbortSignal): Promise<Grant> => {
    try {
      return await keeper.renew({ lifetimeMs: lifetimeFor(grant) }, signal)
    } catch (error) {
      if (error instanceof PosternError && error.diagnosis.kind === "sign-in")
        memory = { ...memory, unmended: { token: grant.accessToken } }
      throw error
    }
  }

  /** The grant, renewed if it has ended. If it is about to end it is used, and renewed beside that: a token endpoint may hang. */
  const readGood = async (signal: AbortSignal): Promise<Grant | undefined> => {
    const keeper = await grantKeeper()
    const grant = await keeper.read()
    if (grant?.expiresAtMs === undefined) return grant
    const leftMs = grant.expiresAtMs - tools.clock.now()
    if (leftMs <= 0) return renewEnded(keeper, grant, signal)
    const isPatient = monotonicMs() < patientUntilMs || grant.refreshToken === undefined || grant.needsSignIn !== undefined
    if (leftMs > lifetimeFor(grant) || isPatient) return grant
    const renewal = renewEarly(keeper, grant)
    // Where nobody waits for it at the end, an exchange would be torn, and the refresh token lost with it.
    if (tools.hold === undefined) return (await renewal) ?? grant
    tools.hold(renewal)
    return grant
  }

  return {
    async authorize(request, signal) {
      const grant = await readGood(signal)
      const more = ((await configured?.()) ?? []).map(({ name, value }) => [name.toLowerCase(), value])
      const headers = { ...request.headers, ...Object.fromEntries(more) }
      if (grant === undefined) return { ...request, headers } // the refusal says where one signs in; some servers ask for nothing at first
      if (server.pin?.subject !== undefined) (await import("./pin.ts")).requirePinned(server, grant)
      return { ...request, headers: { ...headers, authorization: `Bearer ${grant.accessToken}` }, identity: holderOf(grant) }
    },

    accepted(request) {
      if (tokenOf(request) === memory.renewed) memory = { ...memory, renewed: undefined }
    },

    async recover(request, answer, signal) {
      const { judgeRefusal } = await import("./refusal.ts")
      const refusal = { answer, sent: tokenOf(request), nowMs: monotonicMs() }
      const verdict = await judgeRefusal(refusal, { server, keeper: await grantKeeper(), memory }, signal)
      memory = { ...memory, ...verdict.learned }
      return verdict.recovery
    },

    async identity() {
      return identityOf(await findGrant(tools.vault, await grantOwnerInClear(server, tools)))
    },

    async signIn(interaction, signal) {
      const [{ signIn }, { askedFor }] = await Promise.all([import("./sign-in.ts"), import("./step-up.ts")])
      const keeper = await grantKeeper()
      const owner = await grantOwner(server, tools)
      const { challenge, unmended, missing } = memory
      const moreScopes = missing ? [...((await keeper.read())?.scopes ?? []), ...missing] : []
      const wish = { server, owner, policy: policyOf(owner), challenge, moreScopes }
      memory = { ...memory, missing: undefined }
      let wasAsked = false
      const openLink: Interaction["openLink"] = (...link) => {
        wasAsked = true
        return interaction.openLink(...link)
      }
      const device = interaction.isElsewhere ? ({ device: "preferred" } as const) : {}
      try {
        await signIn({ ...wish, ...(unmended ? { unmended } : {}), ...device }, tools, { ...interaction, openLink }, signal)
        wasAsked = true // here, or by another process
      } finally {
        // Not before: whoever meets the same refusal meanwhile waits for this sign-in.
        if (missing && wasAsked) memory = { ...memory, asked: [...new Set([...memory.asked, askedFor(missing)])] }
      }
      keeper.lookAgain()
      memory = { missing: undefined, asked: memory.asked } // what was refused meanwhile was the former token
      return identityOf(await findGrant(tools.vault, owner))
    },

    async signOut() {
      const owner = await grantOwner(server, tools)
      const found = await findGrant(tools.vault, owner)
      if (found === undefined) return
      const { signOut } = await import("./sign-out.ts")
      await signOut({ ...found, policy: policyOf(owner) }, tools, new AbortController().signal)
    },
  }
}

const tokenOf = ({ headers }: OutgoingRequest): string | undefined => /^Bearer (.*)$/.exec(headers["authorization"] ?? "")?.[1]

const identityOf = (entry: GrantEntry | undefined): Identity =>
  entry === undefined ? { subject: "nobody has signed in yet", source: "none" } : grantIdentity(entry)
