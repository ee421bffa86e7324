/** Passing on bytes as fast as somebody takes them. */
import type { Writable } from "node:stream"
import { withResolvers } from "../core/with-resolvers.ts"

/**
 * Writes a chunk.
 *
 * @returns a promise where the stream has more than it wants: it resolves when this chunk has left, or the stream is closed
 */
export function pour(stream: Writable, chunk: Buffer): Promise<void> | void {
  const { promise, resolve } = withResolvers()
  if (!stream.write(chunk, () => resolve())) return promise
}
