/**
 * AWS's own host names on loopback, for clients that cannot be told another endpoint (older AWS CLIs): a proxy that leads every
 * CONNECT to one TLS server, whose certificate bears the names. Nothing leaves the machine.
 */
import http from "node:http"
import https from "node:https"
import net, { type AddressInfo } from "node:net"
import { makeAuthority } from "./authority.ts"

export interface AwsHosts extends AsyncDisposable {
  /** For the environment of a client. */
  readonly env: NodeJS.ProcessEnv
  /** Hosts that were asked for. */
  readonly hosts: Set<string>
}

/** @param names - of the certificate, wildcards allowed */
export async function startAwsHosts(names: readonly string[], listener: http.RequestListener): Promise<AwsHosts> {
  const authority = await makeAuthority()
  const { key, cert } = await authority.issue(...names)
  const hosts = new Set<string>()
  const secure = https.createServer({ key, cert }, listener)
  const securePort = await listen(secure)
  const proxy = http.createServer((_, response) => response.writeHead(405).end())
  proxy.on("connect", (incoming, client: net.Socket) => {
    hosts.add(incoming.url?.replace(/:443$/, "") ?? "")
    const inner = net.connect(securePort, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n")
      inner.pipe(client).pipe(inner)
    })
    for (const socket of [inner, client]) socket.on("error", () => socket.destroy())
  })
  const proxyPort = await listen(proxy)
  return {
    hosts,
    env: {
      HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`,
      AWS_CA_BUNDLE: authority.caFile,
      NODE_EXTRA_CA_CERTS: authority.caFile,
    },
    async [Symbol.asyncDispose]() {
      for (const server of [proxy, secure]) {
        server.closeAllConnections()
        server.close()
      }
      await authority[Symbol.asyncDispose]()
    },
  }
}

function listen(server: net.Server): Promise<number> {
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done((server.address() as AddressInfo).port))) // it listens on a port
}
