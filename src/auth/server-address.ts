/** The address of a server, as its method needs it, and what its secrets are bound to. */
import { expandAddress, stdioOrigin } from "../config/expand.ts"
import type { HttpServer, Server } from "../config/server.ts"
import type { AuthTools } from "./tools.ts"

/** @throws {PosternError} as `expandAddress`: the address may hold variables and secrets */
export function serverAddress(server: HttpServer, { env, vault }: Pick<AuthTools, "env" | "vault">): Promise<URL> {
  return expandAddress(server, { env, readSecret: (name, origin) => vault.read(name, origin) })
}

/** The same with something else in the place of each secret. Needs no key; the origin is the right one, since no secret may decide it. */
export function serverAddressInClear(server: HttpServer, { env }: Pick<AuthTools, "env">): Promise<URL> {
  return expandAddress(server, { env, readSecret: async () => "a" })
}

/** What a server's secrets are bound to. */
export async function originOf(server: Server, tools: Pick<AuthTools, "env">): Promise<string> {
  return server.transport === "stdio" ? stdioOrigin(server) : (await serverAddressInClear(server, tools)).origin
}
