/** The bridge for code: what `postern run NAME` does, with this process for its default surroundings. */
import { createRequire } from "node:module"
import type { Readable, Writable } from "node:stream"
import { openTools } from "../auth/open-tools.ts"
import type { AuthTools } from "../auth/tools.ts"
import { findServer } from "../config/find.ts"
import { type LoadOptions, loadServers } from "../config/load-servers.ts"
import type { Server } from "../config/server.ts"
import type { Diagnosis } from "../core/diagnosis.ts"
import { isObject } from "../core/json.ts"
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
  /** Ends the bridge: what is on its way has a second and a half left. */
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
 * @throws {TypeError} names the argument that is of another kind than its type
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
 * @throws {TypeError} names the argument that is of another kind than its type
 */
export async function pipeBridge(
  server: string | Server,
  { input, output }: ClientStreams,
  options: BridgeOptions = {},
): Promise<Diagnosis | undefined> {
  if (!isStream(input) || !isStream(output)) throw new TypeError("input, output: not the streams of a client")
  const settings = settingsFor(server, options)
  const client = stdioClient({ input, output, maxFrameBytes: MAX_FRAME_BYTES })
  return runBridge({ ...settings, client, onRefused: () => undefined }) // it is returned
}

function settingsFor(server: string | Server, options: BridgeOptions): Omit<BridgeSettings, "client" | "onRefused"> {
  checkKinds(server, options)
  const { env = process.env, log = silentLog, signal = new AbortController().signal } = options
  const name = typeof server === "string" ? server : server.name
  return {
    name,
    findServer: async () => findServer(typeof server === "string" ? await loadServers(options) : { servers: [server], invalid: [] }, name),
    tools: options.tools ?? openTools({ env, signal }),
    log,
    memoryFolder: findPlaces(env).memory,
    stderr: (chunk) => void options.onServerStderr?.(chunk), // what a function gives back that is to give nothing is no promise
    signal,
  }
}

const isText = (value: unknown): boolean => typeof value === "string"
const isFunction = (value: unknown): boolean => typeof value === "function"
const has =
  (...members: readonly string[]) =>
  (value: unknown): boolean =>
    isObject(value) && members.every((member) => value[member] !== undefined)
const isStream = has("on", "pipe")

const KINDS: Readonly<Record<keyof OpenBridgeOptions, (value: unknown) => boolean>> = {
  cwd: isText,
  env: isObject,
  configFile: isText,
  tools: has("vault", "env", "redactor", "clock"),
  log: has("error", "info", "debug"),
  onServerStderr: isFunction,
  signal: has("addEventListener", "throwIfAborted"),
  clientInfo: has("name", "version"),
  capabilities: isObject,
  onNotification: isFunction,
  onRequest: isFunction,
}

/** Whoever writes JavaScript may give anything; what is wrong is said before it looks like a fault of the bridge. */
function checkKinds(server: unknown, options: OpenBridgeOptions): void {
  if (!isText(server) && !has("name", "transport", "file")(server)) {
    throw new TypeError("a bridge is opened by the name of a server, or by an entry of loadServers()")
  }
  if (!isObject(options)) throw new TypeError("options: not an object")
  for (const [name, fits] of Object.entries(KINDS)) {
    const value = options[name]
    if (value !== undefined && !fits(value)) throw new TypeError(`${name}: not of its kind`)
  }
}

/** As servers are told it, where the caller does not say who asks. */
function ourselves(): InProcessSettings["clientInfo"] {
  const { name, version } = createRequire(import.meta.url)("postern/package.json") as { name: string; version: string } // our own file
  return { name, version }
}
