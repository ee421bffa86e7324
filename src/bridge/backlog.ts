/**
 * What was read from the client and the server has not taken yet. While there is too much of it, nothing more is read: a server that
 * does not read slows the client down, as a pipe between the two would, and memory stays bounded.
 */
import { type Resolvers, withResolvers } from "../core/with-resolvers.ts"
import type { Frame } from "./frame.ts"

/** Counts the bytes on their way to the server. */
export interface Backlog {
  /** A message was read. */
  enter(frame: Frame): void
  /** The server has it, or will not get it any more; more than one may say so. */
  leave(frame: Frame): void
  /** @returns a promise where the client has to wait until there is room again */
  room(): Promise<void> | undefined
}

/** Whoever reads may be ahead of the server by this much, in bytes; one longer message passes all the same. */
const MOST_BYTES = 64 * 1024 * 1024

/** Makes an empty backlog. */
export function makeBacklog(): Backlog {
  const onTheWay = new Set<Frame>()
  let bytes = 0
  let waiting: Resolvers<void> | undefined

  return {
    enter(frame) {
      onTheWay.add(frame)
      bytes += frame.bytes.length
    },
    leave(frame) {
      if (!onTheWay.delete(frame)) return
      bytes -= frame.bytes.length
      if (bytes >= MOST_BYTES || !waiting) return
      waiting.resolve()
      waiting = undefined
    },
    room: () => (bytes < MOST_BYTES ? undefined : (waiting ??= withResolvers()).promise),
  }
}
