/** A method whose code is loaded when it is first used: a bridge pays only for the one that its server needs. */
import type { Authenticator } from "./method.ts"

/** @param load - loads the code and makes the authenticator; called once, and again if it failed */
export function lazily(load: () => Promise<Authenticator>): Authenticator {
  let loading: Promise<Authenticator> | undefined
  let loaded: Authenticator | undefined
  const ready = (): Promise<Authenticator> => {
    loading ??= load().then(
      (authenticator) => (loaded = authenticator),
      (error: unknown) => {
        loading = undefined
        throw error
      },
    )
    return loading
  }
  return {
    authorize: async (request, signal) => (await ready()).authorize(request, signal),
    accepted: (request) => loaded?.accepted?.(request), // what the server took, it has authorized
    recover: async (request, answer, signal) => (await ready()).recover(request, answer, signal),
    identity: async () => (await ready()).identity(),
    signIn: async (interaction, signal) => (await ready()).signIn(interaction, signal),
    signOut: async () => (await ready()).signOut(),
  }
}
