/** A server with an address, whole: the sides of each era and transport. What only some servers need is loaded when it is met. */
import { byEra, legacyOnly } from "./eras/by-era.ts"
import { verdicts } from "./eras/verdicts.ts"
import type { ServerSide } from "./link.ts"
import type { MemoryStore } from "./memory.ts"
import { withRelease } from "./server/release.ts"
import { type StreamableHttpSettings, streamableHttpLink } from "./server/streamable-http.ts"
import { withSession } from "./session.ts"

/**
 * Makes the side of a server over Streamable HTTP of either era; one that turns out to be of the HTTP+SSE transport is carried too.
 *
 * @param store - where it is remembered what was found out about the server
 * @param life - aborts when the bridge ends
 */
export function httpSide(settings: StreamableHttpSettings, store: MemoryStore | undefined, life: AbortSignal): ServerSide {
  const { name, door, log } = settings
  return byEra({
    name,
    side: withSession(withRelease(streamableHttpLink(settings), door.http), life),
    makeSse: () => makeSse(settings, life),
    async makeModern(onModern) {
      const { modernHttpSide } = await import("./server/modern-http.ts")
      return modernHttpSide({ ...settings, onModern })
    },
    verdicts: verdicts(store, door.clock),
    log,
  })
}

/** Makes the side of a server over the HTTP+SSE transport of revision 2024-11-05, and nothing else. */
export async function sseSide(settings: StreamableHttpSettings, life: AbortSignal): Promise<ServerSide> {
  return legacyOnly(settings.name, await makeSse(settings, life))
}

async function makeSse(settings: StreamableHttpSettings, life: AbortSignal): Promise<ServerSide> {
  const { sseLink } = await import("./server/sse.ts")
  return withSession(withRelease(sseLink(settings), settings.door.http), life)
}
