/** The official SDKs' clients, v1 and v2, behind one small face: they start a bridge over stdio, as a user's client does. */
import { requireJudge } from "./judges.ts"

/** How to start the local server that a client speaks to. */
export interface LocalServer {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** What a server may ask of a client, by method, and what this client answers: a value, or what a function makes of the parameters. */
export type Answers = Readonly<Record<string, unknown>>

export interface ClientTraits {
  /** What is declared, where that is not an empty object for each answer. */
  readonly capabilities?: object
}

interface ToolResult {
  readonly content: readonly { readonly type: string; readonly text?: string; readonly uri?: string }[]
  readonly isError?: boolean
}

interface CallOptions {
  readonly onprogress?: (progress: { readonly progress: number; readonly total?: number }) => void
  readonly signal?: AbortSignal
}

/** The part of both SDKs' `Client` that is the same. */
interface SharedFace {
  getServerVersion(): { readonly name: string } | undefined
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>
  listResources(): Promise<{ readonly resources: readonly { readonly uri: string }[] }>
  readResource(params: { readonly uri: string }): Promise<{ readonly contents: readonly { readonly text?: string }[] }>
  subscribeResource(params: { readonly uri: string }): Promise<unknown>
  listPrompts(): Promise<{ readonly prompts: readonly { readonly name: string }[] }>
  getPrompt(params: {
    readonly name: string
    readonly arguments?: Readonly<Record<string, string>>
  }): Promise<{ readonly messages: unknown }>
  complete(params: unknown): Promise<{ readonly completion: { readonly values: readonly string[] } }>
  ping(): Promise<unknown>
  /** SDK v2: which era it speaks with the server. */
  getProtocolEra?(): "legacy" | "modern"
  getNegotiatedProtocolVersion?(): string | undefined
  /** SDK v2, modern era. */
  listen?(filter: Readonly<Record<string, unknown>>): Promise<{ close(): Promise<void> }>
}

export interface ForeignClient extends SharedFace, AsyncDisposable {
  /** Calls a tool, in one way for both SDKs. */
  call(name: string, args?: Readonly<Record<string, unknown>>, options?: CallOptions): Promise<ToolResult>
  /** Waits for a notification of this method, also one that has come already. */
  sawNotification(method: string): Promise<void>
}

interface SdkClient extends SharedFace {
  connect(transport: unknown): Promise<void>
  close(): Promise<void>
  callTool(params: unknown, ...rest: unknown[]): Promise<ToolResult>
  setRequestHandler(of: unknown, answer: (request: { readonly params?: unknown }) => Promise<unknown>): void
  fallbackNotificationHandler?: (notification: { readonly method: string }) => Promise<void>
}

interface SdkModule {
  readonly Client: new (info: { name: string; version: string }, options: { capabilities: object; [option: string]: unknown }) => SdkClient
  readonly StdioClientTransport: new (server: object) => unknown
}

/** One official SDK: where its parts are, and the two calls that differ between them. */
export interface Sdk {
  readonly title: string
  load(): SdkModule
  handlerKey(method: string): unknown
  callArguments(options: CallOptions | undefined): readonly unknown[]
  /** More options of its client. */
  readonly options?: Readonly<Record<string, unknown>>
}

const v1Schemas: Readonly<Record<string, string>> = {
  "roots/list": "ListRootsRequestSchema",
  "sampling/createMessage": "CreateMessageRequestSchema",
  "elicitation/create": "ElicitRequestSchema",
}

const load = (...specifiers: readonly string[]): SdkModule =>
  // The two classes are what these modules of the pinned versions export under these names.
  Object.assign({}, ...specifiers.map((specifier) => requireJudge(specifier))) as SdkModule

export const sdks: readonly Sdk[] = [
  {
    title: "SDK v1",
    load: () => load("@modelcontextprotocol/sdk/client/index.js", "@modelcontextprotocol/sdk/client/stdio.js"),
    // v1 names a method by its schema.
    handlerKey: (method) => (requireJudge("@modelcontextprotocol/sdk/types.js") as Record<string, unknown>)[v1Schemas[method] ?? method],
    callArguments: (options) => [undefined, options],
  },
  sdkV2("SDK v2", {}),
]

/** SDK v2 with other options of its client, such as the revisions that it offers. */
export function sdkV2(title: string, options: Readonly<Record<string, unknown>>): Sdk {
  return {
    title,
    load: () => load("@modelcontextprotocol/client", "@modelcontextprotocol/client/stdio"),
    handlerKey: (method) => method,
    callArguments: (callOptions) => [callOptions],
    options,
  }
}

/** A client that asks with `server/discover` first, and falls back where the server does not know it. */
export const modernSdk = sdkV2("SDK v2, modern", { versionNegotiation: { mode: "auto" } })

function keepNotifications(client: SdkClient): ForeignClient["sawNotification"] {
  const seen = new Set<string>()
  const waiting = new Map<string, () => void>()
  client.fallbackNotificationHandler = async ({ method }) => {
    seen.add(method)
    waiting.get(method)?.()
  }
  return (method) => (seen.has(method) ? Promise.resolve() : new Promise((resolve) => waiting.set(method, resolve)))
}

/**
 * Starts a local server and opens a session with it.
 *
 * @param answers - what this client answers when the server asks; a capability is declared for each, unless `traits` says otherwise
 * @throws what the SDK throws when `initialize` is refused
 */
export async function connectForeignClient(
  sdk: Sdk,
  server: LocalServer,
  answers: Answers = {},
  traits: ClientTraits = {},
): Promise<ForeignClient> {
  const { Client, StdioClientTransport } = sdk.load()
  const capabilities = Object.fromEntries(Object.keys(answers).map((method) => [method.split("/")[0], {}]))
  const client = new Client({ name: "foreign-client", version: "1.0.0" }, { capabilities, ...sdk.options, ...traits })
  for (const [method, answer] of Object.entries(answers)) {
    const respond = async ({ params }: { readonly params?: unknown }): Promise<unknown> =>
      typeof answer === "function" ? (answer as (params: unknown) => unknown)(params) : answer // the test's own function
    client.setRequestHandler(sdk.handlerKey(method), respond)
  }
  const sawNotification = keepNotifications(client)
  await client.connect(new StdioClientTransport({ ...server, stderr: "pipe" }))
  return Object.assign(client, {
    sawNotification,
    call: (name: string, args: Readonly<Record<string, unknown>> = {}, options?: CallOptions) =>
      client.callTool({ name, arguments: args }, ...sdk.callArguments(options)),
    [Symbol.asyncDispose]: () => client.close(),
  })
}
