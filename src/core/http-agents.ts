/** Agents of node:http: they keep connections open, bound the time that opening one takes, and prepare it where that takes a step more. */
import http from "node:http"
import type https from "node:https"
import type { LookupFunction, Socket } from "node:net"
import type { SecureContext } from "node:tls"
import type { Duplex } from "node:stream"
import { monotonicMs } from "./clock.ts"
import { CONNECT_TIMEOUT } from "./http-failures.ts"

/** Where a connection is to lead. */
export interface Destination {
  readonly host: string
  readonly port: string
}

/** What a connection is made of beside the agent's own options. */
interface Prepared {
  /** A way that stands already: a tunnel. */
  readonly socket?: Duplex
  readonly secureContext?: SecureContext
}

/** `node:http`, or `node:https`, which is loaded where it is needed: TLS costs a start a tenth of all that it takes. */
export type HttpModule = typeof http | typeof https

/** What holds for each connection of an agent. */
export interface AgentSettings {
  /** Longest time to open a connection, preparation and TLS included, in milliseconds. */
  readonly connectMs: number
  readonly lookup?: LookupFunction | undefined
  /** The name that the certificate has to be for, where it is not the host of the request. */
  readonly servername?: string
  /** Done before each connection. */
  readonly prepare?: ((to: Destination, signal: AbortSignal) => Promise<Prepared>) | undefined
  /** Hears that a connection stands. */
  readonly onStanding?: ((host: string, socket: Socket) => void) | undefined
}

/** Makes an agent that keeps connections open between requests. Of those that are free it takes the last used: that one still lives. */
export function createAgent(via: HttpModule, { lookup, servername, ...settings }: AgentSettings): http.Agent {
  const options = {
    keepAlive: true,
    scheduling: "lifo" as const,
    // A TLS session that is resumed shows the certificate that it began with, and ours may have been renewed.
    ...(settings.prepare && { maxCachedSessions: 0 }),
    ...(lookup && { lookup }),
    ...(servername !== undefined && { servername }),
  }
  const agent = new via.Agent(options)
  const standing = via === http ? "connect" : "secureConnect"
  const connect = agent.createConnection.bind(agent)

  agent.createConnection = (to, callback) => {
    const untilMs = monotonicMs() + settings.connectMs
    const open = (prepared?: Prepared): Socket => {
      const socket = connect({ ...to, ...prepared }) as Socket // the two agents make sockets
      limit(socket, standing, { connectMs: settings.connectMs, restMs: untilMs - monotonicMs() })
      if (settings.onStanding) socket.once(standing, () => settings.onStanding?.(to.host ?? "", socket))
      return socket
    }
    const { prepare } = settings
    if (!prepare) return open()
    const openPrepared = async (): Promise<void> => {
      try {
        const destination = { host: to.host ?? "", port: String(to.port ?? "") }
        callback?.(null, open(await prepare(destination, AbortSignal.timeout(settings.connectMs))))
      } catch (error) {
        callback?.(error as Error, undefined as never) // beside an error, node:http looks at nothing
      }
    }
    void openPrepared()
    return undefined
  }
  return agent
}

/** Ends a connection that does not come to stand in time. Asked here, so that it costs nothing where one is used again. */
function limit(
  socket: Socket,
  standing: "connect" | "secureConnect",
  { connectMs, restMs }: { readonly connectMs: number; readonly restMs: number },
): void {
  const tooLate = (): void => void socket.destroy(connectTimeout(connectMs))
  const timer = setTimeout(tooLate, restMs)
  for (const event of [standing, "close"]) socket.once(event, () => clearTimeout(timer))
}

/** An error as those of the system are: no connection came to stand. */
export function connectTimeout(connectMs: number): Error {
  return Object.assign(new Error(`no connection within ${connectMs / 1000} s`), { code: CONNECT_TIMEOUT })
}
