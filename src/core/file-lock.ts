/**
 * One holder at a time for a file, across promises, threads and processes; a holder that was killed is taken over.
 *
 * The lock is a file beside the other one, and it names its holder from its first moment. Taking over is the hard part: of two
 * that see the same dead holder, the slower one must not remove the lock that the faster one has just made. So the right to
 * remove the lock with nonce N belongs to whoever makes the file `….lock.N`, and the winner reads the lock again before it acts.
 */
import { createHash, randomBytes } from "node:crypto"
import { lstat } from "node:fs/promises"
import * as v from "valibot"
import { createFileExclusive, removeFile } from "./atomic-file.ts"
import type { Clock } from "./clock.ts"
import { PosternError, defineDiagnosis } from "./diagnosis.ts"
import { hasErrno, readFailure } from "./file-diagnoses.ts"
import { parseJson } from "./json.ts"
import { removeLeftovers } from "./leftovers.ts"
import { type ProcessFacts, judgeLiveness, ownFacts } from "./liveness.ts"
import { readPrivateFile } from "./read-file.ts"
import { shellWord } from "./shell.ts"

/** Somebody who lives holds the lock for longer than any change takes. */
export const lockTimeout = defineDiagnosis({
  code: "lock-timeout",
  about:
    "Another process holds the lock of a file for longer than any change of it takes, and it is alive, or on a machine that cannot be asked. Nothing was changed.",
  tell: ({ path, lock, holder, waitedMs }: { path: string; lock: string; holder: LockOwner | undefined; waitedMs: number }) => ({
    cause: holder ? `The process ${holder.pid} holds the lock of ${path}.` : `The lock of ${path} is held, and does not say by whom.`,
    evidence: [
      `lock: ${lock}`,
      ...(holder ? [`held since ${new Date(holder.takenAtMs).toISOString()}`] : []),
      `waited ${Math.round(waitedMs)} ms`,
    ],
    next: holder ? `ps -p ${holder.pid}` : `ls -l ${shellWord(lock)}`,
  }),
})

/** The lock was taken away while it was held; nothing was written. */
export const lockLost = defineDiagnosis({
  code: "lock-lost",
  about:
    "The lock of a file was taken away while it was held: by hand, or by a process on another machine after the holder was silent for too long. Nothing was written.",
  tell: ({ lock }: { lock: string }) => ({
    cause: `The lock ${lock} was lost before the change was written.`,
    evidence: [`lock: ${lock}`, "nothing was written"],
    next: "run the command again",
  }),
})

/** What stands in a lock. */
export interface LockOwner extends ProcessFacts {
  /** Random: two locks of one holder are two. */
  readonly nonce: string
  /** Milliseconds since 1970. */
  readonly takenAtMs: number
  /** How long it counts, in milliseconds, for those who cannot see whether the holder lives. */
  readonly holdMs: number
}

/** The right to change one file, until released. `await using` releases it. */
export interface FileLock extends AsyncDisposable {
  readonly owner: LockOwner
  /**
   * To be called just before the change becomes visible.
   *
   * @throws {PosternError} `lock-lost` if the lock is no longer this one
   */
  assertHeld(): Promise<void>
  release(): Promise<void>
}

/** How long one waits, and how long the lock counts for those who cannot see its holder. */
export interface LockOptions {
  readonly clock: Clock
  /** How long to wait for a living holder, in milliseconds; default 10,000. */
  readonly waitMs?: number
  /** How long the lock counts where nobody can see whether the holder lives, in milliseconds; default 60,000. */
  readonly holdMs?: number
}

/** What cannot be read as a lock was torn by a power loss; this long it is left alone, in case it is something else. */
const GARBAGE_AGE_MS = 2_000
/** No temporary file of a living process is that old. */
const LEFTOVER_AGE_MS = 60_000

/**
 * Takes the lock of a file, waiting for a living holder, in place of a dead one.
 *
 * @param path - the file to be changed, which need not exist; its folder must
 * @param signal - ends the wait
 * @throws {PosternError} `lock-timeout` naming the holder; `not-writable` or `disk-full` if no lock can be made here
 */
