/**
 * Proxies, as the environment names them: HTTPS_PROXY and HTTP_PROXY by the scheme of the origin, NO_PROXY for what goes straight.
 *
 * An `https` origin is reached through a tunnel (CONNECT), so that the proxy sees its name and nothing of what is said; for an `http`
 * origin the proxy gets the request itself. Credentials of the proxy go to the proxy only. A name is resolved by the proxy.
 */
import http from "node:http"
import https from "node:https"
import { isIP } from "node:net"
import type { Duplex } from "node:stream"
import type { SecureContext } from "node:tls"
import { hostOf, isLoopback } from "./address-gate.ts"
import { PosternError, defineDiagnosis } from "./diagnosis.ts"
import { type Destination, connectTimeout, createAgent } from "./http-agents.ts"
import { CONNECT_TIMEOUT, proxyUnreachable } from "./http-failures.ts"
import type { Certificates, Forward, Route } from "./http-route.ts"
import { goesStraight } from "./http-no-proxy.ts"
import type { Environment } from "./places.ts"
import { quote } from "./redact.ts"

/** Told when a request would take the proxy, so that a bad variable harms nobody who goes straight. */
export const proxyInvalid = defineDiagnosis({
  code: "proxy-invalid",
  about:
    "The variable HTTPS_PROXY or HTTP_PROXY (or its spelling in lower case) holds no address of a proxy that Postern can use: `http://HOST:PORT` or `https://HOST:PORT`, with a user name and a password where the proxy asks for them. SOCKS proxies and scripts (PAC) are not known. The value is not shown, since it may hold a password.",
  tell: ({ variable, problem }: { variable: string; problem: string }) => ({
    cause: `The variable ${variable} names no proxy that can be used: ${problem}.`,
    evidence: ["nothing was sent"],
    next: `set ${variable} to http://HOST:PORT where the client is started, or name the server's host in NO_PROXY`,
  }),
})

/** Any answer to CONNECT that is no 2xx (RFC 9110 section 9.3.6), or 407 to a forwarded request; `target` is what lies behind. */
export const proxyRefused = defineDiagnosis({
  code: "proxy-refused",
  about:
    "The proxy did not let the request through: it wants credentials (407), does not allow this host (403), or cannot reach it (502, 503, 504). The server has seen nothing. Postern gives a proxy the user name and the password that stand in its address (Basic); for Negotiate and NTLM a local proxy such as cntlm or px stands in between.",
  tell: (seen: ProxyRefusal) => ({
    cause: `The proxy ${seen.proxy} did not let the request to ${seen.target} through (${seen.what}).`,
    evidence: [
      `the proxy is named by ${seen.variable}, ${seen.authenticated ? "with" : "without"} a user name in it`,
      ...(seen.challenge === undefined ? [] : [`it asks for: ${quote(seen.challenge)}`]),
      "the server has seen nothing",
    ],
    next: seen.next,
  }),
})

interface ProxyRefusal {
  readonly proxy: string
  readonly variable: string
  readonly target: string
  readonly what: string
  readonly authenticated: boolean
  readonly challenge?: string | undefined
  readonly next: string
}

/** A proxy as it is used. */
interface Proxy {
  /** Its address without user name and password: fit to be shown. */
  readonly name: string
  /** Where it was named. */
  readonly variable: string
  readonly hostname: string
  readonly port: string
  readonly overTls: boolean
  /** Its credentials, as node:http takes a list of headers. */
  readonly headers: readonly string[]
}

/**
 * @param connectMs - longest time to open a connection, in milliseconds
 * @returns the routes through proxies; undefined for an origin that is reached straight
 */
export function proxyRoutes(
  env: Environment,
  connectMs: number,
  certificates: Certificates | undefined,
): { find(url: URL): Route | undefined; close(): void } {
  const opened = new Map<string, http.Agent>()
  const opening = new Set<http.ClientRequest>()

  const agentFor = (proxy: Proxy, kind: "tunnel" | "forward"): http.Agent => {
    const key = `${kind} ${proxy.variable}`
    const agent = opened.get(key) ?? (kind === "tunnel" ? tunnelAgent(proxy) : forwardAgent(proxy))
    opened.set(key, agent)
    return agent
  }

  const tunnelAgent = (proxy: Proxy): http.Agent =>
    createAgent(https, {
      connectMs,
      async prepare(to, signal) {
        const [forProxy, forServer] = await Promise.all([proxy.overTls ? certificates?.forProxy() : undefined, certificates?.forServer()])
        const socket = await openTunnel({ proxy, to, secureContext: forProxy, connectMs, opening }, signal)
        return { socket, ...(forServer && { secureContext: forServer }) }
      },
    })

  const forwardAgent = ({ overTls, hostname }: Proxy): http.Agent =>
    createAgent(overTls ? https : http, {
      connectMs,
      servername: isIP(hostname) === 0 ? hostname : "", // otherwise node:http takes the host header, which is the server's
      prepare: overTls && certificates ? async () => ({ secureContext: await certificates.forProxy() }) : undefined,
    })

  return {
    find(url) {
      const proxy = chooseProxy(url, env)
      if (!proxy) return undefined
      const { origin } = url
      if (url.protocol === "http:") {
        const { hostname, port, overTls, name } = proxy
        const via = overTls ? https : http
        return { origin, hostname, port, via, agent: agentFor(proxy, "forward"), proxy: name, forward: forwardThrough(proxy, origin) }
      }
      const agent = agentFor(proxy, "tunnel")
      return { origin, hostname: hostOf(url), port: url.port, via: https, agent, proxy: proxy.name }
    },
    close() {
      for (const request of opening) request.destroy()
      for (const agent of opened.values()) agent.destroy()
    },
  }
}

