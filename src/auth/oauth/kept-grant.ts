/** A server's grant as a running bridge has it: read from the vault at the cost of one look at a stamp, renewed when it has to be. */
import { orAborted } from "../../core/abort.ts"
import type { PosternError } from "../../core/diagnosis.ts"
import type { MethodTools } from "../tools.ts"
import { type Grant, findGrant, parseGrant, secretsOfGrant } from "./grant.ts"
import { type GrantOwner, policyOf } from "./owner.ts"

export interface KeptGrant {
  /** The grant as it stands now; undefined if nobody has signed in. */
  read(): Promise<Grant | undefined>
  /** Looks for it again: somebody may have signed in meanwhile. */
  lookAgain(): void
  /**
   * Renews it, once for all who ask at the same time.
   *
   * @param need - the token that was refused, if one was; how long it must still live, in milliseconds
   * @throws as `renewGrant`
   */
  renew(need: { readonly refused?: string; readonly lifetimeMs: number }, signal: AbortSignal): Promise<Grant>
}

export function keptGrant(owner: GrantOwner, tools: MethodTools): KeptGrant {
  const { vault, redactor } = tools
  const { origin } = owner.url
  let name: string | undefined
  let isAbsent = false
  let last: { readonly secret: string; readonly grant: Grant } | undefined
  /** Renewed, and not stored yet: nobody else has it. */
  let unstored: Grant | undefined
  let running: Promise<Grant> | undefined

  const readNamed = async (): Promise<Grant | undefined> => {
    const secret = name === undefined ? undefined : await vault.read(name, origin)
    if (name === undefined || secret === undefined) return undefined
    if (last?.secret !== secret) {
      const grant = parseGrant(name, secret)
      for (const one of secretsOfGrant(grant)) redactor.learn(one)
      last = { secret, grant }
    }
    return last.grant
  }
  const read = async (): Promise<Grant | undefined> => {
    if (unstored) return unstored
    if (isAbsent) return undefined
    const known = await readNamed()
    if (known) return known
    name = (await findGrant(vault, owner))?.name
    isAbsent = name === undefined
    return readNamed()
  }
  const exchange = async (need: { readonly refused?: string; readonly lifetimeMs: number }): Promise<Grant> => {
    const { renewGrant } = await import("./renew.ts")
    const wish = {
      ...need,
      server: owner.server,
      name: name ?? "",
      origin,
      policy: policyOf(owner),
      onUnstored(grant: Grant, fault: PosternError) {
        unstored = grant
        tools.tell?.(fault.diagnosis)
      },
      onStored: () => (unstored = undefined),
    }
    return renewGrant(wish, tools, new AbortController().signal)
  }

  return {
    read,
    lookAgain: () => (isAbsent = false),
    async renew(need, signal) {
      running ??= exchange(need).finally(() => (running = undefined))
      const grant = await orAborted(running, signal)
      // What was under way was another's wish: it may have found the refused token to be good still.
      if (grant.accessToken !== need.refused) return grant
      running ??= exchange(need).finally(() => (running = undefined))
      return orAborted(running, signal)
    },
  }
}
