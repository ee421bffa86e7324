/**
 * A cancelled call gives back what it holds. The notice of a cancel is carried like any other message, and the stream stays open for an
 * answer that is on its way (S16); but a server may go on for an hour, or never end the stream.
 */
import type { Http } from "../../core/http.ts"
import { cancelledId, type Frame } from "../frame.ts"
import type { Link } from "../link.ts"

/** How long the answer to a cancelled request is still taken, in milliseconds. */
export const RELEASE_MS = 5_000

/** Wraps a link whose requests go over `http`, each with its frame as the cause. */
export function withRelease(link: Link, http: Pick<Http, "abandon">, releaseMs = RELEASE_MS): Link {
  const onTheirWay = new Map<string, Frame>()
  const released = new Error("the client has cancelled it")

  const release = (id = ""): void => {
    const frame = onTheirWay.get(id)
    if (frame) setTimeout(() => http.abandon(frame, released), releaseMs).unref()
  }

  return {
    exchange(frame, receive, signal) {
      if (frame.method === "notifications/cancelled") release(cancelledId(frame))
      if (frame.kind !== "request") return link.exchange(frame, receive, signal)
      onTheirWay.set(frame.id, frame)
      return link.exchange(frame, receive, signal).then(
        () => void onTheirWay.delete(frame.id),
        (error: unknown) => {
          onTheirWay.delete(frame.id)
          if (error !== released) throw error // nobody waits for the other one
        },
      )
    },
    close: (signal) => link.close(signal),
  }
}
