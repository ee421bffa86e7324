/**
 * The `oauth` method: a person has signed in once, and every request carries the token that came of it.
 *
 * The whole method is on this page: what it sends, when it renews, what it makes of a refusal, who one is, how one gets in and out.
 * Its steps lie beside it, and are loaded when they are needed: a bridge whose grant is fresh loads none of them.
 */
import type { HttpServer } from "../../config/server.ts"
import { PosternError } from "../../core/diagnosis.ts"
import type { Identity } from "../../core/identity.ts"
import { configuredHeaders } from "../header.ts"
import type { Authenticator } from "../method.ts"
import type { MethodTools } from "../tools.ts"
import { type Grant, type GrantEntry, findGrant, grantIdentity } from "./grant.ts"
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
  let memory: RefusalMemory = { stepUp: { scopes: [], asked: [] } }
  /** The token that was sent last, and how often. */
  let sent = { token: "", times: 0 }
  let patientUntilMs = 0

  const grantKeeper = (): Promise<KeptGrant> => (kept ??= grantOwner(server, tools).then((owner) => keptGrant(owner, tools)))

  /** The grant, renewed if it is about to end. A renewal that fails is no matter while the token is still good. */
  const readGood = async (signal: AbortSignal): Promise<Grant | undefined> => {
    const keeper = await grantKeeper()
    const grant = await keeper.read()
    if (grant?.expiresAtMs === undefined) return grant
    const now = tools.clock.now()
    const leftMs = grant.expiresAtMs - now
    // Of a short life, no more than a quarter is given away.
    const lifetimeMs = Math.min(earlyMs, (grant.expiresAtMs - grant.obtainedAtMs) / 4)
    if (
      leftMs > lifetimeMs ||
      (leftMs > 0 && (now < patientUntilMs || grant.refreshToken === undefined || grant.needsSignIn !== undefined))
    )
      return grant
    try {
      return await keeper.renew({ lifetimeMs }, signal)
    } catch (error) {
      const isOver = leftMs <= 0 || signal.aborted
      if (isOver && error instanceof PosternError && error.diagnosis.kind === "sign-in")
        memory = { ...memory, unmended: { token: grant.accessToken } }
      if (isOver) throw error
      patientUntilMs = now + PATIENCE_MS
      return grant
    }
  }

  return {
    async authorize(request, signal) {
      const grant = await readGood(signal)
      const more = ((await configured?.()) ?? []).map(({ name, value }) => [name.toLowerCase(), value])
      const headers = { ...request.headers, ...Object.fromEntries(more) }
      if (grant === undefined) return { ...request, headers } // the refusal says where one signs in; some servers ask for nothing at first
      if (server.pin?.subject !== undefined) (await import("./pin.ts")).requirePinned(server, grant)
      const { accessToken: token } = grant
      sent = { token, times: sent.token === token ? sent.times + 1 : 1 }
      return { ...request, headers: { ...headers, authorization: `Bearer ${token}` } }
    },

    async recover(request, answer, signal) {
      const { judgeRefusal } = await import("./refusal.ts")
      const token = /^Bearer (.*)$/.exec(request.headers["authorization"] ?? "")?.[1]
      const refusal = { answer, sent: token, timesSent: token === sent.token ? sent.times : 0, nowMs: tools.clock.now() }
      const verdict = await judgeRefusal(refusal, { server, keeper: await grantKeeper(), memory }, signal)
      memory = verdict.memory
      return verdict.recovery
    },

    async identity() {
      return identityOf(await findGrant(tools.vault, await grantOwnerInClear(server, tools)))
    },

    async signIn(interaction, signal) {
      const [{ signIn }, { afterStepUp }] = await Promise.all([import("./sign-in.ts"), import("./step-up.ts")])
      const keeper = await grantKeeper()
      const owner = await grantOwner(server, tools)
      const { challenge, unmended, stepUp } = memory
      const agreed = stepUp.scopes.length === 0 ? [] : ((await keeper.read())?.scopes ?? [])
      const wish = { server, owner, policy: policyOf(owner), challenge, moreScopes: [...agreed, ...stepUp.scopes] }
      memory = { ...memory, stepUp: afterStepUp(stepUp) }
      await signIn({ ...wish, ...(unmended ? { unmended } : {}) }, tools, interaction, signal)
      keeper.lookAgain()
      memory = { stepUp: memory.stepUp }
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

const identityOf = (entry: GrantEntry | undefined): Identity =>
  entry === undefined ? { subject: "nobody has signed in yet", source: "none" } : grantIdentity(entry)
