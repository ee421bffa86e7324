/** Whether a server wants a sign-in though its entry says nothing of one: kept in its memory, so that a list can tell without asking it. */
import type { MemoryStore } from "./memory.ts"
import type { ServerSide } from "./link.ts"
import { isLocked } from "./when-locked.ts"

const KEY = "door"
const LOCKED = "locked"

/** Wraps the side of a server that nobody has signed in to, and keeps what its opening meets. */
export function withDoorMemory(side: ServerSide, store: MemoryStore): ServerSide {
  let met: typeof LOCKED | undefined

  return {
    async carry(frame, receive, signal) {
      if (frame.method !== "initialize" && frame.method !== "server/discover") return side.carry(frame, receive, signal)
      try {
        await side.carry(frame, receive, signal)
        store.keep(KEY, met) // where it was locked before, somebody has signed in meanwhile
      } catch (error) {
        if (isLocked(error)) store.keep(KEY, (met = LOCKED))
        throw error
      }
    },
    close: (signal) => side.close(signal),
  }
}

/** Keeps that the server wants a sign-in, as far as is known: somebody had one, and has given it up. Its next opening shows it. */
export async function keepLocked(store: MemoryStore): Promise<void> {
  store.keep(KEY, LOCKED)
  await store.written()
}

/** Whether the server wanted a sign-in when it was last opened. */
export async function wantsSignIn(store: MemoryStore): Promise<boolean> {
  return (await store.recall())[KEY] === LOCKED
}
