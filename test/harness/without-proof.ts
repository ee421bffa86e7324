/** An authenticator that adds nothing, and takes every refusal for final: for tests that are not about proof. */
import { accessDenied } from "../../src/auth/diagnoses.ts"
import type { Authenticator } from "../../src/auth/method.ts"

export const withoutProof: Authenticator = {
  authorize: async (request) => request,
  recover: async (_, { status }) => ({ advice: "denied", diagnosis: accessDenied({ server: "test", status }) }),
  identity: async () => ({ subject: "nobody", source: "a test" }),
  signIn: async () => ({ subject: "nobody", source: "a test" }),
  signOut: async () => undefined,
}
