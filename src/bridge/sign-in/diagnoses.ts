/** What can go wrong while a person is asked to sign in, apart from the method's own failures. */
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"

/** `decline` or `cancel` from the client, as `how` says; from then on `SignIns.join` keeps quiet. */
export const signInDeclined = defineDiagnosis({
  code: "sign-in-declined",
  about:
    "A person was asked to sign in, by the client or in a browser, and said no, or closed the question. Nothing was changed, and nobody is asked again for five minutes unless a person asks for it.",
  kind: "sign-in",
  tell: ({ server, command, how }: { server: string; command: string; how: string }) => ({
    cause: `Not signed in to "${server}": the sign-in was declined.`,
    evidence: [how],
    next: command,
  }),
})

/** Ends a sign-in of a bridge, for all that wait for it; `limitMs` is in milliseconds. */
export const signInTimeout = defineDiagnosis({
  code: "sign-in-timeout",
  about: "A sign-in was begun, and the person had not finished it within five minutes. The session goes on; the next call asks again.",
  kind: "sign-in",
  tell: ({ server, command, limitMs }: { server: string; command: string; limitMs: number }) => ({
    cause: `The sign-in to "${server}" was not finished within ${limitMs / 60_000} minutes.`,
    evidence: [],
    next: command,
  }),
})

/** Thrown by `SignIns.join`; `why` says which brake holds. */
export const signInPaused = defineDiagnosis({
  code: "sign-in-paused",
  about:
    "The server wants a sign-in, and Postern does not ask for one by itself now: a person has just declined, or two sign-ins in a row led to no request that the server took. The prompt `auth` and the command ask all the same.",
  kind: "sign-in",
  tell: ({ server, command, why }: { server: string; command: string; why: string }) => ({
    cause: `Signing in to "${server}" is needed, and is not asked for now.`,
    evidence: [why],
    next: command,
  }),
})

/** A `requestState` with Postern's mark whose MAC, request or age is wrong (S71); `why` says which. */
export const requestStateInvalid = defineDiagnosis({
  code: "request-state-invalid",
  about:
    "A request of the client claims to answer a question of Postern (`requestState`), and its state was not made by this bridge, was made for another request, or is older than 15 minutes. It was not sent.",
  kind: "guard",
  tell: ({ method, why }: { method: string; why: string }) => ({
    cause: `The state that came with ${quote(method, 60)} is not accepted: ${why}.`,
    evidence: ["nothing was sent"],
    next: "send the request again without it",
  }),
})
