/** The columns of the table: each tries one feature for real, and says whether it worked. */
import type { ForeignClient } from "../../harness/foreign-client.ts"
import type { CuttingProxy } from "../../servers/cutting-proxy.ts"
import type { Row, Tools } from "./rows.ts"

/** What the client answers when it is asked. */
export const answers = {
  "sampling/createMessage": { role: "assistant", model: "a-model", content: { type: "text", text: "forty-two" } },
  "elicitation/create": { action: "accept", content: { name: "Ada" } },
  "roots/list": { roots: [{ uri: "file:///srv/work", name: "work" }] },
}

export interface Trial {
  readonly client: ForeignClient
  readonly tools: Tools
  /** Stands before a remote server. */
  readonly proxy: CuttingProxy | undefined
}

export interface Feature {
  readonly name: string
  /** Whether the revision and the transport have it at all. */
  exists(row: Row): boolean
  /** What the cell says where it exists and works. */
  readonly works: string
  try(trial: Trial): Promise<boolean>
}

const MODERN = "2026-07-28"
const textOf = (result: { readonly content: readonly { readonly text?: string }[] }): string =>
  result.content.map(({ text }) => text ?? "").join("\n")

const asks = (name: "sampling" | "elicitation" | "roots", told: string, since: string): Feature => ({
  name,
  exists: ({ revision }) => revision >= since,
  works: "yes",
  try: async ({ client, tools }) => textOf(await client.call(...tools[name])).includes(told),
})

export const features: readonly Feature[] = [
  {
    name: "tools",
    exists: () => true,
    works: "yes",
    async try({ client }) {
      const { tools } = await client.listTools()
      const echo = await client.call("echo", { message: "hello" })
      return tools.some(({ name }) => name === "echo") && textOf(echo) === "Echo: hello"
    },
  },
  {
    name: "progress",
    exists: () => true,
    works: "yes",
    async try({ client, tools }) {
      const steps: number[] = []
      await client.call(...tools.progress, { onprogress: ({ progress }) => steps.push(progress) })
      return steps.includes(1) && steps.includes(2)
    },
  },
  {
    name: "cancel",
    exists: () => true,
    works: "yes",
    async try({ client, tools }) {
      const giveUp = new AbortController()
      const call = client.call(...tools.endless, { signal: giveUp.signal, onprogress: () => giveUp.abort() })
      const ended = await call.then(
        () => false,
        () => true,
      )
      return ended && textOf(await client.call("echo", { message: "after" })) === "Echo: after"
    },
  },
  asks("sampling", "forty-two", "2024-11-05"),
  asks("elicitation", "Ada", "2025-06-18"),
  asks("roots", "file:///srv/work", "2024-11-05"),
  {
    name: "list_changed",
    exists: () => true,
    works: "yes",
    async try({ client, tools }) {
      const subscription = client.getProtocolEra?.() === "modern" ? await client.listen?.({ toolsListChanged: true }) : undefined
      await client.call(...tools.change)
      await client.sawNotification(tools.changed)
      await subscription?.close()
      return true
    },
  },
  {
    name: "resume",
    exists: ({ transport, revision }) => transport === "Streamable HTTP" && revision < MODERN,
    works: "yes",
    async try({ client, tools, proxy }) {
      proxy?.cutNext("tools/call")
      await client.call(...tools.progress, { onprogress: () => undefined })
      return proxy?.cuts === 1 && proxy.resumes > 0
    },
  },
  {
    name: "asked again",
    exists: ({ transport, revision }) => transport === "Streamable HTTP" && revision === MODERN,
    works: "yes",
    async try({ client, proxy }) {
      proxy?.cutNext("resources/read")
      const { contents } = await client.readResource({ uri: "note://one" })
      return proxy?.cuts === 1 && proxy.resumes === 0 && contents.length === 1
    },
  },
]
