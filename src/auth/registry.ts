/** All methods: one line each. */
import type { HttpServer, Server } from "../config/server.ts"
import { headerAuthenticator } from "./header.ts"
import { lazily } from "./lazy.ts"
import type { Authenticator } from "./method.ts"
import { noneAuthenticator } from "./none.ts"
import type { MethodTools } from "./tools.ts"

const methods = {
  none: noneAuthenticator,
  header: headerAuthenticator,
  aws: (...given) => lazily(async () => (await import("./aws/aws.ts")).awsAuthenticator(...given)),
  oauth: (...given) => lazily(async () => (await import("./oauth/oauth.ts")).oauthAuthenticator(...given)),
} satisfies Record<string, (server: HttpServer, origin: string, tools: MethodTools) => Authenticator>

/** How Postern proves itself to a server. */
export type Method = keyof typeof methods

/** @returns the method that the entry asks for; a local server proves nothing over the wire, it gets its variables */
export function methodOf(server: Server): Method {
  if (server.transport === "stdio") return "none"
  if (server.aws !== undefined) return "aws" // also with headers: they are signed with the rest
  // Whoever has written a proof means it, whatever else the entry says: a refused header never becomes a sign-in.
  const hasProof = server.headersHelper !== undefined || Object.keys(server.headers).some((name) => name.toLowerCase() === "authorization")
  if (server.oauth !== undefined && !hasProof) return "oauth"
  return hasProof || Object.keys(server.headers).length > 0 ? "header" : "none"
}

/**
 * Puts the server's method to work.
 *
 * @param origin - of the server's expanded address: what its secrets are bound to
 */
export function authenticatorFor(server: HttpServer, origin: string, tools: MethodTools): Authenticator {
  return methods[methodOf(server)](server, origin, tools)
}
