/** Signing in to a server from outside of a bridge: a command, or a program that uses the library. */
import type { HttpServer, OAuthSettings } from "../../config/server.ts"
import type { Interaction } from "../interaction.ts"
import { openHttp } from "../server-http.ts"
import type { AuthTools } from "../tools.ts"
import { type GrantEntry, findGrant } from "./grant.ts"
import { grantOwner, policyOf } from "./owner.ts"
import { splitScopes } from "./scopes.ts"
import { type SignInWish, signIn } from "./sign-in.ts"

/** How this one sign-in is to go; what is left out, the entry and the server decide. */
export interface EntryWish {
  /** Whether a client is registered anew. */
  readonly fresh: boolean
  /** Asked for beside what the server asks for. */
  readonly scopes?: string | undefined
  /** The authorization server, where the server names several. */
  readonly issuer?: string | undefined
  /** As in `SignInWish`. */
  readonly device?: SignInWish["device"]
  /** What this sign-in does otherwise than the entry says. */
  readonly settings?: OAuthSettings | undefined
}

/**
 * Signs in to a server, also where a former sign-in is still good, and where another process waits for a person.
 *
 * @returns the grant's entry in the vault
 * @throws {PosternError} as `signIn`
 */
export async function enter(
  server: HttpServer,
  wish: EntryWish,
  { tools, interaction }: { readonly tools: AuthTools; readonly interaction: Interaction },
  signal: AbortSignal,
): Promise<GrantEntry | undefined> {
  const entry = { ...server, oauth: { ...server.oauth, ...wish.settings } }
  const owner = await grantOwner(entry, tools)
  const http = openHttp(entry, owner.url, tools.env)
  try {
    const { fresh, issuer, device } = wish
    const asked = { server: entry, owner, policy: policyOf(owner), moreScopes: splitScopes(wish.scopes), fresh, issuer, insists: true }
    await signIn({ ...asked, ...(device ? { device } : {}) }, { ...tools, http }, interaction, signal)
    return await findGrant(tools.vault, owner)
  } finally {
    http.close()
  }
}
