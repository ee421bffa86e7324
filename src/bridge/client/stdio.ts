/** A client that has started us: it writes lines to our standard input and reads lines from our standard output. */
import type { Readable, Writable } from "node:stream"
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
/** How long a client may take to read the last of what was written, in milliseconds. */
const LAST_WORDS_MS = 1_000

/** Makes the client side of a stdio bridge. */
export function stdioClient({ input, output, maxFrameBytes }: StdioClientSettings): ClientSide {
  let drained: Promise<void> | undefined
  let gone = false
  /** Whether anything was written since the client's last word. */
  let hasSpoken = false
  /** Set where the server has to catch up with what was read. */
  let serverBehind: Promise<void> | undefined

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
      input.on("data", (chunk: Buffer) => {
        hasSpoken = false
        lines.feed(chunk)
        const caughtUp = serverBehind ?? (!gone && output.writableLength > MOST_UNREAD_BYTES ? drain() : undefined)
        serverBehind = undefined
        if (!caughtUp) return
        input.pause()
        void caughtUp.then(() => input.resume())
      })
      input.on("end", () => {
        lines.end()
        listener.onEnd("closed")
      })
      input.on("error", () => listener.onEnd("gone"))
      output.on("error", () => {
        gone = true // EPIPE: nobody reads any more
        listener.onEnd("gone")
      })
    },

    write(bytes) {
      if (gone) return
      gather()
      return writeLine(output, bytes) ? undefined : drain()
    },

    async close() {
      input.destroy()
      if (gone) return
      const delivered = new Promise<void>((resolve) => output.write("", () => resolve())) // called when all before it is out
      await Promise.race([delivered, new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS))]) // a client that does not read
    },
  }
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
