/** What a client asks and hears, whatever carries it: streams in this process, or the pipes of a child. */

export interface Spoken {
  jsonrpc: string
  id?: unknown
  method?: string
  params?: Record<string, unknown>
  result?: Record<string, unknown>
  error?: { code: number; message: string; data?: { code: string; evidence: string[]; next?: string } }
}

export interface Conversation {
  /** All that was heard, in order. */
  readonly messages: Spoken[]
  send(message: Record<string, unknown>): void
  request(method: string, params?: unknown, id?: number | string): Promise<Spoken>
  /** initialize and initialized. */
  open(capabilities?: Record<string, unknown>): Promise<Spoken>
  /** Waits for the first message that fits, also one that has come already. */
  heard(fits: (message: Spoken) => boolean): Promise<Spoken>
}

/**
 * @param write - says one line, given without its end
 * @returns the conversation, and `hear`, which takes each message that comes
 */
export function conversationBy(write: (line: string) => void): Conversation & { hear(message: Spoken): void } {
  const messages: Spoken[] = []
  const watchers = new Set<() => void>()
  let lastId = 0

  const send: Conversation["send"] = (message) => write(JSON.stringify({ jsonrpc: "2.0", ...message }))
  const heard: Conversation["heard"] = (fits) =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = messages.find(fits)
        if (!found) return
        watchers.delete(look)
        resolve(found)
      }
      watchers.add(look)
      look()
    })
  const request: Conversation["request"] = (method, params, id = ++lastId) => {
    send({ id, method, ...(params === undefined ? {} : { params }) })
    return heard((message) => message.id === id && message.method === undefined)
  }

  return {
    messages,
    send,
    heard,
    request,
    async open(capabilities = {}) {
      const clientInfo = { name: "test", version: "1" }
      const answer = await request("initialize", { protocolVersion: "2025-11-25", capabilities, clientInfo })
      send({ method: "notifications/initialized" })
      return answer
    },
    hear(message) {
      messages.push(message)
      for (const watcher of watchers) watcher()
    },
  }
}