/**
 * The spelling in lower case wins, as with curl; unlike with curl, an upper-case HTTP_PROXY counts too, and a proxy is never asked
 * for this machine's own addresses: its loopback is another one, and what is meant for this machine would go to a stranger.
 */
function chooseProxy(url: URL, env: Environment): Proxy | undefined {
  const name = url.protocol === "https:" ? "https_proxy" : "http_proxy"
  const variable = [name, name.toUpperCase()].find((one) => env[one])
  const value = variable === undefined ? undefined : env[variable]
  if (variable === undefined || !value || isLoopback(hostOf(url)) || goesStraight(url, env["no_proxy"] || env["NO_PROXY"] || ""))
    return undefined
  return readProxy(value.trim(), variable)
}

function readProxy(value: string, variable: string): Proxy {
  const refuse = (problem: string): never => {
    throw new PosternError(proxyInvalid({ variable, problem }))
  }
  const text = /^[a-z][a-z\d+.-]*:\/\//i.test(value) ? value : `http://${value}` // as curl takes it
  if (!URL.canParse(text)) return refuse("it is not an address")
  const url = new URL(text)
  const { protocol, host, username, password } = url
  if (protocol !== "http:" && protocol !== "https:") return refuse(`it begins with ${protocol} instead of http: or https:`)
  const credentials = Buffer.from(`${unescaped(username)}:${unescaped(password)}`).toString("base64")
  return {
    name: `${protocol}//${host}`,
    variable,
    hostname: hostOf(url),
    port: url.port || (protocol === "https:" ? "443" : "80"),
    overTls: protocol === "https:",
    headers: username === "" && password === "" ? [] : ["proxy-authorization", `Basic ${credentials}`],
  }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a percent sign that escapes nothing is one
  }
}

interface Tunnel {
  readonly proxy: Proxy
  readonly to: Destination
  readonly secureContext: SecureContext | undefined
  readonly connectMs: number
  /** Requests that are not answered yet, so that they can be ended. */
  readonly opening: Set<http.ClientRequest>
}

function openTunnel({ proxy, to, secureContext, connectMs, opening }: Tunnel, signal: AbortSignal): Promise<Duplex> {
  const { hostname, port, overTls } = proxy
  const target = `${isIP(to.host) === 6 ? `[${to.host}]` : to.host}:${to.port || "443"}`
  const request = (overTls ? https : http).request({
    method: "CONNECT",
    hostname,
    port,
    path: target,
    headers: ["host", target, "connection", "keep-alive", ...proxy.headers],
    agent: false,
    signal,
    servername: isIP(hostname) === 0 ? hostname : "", // the host header is the server's
    ...(secureContext && { secureContext }),
  } as https.RequestOptions)
  opening.add(request)
  return new Promise((resolve, reject) => {
    request.on("connect", (answer, socket, head) => {
      // TLS begins with us: what is in the tunnel already comes from the proxy.
      const refusal = refusalOf(proxy, target, answer) ?? (head.length > 0 ? refused(proxy, target, "it sent bytes of its own") : undefined)
      if (!refusal) return resolve(socket.setKeepAlive(true, 1000))
      socket.destroy()
      reject(refusal)
    })
    request.on("error", (error) => reject(unreachable(proxy, signal.aborted ? connectTimeout(connectMs) : error)))
    request.on("close", () => {
      opening.delete(request)
      reject(unreachable(proxy, new Error("closed without an answer")))
    })
    request.end()
  })
}

function forwardThrough(proxy: Proxy, origin: string): Forward {
  return {
    headers: proxy.headers,
    // Any other answer may be the server's own.
    refusal: (answer) => (answer.statusCode === 407 ? refusalOf(proxy, origin, answer) : undefined),
    unreachable: (error) => unreachable(proxy, error),
  }
}

/** @returns undefined for a success: any 2xx opens the tunnel (RFC 9110 section 9.3.6) */
function refusalOf(proxy: Proxy, target: string, { statusCode = 0, headers }: http.IncomingMessage): PosternError | undefined {
  if (statusCode >= 200 && statusCode < 300) return undefined
  return refused(
    proxy,
    target,
    `HTTP ${statusCode}`,
    statusCode === 407 ? (headers["proxy-authenticate"] ?? "nothing that it names") : undefined,
  )
}

function refused({ name, variable, headers }: Proxy, target: string, what: string, challenge?: string): PosternError {
  const authenticated = headers.length > 0
  const next =
    challenge === undefined
      ? `ask whoever runs the proxy to let ${target} through, or name the host in NO_PROXY if it is reached straight`
      : `${authenticated ? "correct the" : "put the"} user name and the password ${authenticated ? "in" : "into"} ${variable}: http://USER:PASSWORD@HOST:PORT`
  return new PosternError(proxyRefused({ proxy: name, variable, target, what, authenticated, challenge, next }))
}

function unreachable({ name, variable }: Proxy, error: NodeJS.ErrnoException): PosternError {
  const { code = CONNECT_TIMEOUT, message } = error
  return new PosternError(proxyUnreachable({ proxy: name, variable, code, detail: message }), { cause: error })
}
