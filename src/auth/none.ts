/**
 * The `none` method: nothing is added. What the server asks for is found out when it is first used: a Bearer challenge means `oauth`,
 * and once somebody has signed in, every request carries the token. A configured header that is refused never comes here.
 */
import type { HttpServer } from "../config/server.ts"
import { accessDenied, proofMissing } from "./diagnoses.ts"
import type { Authenticator } from "./method.ts"
import { hasGrant } from "./oauth/owner.ts"
import type { MethodTools } from "./tools.ts"

/** The method `none`: adds nothing, and tells what the server asks for. */
export function noneAuthenticator(server: HttpServer, origin: string, tools: MethodTools): Authenticator {
  const identity = { subject: "nobody", source: "no proof is configured" }
  /** Of the method `oauth`, once it is known to be wanted. */
  let successor: Promise<Authenticator> | undefined
  let isSettled = false

  const becomeOauth = (): Promise<Authenticator> => {
    isSettled = true
    return (successor ??= import("./oauth/oauth.ts").then(({ oauthAuthenticator }) => oauthAuthenticator(server, origin, tools)))
  }
  /** A sign-in of yesterday is looked for once; one that another process makes meanwhile is found at the next challenge. */
  const findSuccessor = async (): Promise<Authenticator | undefined> => {
    if (!isSettled && (await hasGrant(server, origin, tools.vault))) return becomeOauth()
    isSettled = true
    return successor
  }

  return {
    async authorize(request, signal) {
      const oauth = await findSuccessor()
      return oauth === undefined ? request : oauth.authorize(request, signal)
    },
    accepted: (request) => successor?.then((oauth) => oauth.accepted?.(request)), // most servers ask for nothing, and wait for nothing
    async recover(request, answer, signal) {
      const { status, headers } = answer
      const challenge = headers["www-authenticate"]
      if (successor !== undefined || isBearer(challenge)) return (await becomeOauth()).recover(request, answer, signal)
      // 403 without a challenge is no question about identity (S52).
      if (status === 403 && challenge === undefined) return { advice: "denied", diagnosis: accessDenied({ server: server.name, status }) }
      return { advice: "sign-in", diagnosis: proofMissing({ server, status, challenge }) }
    },
    identity: async () => (await findSuccessor())?.identity() ?? identity,
    signIn: async (interaction, signal) => (await becomeOauth()).signIn(interaction, signal),
    signOut: async () => (await findSuccessor())?.signOut(),
  }
}

/** Only whether it is worth loading what reads it properly. */
const isBearer = (challenge: string | undefined): boolean => challenge !== undefined && /\bbearer\b/i.test(challenge)
