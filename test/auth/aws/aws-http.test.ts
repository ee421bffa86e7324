/** The way out of a server's entry (proxy, authority, client certificate) holds for what AWS is asked on its behalf. */
import net, { type AddressInfo } from "node:net"
import tls from "node:tls"
import { expect, test } from "vitest"
import { openAccess } from "../../../src/auth/aws/access.ts"
import { openAwsHttp } from "../../../src/auth/aws/aws-http.ts"
import { whoami } from "../../../src/auth/aws/whoami.ts"
import type { HttpServer } from "../../../src/config/server.ts"
import { systemClock } from "../../../src/core/clock.ts"
import { createRedactor } from "../../../src/core/redact.ts"
import { type Authority, makeAuthority } from "../../servers/authority.ts"
import { addUser, toVariables } from "../../servers/aws/keys.ts"
import { startProxy } from "../../servers/proxy.ts"
import { type AwsStage, makeStage } from "./stage.ts"

const signal = new AbortController().signal

/** TLS before a double, for `sts.example`; it wants a certificate of whoever comes. */
async function startTlsFront(
  authority: Authority,
  to: string,
): Promise<AsyncDisposable & { readonly port: number; readonly guests: string[] }> {
  const { key, cert } = await authority.issue("sts.example")
  const guests: string[] = []
  const sockets = new Set<net.Socket>()
  const front = tls.createServer({ key, cert, ca: authority.ca, requestCert: true }, (socket) => {
    const onward = net.connect(Number(new URL(to).port), "127.0.0.1")
    for (const one of [socket, onward]) sockets.add(one.on("error", () => undefined))
    guests.push(String(socket.getPeerCertificate().subject.CN))
    socket.pipe(onward).pipe(socket)
  })
  front.on("tlsClientError", () => undefined)
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve))
  return {
    port: (front.address() as AddressInfo).port,
    guests,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => front.close(resolve))
    },
  }
}

/** Each way on which AWS is asked for a server whose account is pinned. */
const ways: readonly { readonly name: string; readonly ask: (stage: AwsStage, server: HttpServer) => Promise<unknown> }[] = [
  { name: "before a request is signed", ask: (stage, server) => stage.call(stage.authenticator(server)) },
  {
    name: "by a command",
    async ask({ folder, env }, server) {
      const tools = { vault: folder.open(), env, redactor: createRedactor(), clock: systemClock }
      await using access = await openAccess(server, {}, tools)
      await whoami(access, signal)
    },
  },
]

test.each(ways)("STS is asked through the proxy, and with the entry's authority and certificate, $name", async ({ ask }) => {
  await using stage = await makeStage()
  await using authority = await makeAuthority()
  await using front = await startTlsFront(authority, stage.sts.url)
  await using proxy = await startProxy()
  const { certFile, keyFile } = await authority.issue("anna.example")
  Object.assign(stage.env, toVariables(addUser(stage.holders, "anna")), {
    AWS_ENDPOINT_URL_STS: `https://sts.example:${front.port}`,
    HTTPS_PROXY: proxy.url,
  })
  const bare = stage.server({ pin: { account: "123456789012" } })

  await ask(stage, { ...bare, tls: { ca: authority.caFile, cert: certFile, key: keyFile } })
  const seen = stage.sts.callsOf("GetCallerIdentity").length
  const stranger = ask(stage, bare)

  await expect(stranger).rejects.toThrow()
  expect(seen).toBe(1)
  expect(stage.sts.callsOf("GetCallerIdentity")).toHaveLength(1)
  expect(front.guests).toEqual(["anna.example"])
  expect(proxy.seen.map(({ method, target }) => [method, target])).toEqual([
    ["CONNECT", `sts.example:${front.port}`],
    ["CONNECT", `sts.example:${front.port}`],
  ])
})

test("AWS may stand at a private address or on this machine, and never where credentials are handed out", async () => {
  await using stage = await makeStage()
  const http = openAwsHttp(undefined, {})
  const ask = (url: string) => http.send({ method: "GET", url: new URL(url), headers: {} }, signal)

  const near = await ask(stage.sts.url)
  near.discard()

  await expect(ask("http://169.254.169.254/latest/meta-data/")).rejects.toMatchObject({ diagnosis: { code: "address-refused" } })
  http.close()
})
