/** For servers that send everything on one stream: which message belongs to which request. */
import { orAborted } from "../../core/abort.ts"
import { monotonicMs } from "../../core/clock.ts"
import type { Frame } from "../frame.ts"
import { memberText } from "../json-text.ts"
import { withResolvers } from "../../core/with-resolvers.ts"
import type { Receive } from "../link.ts"
import { RELEASE_MS } from "./release.ts"
import { type Waiting, watchSilence } from "./silence.ts"

/** The requests of one stream that have no answer yet. */
export interface OwedAnswers {
  /**
   * Waits for the answer to a request; called before the request is sent, since the answer may be fast.
   *
   * @throws what `failAll` is given, what `onSilent` gives, or the signal's reason
   */
  expect(request: Frame, receive: Receive, signal: AbortSignal): Promise<void>
  /** The client does not want the answer any more: it is waited for a little while, since it may be on its way. */
  release(id: string | undefined): void
  /** Gives a message of the stream to whom it belongs. */
  deliver(frame: Frame): Promise<void>
  /** A part of a long message arrives: it cannot be told whose it is. */
  stir(): void
  /** True while what was delivered has not been taken: nothing more is read, and nobody is silent. */
  readonly delivering: boolean
  /** The answer to this request came, and could not be read. */
  fail(id: string, error: Error): void
  /** The stream has ended: nobody gets an answer any more. */
  failAll(error: Error): void
}

/** Who hears what belongs to no request, and of what does not come. */
export interface OwedSettings {
  /** Takes what belongs to no request. */
  readonly receive: Receive
  /** Hears of an answer that nobody waits for. */
  onStray(id: string): void
  /** The longest that nothing is heard of a request, in milliseconds; 0 means no limit. */
  readonly silenceMs: number
  /** Makes the failure of a request that nothing was heard of for so long. */
  onSilent(request: Frame): Error
}

/** One request, and who waits for its answer. */
interface Owed extends Waiting {
  readonly request: Frame
  readonly receive: Receive
  /** Its progress token, once somebody has asked for it; empty where it has none. */
  token?: string
  done(): void
  fail(error: Error): void
}

/** Makes an empty table for one stream. */
export function owedAnswers({ receive: receiveUnasked, onStray, silenceMs, onSilent }: OwedSettings): OwedAnswers {
  const owed = new Map<string, Owed>()
  let delivering = 0
  const silence = watchSilence({
    waiting: () => owed.values(),
    isDeaf: () => delivering > 0,
    limitMs: silenceMs,
    onSilent: ({ request, fail }) => fail(onSilent(request)),
  })

  const stir = (): void => {
    for (const one of owed.values()) one.heardMs = monotonicMs()
  }

  /** Progress is of one request; what the server asks may be for any. What it logs, or that its lists changed, is of none. */
  const noteLife = (frame: Frame): void => {
    if (frame.kind === "request") return stir()
    if (frame.method !== "notifications/progress") return
    const token = tokenIn(frame, "params", "progressToken")
    for (const one of owed.values()) {
      one.token ??= tokenIn(one.request, "params", "_meta", "progressToken")
      if (token !== "" && one.token === token) one.heardMs = monotonicMs()
    }
  }

  const give = async (frame: Frame, receive: Receive): Promise<void> => {
    const taken = receive(frame)
    if (!taken) return
    delivering++
    try {
      await taken
    } finally {
      delivering--
    }
    stir() // what was said meanwhile has not been read yet
  }

  return {
    async expect(request, receive, signal) {
      const { promise: answered, resolve: done, reject: fail } = withResolvers()
      const one = { request, receive, done, fail, heardMs: monotonicMs() }
      owed.set(request.id, one)
      silence.begin()
      try {
        await orAborted(answered, signal)
      } finally {
        if (owed.get(request.id) === one) owed.delete(request.id) // its id may be in use again
      }
    },

    release(id = "") {
      const one = owed.get(id)
      if (one) setTimeout(one.done, RELEASE_MS).unref()
    },

    get delivering() {
      return delivering > 0
    },

    async deliver(frame) {
      if (frame.kind !== "response") {
        if (silenceMs > 0) noteLife(frame)
        return give(frame, receiveUnasked)
      }
      const request = owed.get(frame.id)
      if (!request) return onStray(frame.id)
      await give(frame, request.receive)
      request.done()
    },

    stir,

    fail: (id, error) => owed.get(id)?.fail(error),

    failAll(error) {
      silence.close()
      for (const { fail } of owed.values()) fail(error)
    },
  }
}

/** A progress token as JSON, spelled in one way only; empty where there is none. */
function tokenIn(frame: Frame, ...path: readonly string[]): string {
  let text: string | undefined = frame.bytes.toString("utf8")
  for (const name of path) text = text?.startsWith("{", text.search(/\S/)) ? memberText(text, name) : undefined
  return text === undefined ? "" : JSON.stringify(JSON.parse(text)) // a part of a text that was read before
}
