/** A server's grant as a running bridge has it: read from the vault at the cost of one look at a stamp, renewed when it has to be. */
import type { PosternError } from "../../core/diagnosis.ts"
import type { MethodTools } from "../tools.ts"
import type { RenewalNeed } from "./renew.ts"
import { type Grant, findGrant, parseGrant, secretsOfGrant } from "./grant.ts"
import { type GrantOwner, policyOf } from "./owner.ts"

/** One server's grant in one process. What was renewed and could not be stored yet counts: nobody else has it. */
export interface KeptGrant {
  /** The grant as it stands now; undefined if nobody has signed in. */
  read(): Promise<Grant | undefined>
  /** Looks for it again: somebody may have signed in meanwhile. */
  lookAgain(): void
  /**
   * Renews it, once for all who ask at the same time.
   *
   * @throws as `renewGrant`
   */
  renew(need: RenewalNeed, signal: AbortSignal): Promise<Grant>
}

/** Keeps the grant of one owner. Nothing is read before the first call; its secrets are made known to the redactor when they are read. */
export function keptGrant(owner: GrantOwner, tools: MethodTools): KeptGrant {
  const { vault, redactor } = tools
  const { origin } = owner.url
  let name: string | undefined
  let isAbsent = false
  /** Whether another grant may be the server's by now, though the one that is known is still there. */
  let isDoubtful = false
  let last: { readonly secret: string; readonly grant: Grant } | undefined
  /** Renewed, and not stored yet: nobody else has it. */
  let unstored: Grant | undefined
  let needOfUnstored: RenewalNeed | undefined
  const waiting: (() => void)[] = []
  let running: Promise<Grant> | undefined

  const readNamed = async (): Promise<Grant | undefined> => {
    const secret = name === undefined ? undefined : await vault.read(name, origin)
    if (name === undefined || secret === undefined) return undefined
    if (last?.secret !== secret) {
      const grant = parseGrant(name, secret)
      for (const one of secretsOfGrant(grant)) redactor.learnPassing(one)
      last = { secret, grant }
    }
    return last.grant
  }
  const read = async (): Promise<Grant | undefined> => {
    if (unstored) return unstored
    if (isAbsent) return undefined
    const known = isDoubtful ? undefined : await readNamed()
    if (known) return known
    isDoubtful = false
    name = (await findGrant(vault, owner))?.name
    isAbsent = name === undefined
    return readNamed()
  }
  const exchange = async (need: RenewalNeed): Promise<Grant> => {
    const { renewGrant } = await import("./renew.ts")
    const wish = {
      server: owner.server,
      name: name ?? "",
      origin,
      policy: policyOf(owner),
      need,
      onUnstored(grant: Grant, fault?: PosternError) {
        unstored = grant
        if (fault) tools.tell?.(fault.diagnosis)
        wakeWaiting()
      },
      needOfUnstored: () => needOfUnstored,
      onStored() {
        unstored = undefined
        wakeWaiting()
      },
    }
    return renewGrant(wish, tools, new AbortController().signal)
  }
  const wakeWaiting = (): void => {
    needOfUnstored = undefined
    for (const wake of waiting.splice(0)) wake()
  }
  /** The lease of what is not stored is held by a renewal of this very process, which renews it again if it is told to. */
  const waitForUnstored = async (need: RenewalNeed, signal: AbortSignal): Promise<void> => {
    needOfUnstored = need
    const { orAborted } = await import("../../core/abort.ts")
    await orAborted(new Promise<void>((wake) => waiting.push(wake)), signal)
  }

  return {
    read,
    lookAgain() {
      isAbsent = false
      isDoubtful = true
    },
    async renew(need, signal) {
      if (unstored) {
        await waitForUnstored(need, signal)
        if (unstored) return unstored
      }
      const { orAborted } = await import("../../core/abort.ts")
      running ??= exchange(need).finally(() => (running = undefined))
      const grant = await orAborted(running, signal)
      // What was under way was another's wish: it may have found the refused token to be good still.
      if (grant.accessToken !== need.refused) return grant
      running ??= exchange(need).finally(() => (running = undefined))
      return orAborted(running, signal)
    },
  }
}
