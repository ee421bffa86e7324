/** Signing out of a server from outside of a bridge: every grant that it has, revoked where that is possible, and forgotten. */
import type { HttpServer } from "../../config/server.ts"
import { openHttp } from "../server-http.ts"
import type { AuthTools } from "../tools.ts"
import { findGrants } from "./grant.ts"
import { grantOwner, policyOf } from "./owner.ts"
import { type SignedOut, signOut } from "./sign-out.ts"

/** @returns what came of each; none if nobody had signed in */
export async function leave(
  server: HttpServer,
  account: string | undefined,
  tools: AuthTools,
  signal: AbortSignal,
): Promise<readonly SignedOut[]> {
  const entry = account === undefined ? server : { ...server, oauth: { ...server.oauth, account } }
  const owner = await grantOwner(entry, tools)
  const grants = await findGrants(tools.vault, owner)
  if (grants.length === 0) return []
  const http = openHttp(entry, owner.url, tools.env)
  const left: SignedOut[] = []
  try {
    for (const { name, origin } of grants) left.push(await signOut({ name, origin, policy: policyOf(owner) }, { ...tools, http }, signal))
    return left
  } finally {
    http.close()
  }
}
