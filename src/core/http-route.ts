/**
 * How the requests to one origin leave: straight or through a proxy, and with which certificates. Decided once for each origin;
 * what only a proxy or a certificate needs is loaded when the first request needs it.
 */
import http from "node:http"
import type { SecureContext } from "node:tls"
import { type AddressRule, addressRule, hostOf } from "./address-gate.ts"
import type { HttpSettings } from "./http.ts"
import { type HttpModule, createAgent } from "./http-agents.ts"

/** One origin's way out. */
export interface Route {
  readonly origin: string
  /** Where to connect to, and how: to the origin, or to a proxy that forwards. */
  readonly hostname: string
  readonly port: string
  readonly via: HttpModule
  readonly agent: http.Agent
  /** The proxy on the way, without its password. */
  readonly proxy?: string
  readonly forward?: Forward
}

/** What a proxy needs to forward a request itself: that of an `http` origin (RFC 9112 section 3.2.2). */
export interface Forward {
  /** As node:http takes a list. */
  readonly headers: readonly string[]
  /** @returns the failure that the proxy's own answer tells; undefined for one of the server */
  refusal(answer: http.IncomingMessage): Error | undefined
  /** @param error - of a connection that did not come to stand */
  unreachable(error: NodeJS.ErrnoException): Error
}

/** The ways out of one HTTP layer, found once for each origin. */
export interface Routes {
  /**
   * @returns a promise only while the route has to be found out
   * @throws {PosternError} `address-refused`, `proxy-invalid`
   */
  find(url: URL): Route | Promise<Route>
  /** Closes all connections. */
  close(): void
}

/** Makes what TLS needs, of files as they are now. @throws {PosternError} `certificate-unusable` */
export interface Certificates {
  /** With our own certificate, if there is one. */
  forServer(): Promise<SecureContext>
  /** A proxy sees which authorities we know, and never our certificate. */
  forProxy(): Promise<SecureContext>
}

/** Any of these makes us look for proxies; they may hold a password. */
export const PROXY_VARIABLES = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"]

/** @param settings - of the HTTP layer that the routes belong to */
export function createRoutes(settings: HttpSettings): Routes {
  const { env = {}, addresses, resolve } = settings
  const rule = addresses && addressRule(addresses, resolve)
  const certificates = settings.tls && readWhenNeeded(settings.tls, env)
  const direct = directRoutes(settings, rule, certificates)
  const known = new Map<string, Route>()
  /** Made once, also where several origins ask at once. */
  let proxies: Promise<{ find(url: URL): Route | undefined; close(): void }> | undefined

  const remember = (route: Route): Route => {
    known.set(route.origin, route)
    return route
  }

  const findOut = async (url: URL): Promise<Route> => {
    proxies ??= import("./http-proxy.ts").then(({ proxyRoutes }) => proxyRoutes(env, settings.connectMs, certificates))
    return remember((await proxies).find(url) ?? (await direct.find(url)))
  }

  return {
    find(url) {
      const route = known.get(url.origin)
      if (route) return route
      rule?.passHost(hostOf(url)) // a name is judged by the addresses that it resolves to
      if (PROXY_VARIABLES.some((name) => env[name])) return findOut(url)
      const straight = direct.find(url)
      return straight instanceof Promise ? straight.then(remember) : remember(straight)
    },
    close() {
      direct.close()
      void proxies?.then((through) => through.close())
    },
  }
}

function directRoutes(
  { connectMs, resolve }: HttpSettings,
  rule: AddressRule | undefined,
  certificates: Certificates | undefined,
): { find(url: URL): Route | Promise<Route>; close(): void } {
  const common = { connectMs, lookup: rule?.lookup ?? resolve }
  const plain = createAgent(http, common)
  let secured: Promise<Pick<Route, "via" | "agent">> | undefined

  const openSecured = async (): Promise<Pick<Route, "via" | "agent">> => {
    const { default: via } = await import("node:https")
    const agent = createAgent(via, {
      ...common,
      prepare: certificates && (async () => ({ secureContext: await certificates.forServer() })),
      onStanding: rule && ((host, socket) => rule.learnHome(host, socket.remoteAddress)),
    })
    return { via, agent }
  }

  return {
    find(url) {
      const to = { origin: url.origin, hostname: hostOf(url), port: url.port }
      if (url.protocol === "http:") return { ...to, via: http, agent: plain }
      return (secured ??= openSecured()).then((how) => ({ ...to, ...how }))
    },
    close() {
      plain.destroy()
      void secured?.then(({ agent }) => agent.destroy())
    },
  }
}

function readWhenNeeded(files: NonNullable<HttpSettings["tls"]>, env: NonNullable<HttpSettings["env"]>): Certificates {
  let certificates: Promise<Certificates> | undefined
  const load = (): Promise<Certificates> =>
    (certificates ??= import("./http-tls.ts").then(({ readCertificates }) => readCertificates(files, env)))
  return {
    forServer: async () => (await load()).forServer(),
    forProxy: async () => (await load()).forProxy(),
  }
}
