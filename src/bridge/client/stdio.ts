/** A client that has started us: it writes lines to our standard input and reads lines from our standard output. */
import type { Readable, Writable } from "node:stream"
import { orAborted } from "../../core/abort.ts"
import { withResolvers } from "../../core/with-resolvers.ts"
import { idOfUnread, readEach } from "../frame.ts"
import { lineCutter } from "../lines.ts"
import type { ClientListener, ClientSide } from "./client-side.ts"

/** The two streams of a client, and the longest message on them. */
export interface StdioClientSettings {
  readonly input: Readable
  /** Protocol only: nothing else may ever write to it. */
  readonly output: Writable
  /** The longest message, in bytes. */
  readonly maxFrameBytes: number
}

/** A client that has so much to read first is not read from, in bytes: it would only ask for more. */
const MOST_UNREAD_BYTES = 64 * 1024 * 1024
const COPIED_BYTES = 64 * 1024

/** Makes the client side of a stdio bridge. */
export function stdioClient({ input, output, maxFrameBytes }: StdioClientSettings): ClientSide {
  let drained: Promise<void> | undefined
  let gone = output.destroyed
  /** Whether anything was written since the client's last word. */
  let hasSpoken = false
  /** Set where the server has to catch up with what was read. */
  let serverBehind: Promise<void> | undefined
  let stopReading = (): void => undefined

  // Heard from the beginning: a socket may be reset before the connection is prepared, and an error that nobody hears ends the process.
  // A stream that is destroyed says neither that it ended nor that it failed.
  const { promise: ended, resolve: end } = withResolvers<"closed" | "gone">()
  const lose = (): void => {
    gone = true // EPIPE: nobody reads any more
    end("gone")
  }
  if (input.readableEnded) end("closed")
  if (input.destroyed || output.destroyed) end("gone")
  input
    .on("end", () => end("closed"))
    .on("error", () => end("gone"))
    .on("close", () => end("gone"))
  output.on("error", lose).on("close", lose)

  /** The first answer after the client's last word leaves at once; of what follows, each turn of the event loop leaves in one system call. */
  const gather = (): void => {
    if (output.writableCorked > 0) return
    if (hasSpoken) {
      output.cork()
      setImmediate(() => output.uncork())
    }
    hasSpoken = true
  }

  /** Waits until all that was written has left. */
  const drain = (): Promise<void> =>
    (drained ??= new Promise<void>((resolve) => {
      const done = (): void => {
        output.off("drain", done)
        output.off("close", done)
        output.off("error", done)
        drained = undefined
        resolve()
      }
      output.on("drain", done).on("close", done).on("error", done)
    }))

  return {
    open(listener) {
      const lines = lineCutter(
        maxFrameBytes,
        (line) => (serverBehind = hear(line, listener) ?? serverBehind),
        (beginning) => listener.onTooLarge(maxFrameBytes, idOfUnread(beginning)),
      )
      const read = (chunk: Buffer | string): void => {
        hasSpoken = false
        lines.feed(typeof chunk === "string" ? Buffer.from(chunk, input.readableEncoding ?? "utf8") : chunk)
        const caughtUp = serverBehind ?? (!gone && output.writableLength > MOST_UNREAD_BYTES ? drain() : undefined)
        serverBehind = undefined
        if (!caughtUp) return
        input.pause()
        void caughtUp.then(() => input.resume())
      }
      stopReading = () => void input.off("data", read).pause()
      input.on("data", read).on("end", lines.end)
      void ended.then((reason) => listener.onEnd(reason))
    },

    write(bytes) {
      if (gone) return
      gather()
      return writeLine(output, bytes) ? undefined : drain()
    },

    async close(signal) {
      stopReading()
      if (!gone) await lastWords(output, signal)
      input.destroy() // not earlier: a socket is the output too
    },
  }
}

/** Waits until all that was written is out, or a client that does not read has had its time. */
async function lastWords(output: Writable, signal: AbortSignal): Promise<void> {
  const delivered = new Promise<void>((resolve) => output.write("", () => resolve())) // called when all before it is out
  await orAborted(delivered, signal).catch(() => undefined)
}

/** @returns whether there is room for more */
function writeLine(output: Writable, bytes: Buffer): boolean {
  // As text it leaves fastest; Latin-1 is the encoding in which each byte stays itself.
  if (bytes.length <= COPIED_BYTES) return output.write(`${bytes.toString("latin1")}\n`, "latin1")
  output.write(bytes) // a large message is not copied for the sake of its line feed
  return output.write("\n")
}

/** @returns a promise where the server has to catch up first */
function hear(line: Buffer, listener: ClientListener): Promise<void> | void {
  let caughtUp: Promise<void> | void = undefined
  for (const read of readEach(line)) {
    if (read.kind === "unread") listener.onMalformed(read.detail, read.id)
    else caughtUp = listener.onFrame(read) ?? caughtUp
  }
  return caughtUp
}
