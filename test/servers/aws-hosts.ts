/**
 * AWS's own host names on loopback, for clients that cannot be told another endpoint (older AWS CLIs): a proxy that leads every
 * CONNECT to one TLS server, whose certificate bears the names. Nothing leaves the machine.
 */
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import http from "node:http"
import https from "node:https"
import net, { type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

export interface AwsHosts extends AsyncDisposable {
  /** For the environment of a client. */
  readonly env: NodeJS.ProcessEnv
  /** Hosts that were asked for. */
  readonly hosts: Set<string>
}

/** @param names - of the certificate, wildcards allowed */
export async function startAwsHosts(names: readonly string[], listener: http.RequestListener): Promise<AwsHosts> {
  const folder = await mkdtemp(join(tmpdir(), "postern-aws-hosts-"))
  const subject = names.map((name) => `DNS:${name}`).join(",")
  const request = [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    "key.pem",
    "-out",
    "cert.pem",
    "-days",
    "1",
    "-subj",
    "/CN=aws",
  ]
  await promisify(execFile)("openssl", [...request, "-addext", `subjectAltName=${subject}`], { cwd: folder })
  const [key, cert] = await Promise.all(["key.pem", "cert.pem"].map((name) => readFile(join(folder, name))))
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
      AWS_CA_BUNDLE: join(folder, "cert.pem"),
      NODE_EXTRA_CA_CERTS: join(folder, "cert.pem"),
    },
    async [Symbol.asyncDispose]() {
      for (const server of [proxy, secure]) {
        server.closeAllConnections()
        server.close()
      }
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

function listen(server: net.Server): Promise<number> {
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done((server.address() as AddressInfo).port))) // it listens on a port
}
