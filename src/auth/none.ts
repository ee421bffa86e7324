/** The `none` method: nothing is added. What the server asks for is found out when it is first used. */
import { accessDenied, proofMissing } from "./diagnoses.ts"
import type { Authenticator } from "./method.ts"

/** @param server - its name, and the file that its entry stands in, for what is told when it wants proof after all */
export function noneAuthenticator(server: { readonly name: string; readonly file: string }): Authenticator {
  const identity = { subject: "nobody", source: "no proof is configured" }
  return {
    authorize: async (request) => request,
    async recover(_, { status, headers }) {
      const challenge = headers["www-authenticate"]
      // 403 without a challenge is no question about identity (S52).
      if (status === 403 && challenge === undefined) return { advice: "denied", diagnosis: accessDenied({ server: server.name, status }) }
      return { advice: "sign-in", diagnosis: proofMissing({ server: server.name, file: server.file, status, challenge }) }
    },
    identity: async () => identity,
    signIn: async () => identity,
    signOut: async () => undefined,
  }
}
