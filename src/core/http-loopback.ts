/**
 * A listener on this machine's loopback addresses, for one way back from the browser: it takes GET on one path, and gives every visitor
 * a page. Whose visit counts is for whoever listens.
 */
import { createHash } from "node:crypto"
import http from "node:http"
import type { AddressInfo } from "node:net"

/** What a visitor gets. */
export interface LoopbackPage {
  readonly status: number
  readonly html: string
}

/** Where to listen, and what visitors get. */
export interface LoopbackSettings {
  /** `localhost` listens on both loopback addresses: which of them a browser takes is not known. Never anything but loopback. */
  readonly host: "127.0.0.1" | "localhost" | "[::1]"
  /** 0: a free one. */
  readonly port: number
  readonly path: string
  /** Gets the query of each visit of the path. A page that takes a while is waited for. */
  onVisit(parameters: URLSearchParams): LoopbackPage | Promise<LoopbackPage>
  /** The page for everything else. */
  readonly elsewhere: LoopbackPage
}

/** A bound listener. `await using` ends it. */
export interface Loopback extends AsyncDisposable {
  readonly port: number
}

/** Free ports that are tried where the same one is needed on both addresses. */
const MOST_TRIES = 8
/** What stands in the address is a credential: once it was used, nobody needs to see it. The page says the same without scripts. */
const CLEAN_ADDRESS = 'history.replaceState(null, "", location.pathname)'
/** A browser that was answered needs a moment to take the page, in milliseconds. */
const GOODBYE_MS = 500

/**
 * Binds a listener. A port that is taken is an error: nothing else may get what is meant for us.
 *
 * @throws the system's error, for example with the code `EADDRINUSE`
 */
export async function listenOnLoopback(settings: LoopbackSettings): Promise<Loopback> {
  const hosts = settings.host === "localhost" ? ["127.0.0.1", "::1"] : [settings.host.replace(/[[\]]/g, "")]
  for (let attempt = 1; ; attempt++) {
    const servers: http.Server[] = []
    try {
      let { port } = settings
      for (const [index, host] of hosts.entries()) {
        const server = serve(settings, () => port)
        servers.push(server)
        try {
          port = await bind(server, host, port)
        } catch (error) {
          // A machine without IPv6 has no second address; there, nobody can come by it either.
          if (index === 0 || (error as NodeJS.ErrnoException).code !== "EADDRNOTAVAIL") throw error
        }
      }
      return { port, [Symbol.asyncDispose]: () => closeAll(servers) }
    } catch (error) {
      await closeAll(servers)
      if (settings.port !== 0 || attempt === MOST_TRIES) throw error
    }
  }
}

function serve({ path, onVisit, elsewhere }: LoopbackSettings, portOf: () => number): http.Server {
  const server = http.createServer((request, response) => {
    const url = new URL(`http://loopback${request.url?.startsWith("/") ? request.url : "/"}`)
    // A web page cannot reach us under a name of its own (DNS rebinding), nor with another verb than a link has.
    if (!isOwnHost(request.headers.host, portOf()) || request.method !== "GET" || url.pathname !== path) return give(response, elsewhere)
    Promise.resolve(onVisit(url.searchParams)).then(
      (page) => give(response, page),
      () => give(response, { ...elsewhere, status: 500 }),
    )
  })
  server.headersTimeout = 10_000
  server.on("error", () => undefined) // a visit that cannot be taken, for want of descriptors for example: the next one may be
  return server
}

/** RFC 9110 section 7.2: the port that http has by itself may be left out, and browsers do so. */
function isOwnHost(host: string | undefined, port: number): boolean {
  const names = ["127.0.0.1", "localhost", "[::1]"]
  return names.some((name) => host === `${name}:${port}` || (port === 80 && host === name))
}

/** Nothing is loaded, framed, kept or told on, and no script runs but the one that is known by its hash. */
function give(response: http.ServerResponse, { status, html }: LoopbackPage): void {
  const script = `'sha256-${createHash("sha256").update(CLEAN_ADDRESS).digest("base64")}'`
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": `default-src 'none'; script-src ${script}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    connection: "close",
  })
  response.end(`${html}<script>${CLEAN_ADDRESS}</script>\n`)
}

function bind(server: http.Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", reject)
      resolve((server.address() as AddressInfo).port) // it listens on a port, not on a pipe
    })
  })
}

async function closeAll(servers: readonly http.Server[]): Promise<void> {
  await Promise.all(
    servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          if (!server.listening) return resolve()
          const timer = setTimeout(() => server.closeAllConnections(), GOODBYE_MS)
          server.close(() => {
            clearTimeout(timer)
            resolve()
          })
          server.closeIdleConnections()
        }),
    ),
  )
}
