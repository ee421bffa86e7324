/** The bridge for code: what `postern run NAME` does, with this process for its default surroundings. */
import { createRequire } from "node:module"
import type { Readable, Writable } from "node:stream"
import { openTools } from "../auth/open-tools.ts"
import type { AuthTools } from "../auth/tools.ts"
import { findServer } from "../config/find.ts"
import { type LoadOptions, loadServers } from "../config/load-servers.ts"
import type { Server } from "../config/server.ts"
import type { Diagnosis } from "../core/diagnosis.ts"
import { type Log, silentLog } from "../core/log.ts"
import { findPlaces } from "../core/places.ts"
import { type BridgeSettings, MAX_FRAME_BYTES, runBridge } from "./bridge.ts"
import type { InProcessSettings } from "./client/in-process.ts"
import { stdioClient } from "./client/stdio.ts"
import { type OpenBridge, connect } from "./connect.ts"

/** Where a server is looked for, and what the bridge to it works with. */
export interface BridgeOptions extends LoadOptions {
  /** The vault, variables and clock; those of `env` and this machine unless said (`openTools` of `postern/auth` makes others). */
  readonly tools?: AuthTools
  /** Events of the bridge, without secrets and payloads; silent unless said (`jsonLog` of `postern/bridge` writes lines). */
  readonly log?: Log
  /** Takes what a local server writes to its standard error; dropped unless said. */
  onServerStderr?(chunk: Buffer): void
  /** Ends the bridge at once. */
  readonly signal?: AbortSignal
}

/** A bridge that this process itself is the client of. */
export interface OpenBridgeOptions extends BridgeOptions, Partial<InProcessSettings> {}

/**
 * Opens a session with a configured server, with proof of identity, as `postern call` does.
 *
 * @param server - its name, as `postern list` shows it, or an entry of `loadServers`
 * @returns the open session; close it, or take it with `await using`
 * @throws {PosternError} why it could not be opened, for example `unknown-server`, `header-refused`, `server-unreachable`
 */
export async function openBridge(server: string | Server, options: OpenBridgeOptions = {}): Promise<OpenBridge> {
  const { clientInfo = ourselves(), capabilities, onNotification, onRequest } = options
  return connect({
    ...settingsFor(server, options),
    clientInfo,
    ...(capabilities && { capabilities }),
    ...(onNotification && { onNotification }),
    ...(onRequest && { onRequest }),
  })
}

/** The two ends of a client: what it writes, and what it reads. */
export interface ClientStreams {
  /** The client's messages, one JSON text a line. */
  readonly input: Readable
  /** Gets the server's messages, one JSON text a line, each in the server's own bytes. */
  readonly output: Writable
}

/**
 * Carries messages between a client on two streams and a configured server until the client has gone, as `postern run` does with
 * standard input and output.
 *
 * @param server - its name, as `postern list` shows it, or an entry of `loadServers`
 * @returns the diagnosis that every request was answered with, if the connection could not even be prepared
 */
export async function pipeBridge(
  server: string | Server,
  { input, output }: ClientStreams,
  options: BridgeOptions = {},
): Promise<Diagnosis | undefined> {
  const client = stdioClient({ input, output, maxFrameBytes: MAX_FRAME_BYTES })
  return runBridge({ ...settingsFor(server, options), client, onRefused: () => undefined }) // it is returned
}

function settingsFor(server: string | Server, options: BridgeOptions): Omit<BridgeSettings, "client" | "onRefused"> {
  const { name } = typeof server === "string" ? { name: server } : ((server ?? {}) as Partial<Server>) // JavaScript may give anything
  if (typeof name !== "string") throw new TypeError("a bridge is opened by the name of a server, or by an entry of loadServers()")
  const { env = process.env, log = silentLog, signal = new AbortController().signal } = options
  return {
    name,
    findServer: async () => (typeof server === "string" ? findServer(await loadServers(options), server) : server),
    tools: options.tools ?? openTools({ env, signal }),
    log,
    memoryFolder: findPlaces(env).memory,
    stderr: (chunk) => options.onServerStderr?.(chunk),
    signal,
  }
}

/** As servers are told it, where the caller does not say who asks. */
function ourselves(): InProcessSettings["clientInfo"] {
  const { name, version } = createRequire(import.meta.url)("postern/package.json") as { name: string; version: string } // our own file
  return { name, version }
}
