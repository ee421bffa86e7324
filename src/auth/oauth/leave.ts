/** Signing out of a server from outside of a bridge: every grant that it has, revoked where that is possible, and forgotten. */
import type { HttpServer } from "../../config/server.ts"
import { openHttp } from "../server-http.ts"
import type { AuthTools } from "../tools.ts"
import { findGrant } from "./grant.ts"
import { grantOwner, policyOf } from "./owner.ts"
import { type SignedOut, signOut } from "./sign-out.ts"

/** @returns what came of it; undefined if nobody had signed in */
export async function leave(
  server: HttpServer,
  account: string | undefined,
  tools: AuthTools,
  signal: AbortSignal,
): Promise<SignedOut | undefined> {
  const entry = account === undefined ? server : { ...server, oauth: { ...server.oauth, account } }
  const owner = await grantOwner(entry, tools)
  const grant = await findGrant(tools.vault, owner)
  if (grant === undefined) return undefined
  const http = openHttp(entry, owner.url, tools.env)
  try {
    return await signOut({ name: grant.name, origin: grant.origin, policy: policyOf(owner) }, { ...tools, http }, signal)
  } finally {
    http.close()
  }
}
