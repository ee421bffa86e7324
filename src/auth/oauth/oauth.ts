/**
 * The `oauth` method: a person has signed in once, and every request carries the token that came of it.
 *
 * The whole method is on this page: what it sends, what it makes of a refusal, who one is, how one gets in and out.
 * Its steps lie beside it, and are loaded when they are needed: a bridge whose grant is fresh loads none of them.
 */
import type { HttpServer } from "../../config/server.ts"
import { monotonicMs } from "../../core/clock.ts"
import type { OutgoingRequest } from "../../core/http.ts"
import type { Identity } from "../../core/identity.ts"
import { configuredHeaders } from "../header.ts"
import type { Interaction } from "../interaction.ts"
import type { Authenticator } from "../method.ts"
import type { MethodTools } from "../tools.ts"
import { goodGrant } from "./good-grant.ts"
import { type GrantEntry, findGrant, grantIdentity, holderOf } from "./grant.ts"
import { type KeptGrant, keptGrant } from "./kept-grant.ts"
import { grantOwner, grantOwnerInClear, policyOf } from "./owner.ts"
import type { RefusalMemory } from "./refusal.ts"

/** @param origin - of the server's address: what the grant is bound to, as every secret is */
export function oauthAuthenticator(server: HttpServer, origin: string, tools: MethodTools): Authenticator {
  const configured = Object.keys(server.headers).length === 0 ? undefined : configuredHeaders(server, origin, tools)
  let kept: Promise<KeptGrant> | undefined
  let memory: RefusalMemory = { missing: undefined, asked: [] }

  const grantKeeper = (): Promise<KeptGrant> => {
    kept ??= grantOwner(server, tools)
      .then((owner) => keptGrant(owner, tools))
      .catch((error: unknown) => {
        kept = undefined // what the address refers to may be there with the next message
        throw error
      })
    return kept
  }

  const readGood = goodGrant(grantKeeper, tools, (token) => (memory = { ...memory, unmended: { token } }))

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
      if (memory.renewed !== undefined && tokenOf(request) === memory.renewed) memory = { ...memory, renewed: undefined }
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
