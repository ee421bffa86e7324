/** The proof of identity for clients that send requests themselves. */
import { expandAddress } from "../config/expand.ts"
import type { Server } from "../config/server.ts"
import { PosternError } from "../core/diagnosis.ts"
import { noSecretToAsk } from "./diagnoses.ts"
import { authenticatorFor } from "./registry.ts"
import type { AuthTools } from "./tools.ts"

/**
 * Makes the headers that a request to the server needs. Sends nothing and asks nobody.
 *
 * @returns header names in lower case, with their values in clear
 * @throws {PosternError} `no-secret-to-ask` for a local server, and when there is no proof to give
 */
export async function proofHeaders(server: Server, tools: AuthTools, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  if (server.transport === "stdio")
    throw new PosternError(noSecretToAsk({ server: server.name, source: "its own variables (a local server)" }))
  const { env, vault } = tools
  const url = await expandAddress(server, { env, readSecret: (name, origin) => vault.read(name, origin) })
  const { headers } = await authenticatorFor(server, url.origin, tools).authorize({ method: "POST", url, headers: {} }, signal)
  return headers
}
