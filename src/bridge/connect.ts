/** A bridge whose client is this process: what `tools`, `call`, `list --check` and the library speak through. */
import { type BridgeSettings, runBridge } from "./bridge.ts"
import { type InProcessSettings, inProcessClient } from "./client/in-process.ts"

/** A bridge, and the client in this process that speaks through it. */
export interface ConnectSettings extends Omit<BridgeSettings, "client" | "onRefused">, InProcessSettings {}

/** What a server said of itself when the session was opened. Members that the specification adds are there too. */
export interface Welcome {
  readonly protocolVersion?: string
  readonly capabilities?: Readonly<Record<string, unknown>>
  readonly serverInfo?: { readonly name?: string; readonly version?: string }
  readonly instructions?: string
  readonly [member: string]: unknown
}

/** An open session with a server. `await using` closes it. */
export interface OpenBridge extends AsyncDisposable {
  readonly welcome: Welcome
  /**
   * Asks the server.
   *
   * @param params - the parameters of the method, for example `{ name: "forecast", arguments: { city: "Hanoi" } }`
   * @param signal - gives up; the server is told that the answer is not wanted any more
   * @returns the result, parsed; integers beyond 2^53 are rounded, as JavaScript does
   * @throws {PosternError} what is wrong between here and the server, or `server-error` with the server's own words
   */
  request(method: string, params?: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<unknown>
  /**
   * As `request`, with parameters and result as JSON texts, which go as they are written: no number of theirs is rounded.
   *
   * @param params - the parameters of the method, as an object of JSON
   */
  requestText(method: string, params: string, signal?: AbortSignal): Promise<string>
  /** Tells the server something that has no answer. */
  notify(method: string, params?: Readonly<Record<string, unknown>>): Promise<void>
  /** Ends the session at the server, or the local server's process. What is still pending is waited for. */
  close(): Promise<void>
}

/**
 * Opens a session with a server through a bridge.
 *
 * @throws {PosternError} why the session could not be opened; nothing is left open then
 */
export async function connect(settings: ConnectSettings): Promise<OpenBridge> {
  const { signal } = settings
  const client = inProcessClient(settings, settings.tools.redactor.clean)
  const ended = runBridge({ ...settings, client: client.side, onRefused: () => undefined }) // the first request is answered with it
  const close = async (): Promise<void> => {
    client.end()
    await ended
  }
  try {
    const welcome = readWelcome(await client.initialize(signal))
    return {
      welcome,
      request: (method, params = {}, own = signal) => client.request(method, params, own),
      requestText: (method, params, own = signal) => client.requestText(method, params, own),
      notify: client.notify,
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** A server may say anything: what is not of the kind that it should be is left out. */
function readWelcome(result: unknown): Welcome {
  if (typeof result !== "object" || result === null) return {}
  const isObject = (value: unknown): boolean => typeof value === "object" && value !== null
  const isText = (value: unknown): boolean => typeof value === "string"
  const kinds: Readonly<Record<string, (value: unknown) => boolean>> = {
    protocolVersion: isText,
    capabilities: isObject,
    serverInfo: isObject,
    instructions: isText,
  }
  return Object.fromEntries(Object.entries(result).filter(([name, value]) => kinds[name]?.(value) ?? true))
}
