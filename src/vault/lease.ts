/**
 * The lease: the exclusive right, across promises, threads and processes, to change one thing of the vault.
 *
 * Programs lose secrets when two of them change one thing at once: both read, both write, and one of the changes is gone; or
 * both renew a refresh token that can be used once, and the server revokes them all (RFC 9700 section 4.14.2). One rule
 * prevents it, and this file is that rule:
 *
 * 1. **Take the lease.** Losers wait for the winner. The lease of a dead holder is taken over (core/file-lock.ts).
 * 2. **Read again.** What was known before the wait is history: the winner may have done what we came for.
 * 3. **Decide**, which may take an exchange with a server. From here on nothing is torn: a signal ends the wait, not the work.
 *    Before something that cannot be done twice, an interim state is stored in the same way: it shows that the result can be
 *    written, and is what is found after a crash.
 * 4. **Write durably, past the fence.** Just before the write becomes visible, the lease must still be ours, and the thing
 *    must still have the revision that was read. A holder that slept too long then writes nothing, instead of yesterday's state.
 */
import { createHash } from "node:crypto"
import type { Clock } from "../core/clock.ts"
import { PosternError } from "../core/diagnosis.ts"
import { lockFile } from "../core/file-lock.ts"
import { vaultOvertaken } from "./diagnoses.ts"

/** A state that tells its changes: a number that grows, or a text that is never the same again. */
export interface Revised {
  readonly revision: number | string
}

/** Something that several processes change: the vault file, or one grant in it. */
export interface SharedThing<State extends Revised> {
  /** The vault file, in a folder that exists. */
  readonly file: string
  /** Which thing of the vault: a grant by its key. Absent for the file as a whole. Things of different keys do not wait for each other. */
  readonly key?: string
  /** Reads it as it stands at this moment, never from memory. */
  read(): Promise<State>
  /**
   * Writes it durably, all or nothing.
   *
   * @param passFence - to be called last of all, just before the write becomes visible; throws when it must not
   * @returns the revision that it has now
   */
  write(next: State, passFence: () => Promise<void>): Promise<State["revision"]>
}

/** What is to be done, once the present state is known. */
export interface Decision<State extends Revised, Result> {
  /** The state to write; absent: all is well as it is, for example because another process has renewed meanwhile. */
  readonly next?: State
  readonly result: Result
}

/** Says what is to be done; `keep` stores an interim state, durably and past the fence. What it throws comes out. */
export type Decide<State extends Revised, Result> = (
  present: State,
  keep: (interim: State) => Promise<void>,
) => Promise<Decision<State, Result>>

/** How long to wait, and how long to hold. */
export interface LeaseTerms {
  readonly clock: Clock
  /** How long to wait for a living holder, in milliseconds. */
  readonly waitMs: number
  /**
   * Longer than decision and write can take, the time limit of an exchange included, in milliseconds: a holder on another
   * machine, whom nobody here can see die, ends by this.
   */
  readonly holdMs: number
}

/**
 * Changes one thing of the vault by the rule above.
 *
 * @param decide - gets the present state; what it throws comes out, and nothing more is written
 * @param signal - ends the wait for the lease; a decision that has begun is always finished and stored
 * @returns the decision's result, once its state is durable
 * @throws {PosternError} `lock-timeout` if another holds the lease longer than `waitMs`; `lock-lost` or `vault-overtaken` if the
 *   fence was shut; what `read`, `decide` and `write` throw
 */
export async function changeUnderLease<State extends Revised, Result>(
  thing: SharedThing<State>,
  decide: Decide<State, Result>,
  terms: LeaseTerms,
  signal?: AbortSignal,
): Promise<Result> {
  await using lease = await lockFile(leasePath(thing), terms, signal)
  const present = await thing.read()
  let { revision } = present

  const passFence = async (): Promise<void> => {
    await lease.assertHeld()
    const found = (await thing.read()).revision
    if (found !== revision) throw new PosternError(vaultOvertaken({ path: thing.file, read: revision, found }))
  }
  const keep = async (interim: State): Promise<void> => {
    revision = await thing.write(interim, passFence)
  }

  const { next, result } = await decide(present, keep)
  if (next !== undefined) await thing.write(next, passFence)
  return result
}

/** A key comes from outside (an issuer, a label) and may hold anything, so the file is named by its hash. */
function leasePath({ file, key }: SharedThing<Revised>): string {
  return key === undefined ? file : `${file}.${createHash("sha256").update(key).digest("hex").slice(0, 16)}`
}
