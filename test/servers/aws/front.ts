/**
 * The hosts of AWS by their real names: one TLS front on loopback with a certificate for them, and behind it, by name, the doubles. A
 * program under test is led there by `hosts.cjs`, and knows the certificate by NODE_EXTRA_CA_CERTS.
 */
import net, { type AddressInfo, type Socket } from "node:net"
import tls from "node:tls"
import { fileURLToPath } from "node:url"
import { makeAuthority } from "../authority.ts"

const HOSTS = fileURLToPath(new URL("hosts.cjs", import.meta.url))

export interface AwsFront extends AsyncDisposable {
  /** What leads a program to the front. */
  readonly env: Readonly<Record<string, string>>
  /** Names that were asked for, one for each connection. */
  readonly asked: string[]
}

/** @param doubles - by host name, the address of the double that answers for it, over plain http */
export async function startAwsFront(doubles: Readonly<Record<string, string>>): Promise<AwsFront> {
  const authority = await makeAuthority()
  const { key, cert } = await authority.issue(...Object.keys(doubles))

  const asked: string[] = []
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket))
  }
  const front = tls.createServer({ key, cert }, (socket) => {
    const name = socket.servername || ""
    asked.push(name)
    keep(socket)
    const { port } = new URL(doubles[name] ?? "http://127.0.0.1:9")
    const onward = net.connect(Number(port), "127.0.0.1")
    keep(onward)
    socket.pipe(onward).pipe(socket)
    socket.on("close", () => onward.destroy())
    onward.on("close", () => socket.destroy())
  })
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve))
  const { port } = front.address() as AddressInfo
  return {
    env: { NODE_OPTIONS: `--require ${HOSTS}`, NODE_EXTRA_CA_CERTS: authority.caFile, TEST_AWS_PORT: String(port) },
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => front.close(() => resolve()))
      await authority[Symbol.asyncDispose]()
    },
  }
}
