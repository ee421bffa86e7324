/** The proof of identity for clients that send requests themselves. */
import type { Server } from "../config/server.ts"
import { PosternError } from "../core/diagnosis.ts"
import { noHeaders } from "./diagnoses.ts"
import { oauthSignInNeeded } from "./oauth/diagnoses.ts"
import { authenticatorFor, methodOf } from "./registry.ts"
import { serverAddress } from "./server-address.ts"
import { openHttp } from "./server-http.ts"
import type { AuthTools } from "./tools.ts"

/**
 * Makes the headers that a request to the server needs. Asks no person, and no server unless the method has to renew its proof.
 *
 * @returns header names in lower case, with their values in clear
 * @throws {PosternError} `no-headers` for a local server and one that requests are signed for, `oauth-sign-in-needed`, and whatever else leaves no proof to give
 */
export async function proofHeaders(server: Server, tools: AuthTools, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  if (server.transport === "stdio") throw new PosternError(noHeaders({ server, why: "it is a local server" }))
  // A signature is made for one body and five minutes: it is no header to hand out.
  if (server.aws !== undefined) throw new PosternError(noHeaders({ server, why: "each single request is signed for AWS" }))
  const url = await serverAddress(server, tools)
  const http = openHttp(server, url, tools.env)
  try {
    const authenticator = authenticatorFor(server, url.origin, { ...tools, http })
    const { headers } = await authenticator.authorize({ method: "POST", url, headers: {} }, signal)
    if (methodOf(server) === "oauth" && headers["authorization"] === undefined) {
      throw new PosternError(oauthSignInNeeded({ server, why: "nobody has signed in yet" }))
    }
    return headers
  } finally {
    http.close()
  }
}