export async function lockFile(path: string, options: LockOptions, signal?: AbortSignal): Promise<FileLock> {
  const { clock, waitMs = 10_000, holdMs = 60_000 } = options
  const lock = `${path}.lock`
  const self = await ownFacts()
  // Counted, not measured: a wall clock may jump.
  let waitedMs = 0
  for (;;) {
    signal?.throwIfAborted()
    const taken = await tryLock(lock, { self, clock, holdMs })
    if ("release" in taken) {
      await removeLeftovers(path, LEFTOVER_AGE_MS)
      return taken
    }
    if (waitedMs >= waitMs) throw new PosternError(lockTimeout({ path, lock, holder: taken.owner, waitedMs }))
    const pauseMs = Math.min(10 + Math.random() * 90, waitMs - waitedMs)
    await clock.sleep(pauseMs, signal)
    waitedMs += pauseMs
  }
}

interface Taker {
  readonly self: ProcessFacts
  readonly clock: Clock
  readonly holdMs: number
}

/** A lock as it was found. */
interface FoundLock {
  /** The holder's; of what cannot be read as a lock, a hash of its bytes. */
  readonly nonce: string
  readonly owner?: LockOwner
}

/** @returns the lock, or the one that stands in the way */
async function tryLock(lock: string, taker: Taker): Promise<FileLock | FoundLock> {
  for (;;) {
    const found = await readLock(lock)
    if (found === undefined) {
      const owner = { ...taker.self, nonce: newNonce(), takenAtMs: taker.clock.now(), holdMs: taker.holdMs }
      if (await createFileExclusive(lock, `${JSON.stringify(owner)}\n`, { durable: false })) return heldLock(lock, owner)
      continue // another was faster: who is it?
    }
    if (!(await isDead(lock, found, taker))) return found
    if (!(await removeDead(lock, found, taker))) return found // another is at it
  }
}

/** @returns false if another process has the right to remove it, and is at it */
async function removeDead(lock: string, dead: FoundLock, taker: Taker): Promise<boolean> {
  const right = await tryLock(`${lock}.${dead.nonce}`, taker)
  if (!("release" in right)) return false
  try {
    // Between our look and our right, another may have removed the dead lock, and a third have made its own.
    if ((await readLock(lock))?.nonce === dead.nonce) await removeFile(lock)
    return true
  } finally {
    await right.release()
  }
}

async function isDead(lock: string, { owner }: FoundLock, { self, clock }: Taker): Promise<boolean> {
  if (owner === undefined) return (await ageMs(lock, clock)) > GARBAGE_AGE_MS
  const liveness = await judgeLiveness(owner, self)
  return liveness === "dead" || (liveness === "unknown" && clock.now() > owner.takenAtMs + owner.holdMs)
}

function heldLock(lock: string, owner: LockOwner): FileLock {
  const isHeld = async (): Promise<boolean> => (await readLock(lock))?.nonce === owner.nonce
  const release = async (): Promise<void> => {
    if (await isHeld()) await removeFile(lock)
  }
  return {
    owner,
    async assertHeld() {
      if (!(await isHeld())) throw new PosternError(lockLost({ lock }))
    },
    release,
    // The work has succeeded or failed by now, and that is what must be told; the lock dies with this process at the latest.
    [Symbol.asyncDispose]: () => release().catch(() => undefined),
  }
}

// The nonce becomes a part of a file name, hence the strict form.
const lockSchema = v.object({
  host: v.string(),
  boot: v.string(),
  pidSpace: v.string(),
  pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  started: v.string(),
  nonce: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  takenAtMs: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(8.64e15)),
  holdMs: v.pipe(v.number(), v.minValue(0)),
})

async function readLock(lock: string): Promise<FoundLock | undefined> {
  const bytes = await readPrivateFile(lock).catch((error: unknown) => {
    // No lock can be there; making one fails too, and tells that the folder is what is wrong.
    if (error instanceof PosternError && hasErrno(error.cause, "ENOTDIR")) return undefined
    throw error
  })
  if (bytes === undefined) return undefined
  const parsed = v.safeParse(lockSchema, parseJson(bytes.toString("utf8")))
  if (parsed.success) return { nonce: parsed.output.nonce, owner: parsed.output }
  return { nonce: createHash("sha256").update(bytes).digest("hex").slice(0, 16) }
}

function newNonce(): string {
  return randomBytes(8).toString("hex")
}

/** A clock that was set back makes a file come from the future: that is no reason to keep it. */
async function ageMs(path: string, clock: Clock): Promise<number> {
  try {
    return Math.abs(clock.now() - (await lstat(path)).mtimeMs)
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return 0 // gone meanwhile: nobody's to remove
    throw readFailure(path, error)
  }
}
