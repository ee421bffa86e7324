/** The proof of identity for clients that send requests themselves. */
import { expandAddress } from "../config/expand.ts"
import type { Server } from "../config/server.ts"
import { PosternError } from "../core/diagnosis.ts"
import { noSecretToAsk } from "./diagnoses.ts"
import { authenticatorFor } from "./registry.ts"
import { openHttp } from "./server-http.ts"
import type { AuthTools } from "./tools.ts"

/**
 * Makes the headers that a request to the server needs. Asks no person, and no server unless the method has to renew its proof.
 *
 * @returns header names in lower case, with their values in clear
 * @throws {PosternError} `no-secret-to-ask` for a local server, and when there is no proof to give
 */
export async function proofHeaders(server: Server, tools: AuthTools, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  if (server.transport === "stdio")
    throw new PosternError(noSecretToAsk({ server: server.name, source: "its own variables (a local server)" }))
  const { env, vault } = tools
  const url = await expandAddress(server, { env, readSecret: (name, origin) => vault.read(name, origin) })
  const http = openHttp(server, url, env)
  try {
    const authenticator = authenticatorFor(server, url.origin, { ...tools, http })
    return (await authenticator.authorize({ method: "POST", url, headers: {} }, signal)).headers
  } finally {
    http.close()
  }
}
