/** The rows of the table of `docs/transports.md`: each a real server, reached through the built `postern run` by a foreign client. */
import { type Sdk, modernSdk, sdkV2 } from "../../harness/foreign-client.ts"
import { everythingProgram, startOpenEverything } from "../../servers/everything.ts"
import { sdkServerProgram, startSdkServer } from "../../servers/sdk-server.ts"

/** How the tools of a server are called that show a feature. */
export interface Tools {
  readonly progress: readonly [string, Readonly<Record<string, unknown>>]
  /** Runs until it is cancelled, and tells progress meanwhile. */
  readonly endless: readonly [string, Readonly<Record<string, unknown>>]
  readonly sampling: readonly [string, Readonly<Record<string, unknown>>]
  readonly elicitation: readonly [string, Readonly<Record<string, unknown>>]
  readonly roots: readonly [string, Readonly<Record<string, unknown>>]
  readonly change: readonly [string, Readonly<Record<string, unknown>>]
  /** The notice that `change` brings. */
  readonly changed: string
}

interface RunningServer extends AsyncDisposable {
  /** The entry of the configuration. */
  readonly entry: Readonly<Record<string, unknown>>
}

export interface Row {
  readonly transport: string
  readonly revision: string
  readonly sdk: Sdk
  readonly tools: Tools
  start(): Promise<RunningServer>
}

const everythingTools: Tools = {
  progress: ["trigger-long-running-operation", { duration: 0.3, steps: 3 }],
  endless: ["trigger-long-running-operation", { duration: 30, steps: 300 }],
  sampling: ["trigger-sampling-request", { prompt: "what?" }],
  elicitation: ["trigger-elicitation-request", {}],
  roots: ["get-roots-list", {}],
  change: ["gzip-file-as-resource", { name: "note.gz", data: "data:text/plain,hello", outputType: "resourceLink" }],
  changed: "notifications/resources/list_changed",
}

const modernTools: Tools = {
  progress: ["count", {}],
  endless: ["wait", {}],
  sampling: ["sample", {}],
  elicitation: ["elicit", {}],
  roots: ["roots", {}],
  change: ["change", {}],
  changed: "notifications/tools/list_changed",
}

const local = (entry: Readonly<Record<string, unknown>>) => (): Promise<RunningServer> =>
  Promise.resolve({ entry, [Symbol.asyncDispose]: () => Promise.resolve() })

const remote = (type: string, start: () => Promise<AsyncDisposable & { readonly url: string }>) => async (): Promise<RunningServer> => {
  const server = await start()
  return { entry: { type, url: server.url }, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

const legacy = (transport: string, revision: string, start: Row["start"]): Row => ({
  transport,
  revision,
  sdk: sdkV2(revision, { supportedProtocolVersions: [revision] }),
  tools: everythingTools,
  start,
})

const modern = (transport: string, start: Row["start"]): Row => ({
  transport,
  revision: "2026-07-28",
  sdk: modernSdk,
  tools: modernTools,
  start,
})

const localEverything = local({ command: process.execPath, args: [everythingProgram, "stdio"] })
const overSse = remote("sse", () => startOpenEverything("sse"))
const overHttp = remote("http", () => startOpenEverything("streamableHttp"))

export const rows: readonly Row[] = [
  legacy("local process", "2024-11-05", localEverything),
  legacy("local process", "2025-06-18", localEverything),
  legacy("local process", "2025-11-25", localEverything),
  modern("local process", local({ command: process.execPath, args: [sdkServerProgram, "stdio"] })),
  legacy("HTTP+SSE", "2024-11-05", overSse),
  legacy("Streamable HTTP", "2025-03-26", overHttp),
  legacy("Streamable HTTP", "2025-06-18", overHttp),
  legacy("Streamable HTTP", "2025-11-25", overHttp),
  modern(
    "Streamable HTTP",
    remote("http", () => startSdkServer()),
  ),
]
