/** Bodies and lines of any size, made while they are sent. */
import type { Writable } from "node:stream"

const CHUNK = Buffer.alloc(1 << 20, "x")

/**
 * Writes `bytes` bytes of x, waiting for whoever reads.
 *
 * @returns how many were taken before the other side hung up
 */
export async function flood(stream: Writable, bytes: number, chunk = CHUNK): Promise<number> {
  let written = 0
  const ignore = (): void => undefined // whoever hangs up destroys the stream
  stream.on("error", ignore)
  while (written < bytes && !stream.destroyed) {
    const room = stream.write(chunk.subarray(0, Math.min(chunk.length, bytes - written)))
    written += chunk.length
    if (!room) await drained(stream)
  }
  if (!stream.destroyed) stream.off("error", ignore)
  return Math.min(written, bytes)
}

/** Waits until there is room again, or nobody reads any more. */
export function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done)
      resolve()
    }
    stream.on("drain", done).on("close", done)
  })
}
