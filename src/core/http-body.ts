/** The body of an answer: decoded, bounded, and with named failures. */
import type { ClientRequest, IncomingMessage } from "node:http"
import { pipeline, type Readable, type Transform } from "node:stream"
import { monotonicMs } from "./clock.ts"
import { PosternError } from "./diagnosis.ts"
import type { Answer } from "./http.ts"
import { type Fate, answerTooLarge, answerUnreadable, nameFailure } from "./http-failures.ts"

/** How long the rest of a body that hardly matters is waited for, in milliseconds. */
const BRIEFLY_MS = 2_000

/** An answer of so many bytes is not worth holding up the server, whoever waits for its room. */
export const FEW_BYTES = 16 * 1024

/** What node:http received. */
export interface Arrival {
  readonly incoming: IncomingMessage
  readonly fate: Fate
  /** Hears that the body was taken or dropped before node:http has told of its end: the connection is free in a moment. */
  onFreeing(): void
}

/**
 * Makes an answer of what node:http received.
 *
 * @returns the answer; a promise of it only where the body is encoded, since the decoders are loaded when they are needed
 */
export function toAnswer(arrival: Arrival): Answer | Promise<Answer> {
  const { incoming, fate } = arrival
  // A failure is told to whoever reads; while nobody reads yet, or any more, it must not end the process.
  incoming.on("error", () => undefined)
  const encoding = incoming.headers["content-encoding"]?.trim().toLowerCase()
  if (!encoding || encoding === "identity") return answerWith(arrival, incoming)
  return decode(incoming, encoding, fate.route.origin).then((body) => answerWith(arrival, body))
}

function answerWith({ incoming, fate, onFreeing }: Arrival, body: Readable): Answer {
  let briefly: Promise<Buffer> | undefined
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    read(maxBytes, hold) {
      // What has failed before anybody read says nothing any more, and of what was ended from our side only a part may be there.
      const failure = fate.reason ?? body.errored
      if (failure) return Promise.reject(nameFailure(failure, fate) as Error) // our own reasons are errors
      const whole = body === incoming ? takeWhole(incoming, maxBytes) : null
      if (!whole) return readAll(body, { maxBytes, hold }, fate)
      onFreeing()
      return Promise.resolve(whole)
    },
    readBriefly: (maxBytes) => (briefly ??= readWithin(body, maxBytes)),
    async *stream(hold) {
      try {
        for await (const chunk of body) {
          fate.heardMs = Number.POSITIVE_INFINITY
          yield chunk as Buffer // no encoding is set, so chunks are buffers
          const room = hold?.()
          if (room && fate.reason === undefined && !body.destroyed) await orClosed(room, fate.request)
          fate.heardMs = monotonicMs()
        }
      } catch (error) {
        throw nameFailure(error, fate)
      }
    },
    discard() {
      if (incoming.complete && !incoming.readableEnded) onFreeing()
      discard(incoming)
    },
  }
}

/** Waits for room, or until nothing more comes; why, the body tells whoever reads on. */
function orClosed(room: Promise<void>, request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    request.once("close", resolve)
    void room.then(resolve).finally(() => request.off("close", resolve))
  })
}

async function decode(incoming: IncomingMessage, encoding: string, origin: string): Promise<Readable> {
  const zlib = await import("node:zlib")
  const decoders: Record<string, () => Transform> = {
    gzip: zlib.createGunzip,
    "x-gzip": zlib.createGunzip,
    deflate: zlib.createInflate,
    br: zlib.createBrotliDecompress,
  }
  const decoder = decoders[encoding]
  if (!decoder) {
    incoming.destroy()
    throw new PosternError(answerUnreadable({ origin, detail: `content-encoding: ${encoding}`, isPage: false }))
  }
  // Whoever reads the result hears of a failure there; nothing is left to do in this callback.
  return pipeline(incoming, decoder(), () => undefined)
}

interface Bounds {
  readonly maxBytes: number
  readonly hold: Parameters<Answer["read"]>[1]
}

/**
 * A small body is most often there with its head: taken at once, the answer is a tenth of a call earlier than with its events.
 *
 * @returns null where it is not whole yet, too long, or empty
 */
function takeWhole(incoming: IncomingMessage, maxBytes: number): Buffer | null {
  const isWhole = incoming.complete && incoming.readableLength <= Math.min(maxBytes, FEW_BYTES)
  return isWhole ? (incoming.read() as Buffer | null) : null // no encoding is set, so it is a buffer
}

function readAll(body: Readable, { maxBytes, hold }: Bounds, fate: Fate): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    let told = 0
    const goOn = (): void => {
      fate.heardMs = monotonicMs()
      body.resume()
    }
    body.on("data", (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxBytes) return void body.destroy(new PosternError(answerTooLarge({ origin: fate.route.origin, maxBytes })))
      chunks.push(chunk)
      if (!hold || bytes <= FEW_BYTES) return
      const room = hold(bytes - told)
      told = bytes
      if (!room) return
      body.pause()
      fate.heardMs = Number.POSITIVE_INFINITY
      void room.then(goOn)
    })
    body.on("end", () => {
      // What was ended from our side, and is all there, node:http drops up to its end: that is no end of the body.
      if (fate.reason !== undefined) return reject(fate.reason as Error) // our own reasons are errors
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes))
    })
    body.on("error", (error) => reject(nameFailure(error, fate)))
  })
}

function readWithin(body: Readable, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const done = (): void => {
      clearTimeout(timer)
      body.destroy()
      resolve(Buffer.concat(chunks).subarray(0, maxBytes))
    }
    const timer = setTimeout(done, BRIEFLY_MS)
    body.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= maxBytes) done()
    })
    body.on("error", done)
    body.on("end", done)
  })
}

/** Small rests are read so that the connection can be used again; what is longer costs the connection. */
function discard(incoming: IncomingMessage): void {
  // Many servers give their 202 no length; what is there already is no rest. Our own body may be on its way still, and has its own limit.
  const rest = incoming.complete ? 0 : Number(incoming.headers["content-length"] ?? Number.NaN)
  if (!(rest <= 64 * 1024)) return void incoming.destroy()
  incoming.resume()
  // A rest that was promised and does not come must not hold the connection.
  const timer = setTimeout(() => incoming.destroy(), BRIEFLY_MS).unref()
  incoming.on("close", () => clearTimeout(timer))
}
