/**
 * A real HTTP proxy on loopback, as a company has one: tunnels (CONNECT) for https, forwarding for http, with or without credentials.
 * It resolves names itself: every name is a server on this machine, so what reaches it by name went through the proxy.
 */
import http from "node:http"
import https from "node:https"
import net, { type AddressInfo, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import type { TLSSocket } from "node:tls"

/** What a proxy was asked for. */
export interface ProxySeen {
  readonly method: string
  /** `HOST:PORT` of a tunnel, or the whole address of a request that is forwarded. */
  readonly target: string
  readonly headers: http.IncomingHttpHeaders
}

export interface Proxy extends AsyncDisposable {
  /** Without credentials. */
  readonly url: string
  readonly port: number
  readonly seen: ProxySeen[]
}

export interface ProxyOptions {
  /** `USER:PASSWORD` that it asks for. */
  readonly credentials?: string
  /** Repeats in its refusals what it was sent. */
  readonly echoes?: boolean
  /** Of the connection to the proxy itself. */
  readonly tls?: https.ServerOptions
  /** Hears of each TLS connection to it. */
  readonly onSecure?: (socket: TLSSocket) => void
  /** Answers a CONNECT in its own way: a refusal, or a lie. */
  readonly onConnect?: (socket: Duplex, seen: ProxySeen) => void
}

export async function startProxy({ credentials, echoes = false, tls, onSecure, onConnect }: ProxyOptions = {}): Promise<Proxy> {
  const seen: ProxySeen[] = []
  const sockets = new Set<Socket>()
  const server = tls ? https.createServer(tls) : http.createServer()

  const take = ({ method = "", url = "", headers }: http.IncomingMessage): ProxySeen => {
    const one = { method, target: url, headers }
    seen.push(one)
    return one
  }
  const isLetIn = ({ headers }: ProxySeen): boolean =>
    credentials === undefined || headers["proxy-authorization"] === `Basic ${Buffer.from(credentials).toString("base64")}`

  const realmFor = ({ headers }: ProxySeen): string => {
    const sent = headers["proxy-authorization"]?.replace("Basic ", "") ?? ""
    return echoes ? `${sent}, ${Buffer.from(sent, "base64").toString()}` : "company"
  }

  server.on("request", (request, response) => {
    const one = take(request)
    if (!isLetIn(one)) {
      response.writeHead(407, { "proxy-authenticate": `Basic realm="${realmFor(one)}"` }).end("who are you?")
      return
    }
    const { port, pathname, search } = new URL(one.target)
    const { "proxy-authorization": _, ...headers } = request.headers // it is for the proxy alone
    const onward = http.request({ host: "127.0.0.1", port, path: `${pathname}${search}`, method: one.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on("error", () => response.writeHead(502).end("no way there"))
    response.on("close", () => onward.destroy())
    request.pipe(onward)
  })

  server.on("connect", (request: http.IncomingMessage, socket: Duplex, head: Buffer) => {
    const one = take(request)
    socket.on("error", () => undefined)
    if (!isLetIn(one)) {
      const challenge = `Proxy-Authenticate: Basic realm="${realmFor(one)}"`
      socket.end(`HTTP/1.1 407 Proxy Authentication Required\r\n${challenge}\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    if (onConnect) return onConnect(socket, one)
    const onward = net.connect(Number(one.target.split(":").at(-1)), "127.0.0.1")
    onward.on("connect", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
      onward.write(head)
      onward.pipe(socket)
      socket.pipe(onward)
    })
    onward.on("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 12\r\n\r\nno way there"))
    socket.on("close", () => onward.destroy())
  })

  if (onSecure) server.on("secureConnection", onSecure)
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http${tls ? "s" : ""}://127.0.0.1:${port}`,
    port,
    seen,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
