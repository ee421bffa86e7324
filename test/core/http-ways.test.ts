/** What has to hold on every way that leaves Postern, whatever is sent on it (S90). */
import type { LookupFunction } from "node:net"
import { describe, expect, test } from "vitest"
import { makeAuthority } from "../servers/authority.ts"
import { startMcpServer } from "../servers/mcp-server.ts"
import { startProxy } from "../servers/proxy.ts"
import { openLayer, ways } from "../harness/ways.ts"

const portOf = (url: string): string => new URL(url).port
const withUser = (url: string): string => url.replace("://", "://person:p%40ss-word-17@")

describe.each(ways)("$name", ({ send }) => {
  test("reaches an https server through the tunnel of a proxy, whose credentials the server does not see", async () => {
    await using authority = await makeAuthority()
    await using server = await startMcpServer({ tls: await authority.issue("mcp.example") })
    await using proxy = await startProxy({ credentials: "person:p@ss-word-17" })
    using http = openLayer({ env: { HTTPS_PROXY: withUser(proxy.url) }, tls: { caFile: authority.caFile } })

    await send(http, new URL(`https://mcp.example:${portOf(server.url)}/mcp`))

    expect(proxy.seen).toMatchObject([{ method: "CONNECT", target: `mcp.example:${portOf(server.url)}` }])
    expect(server.seen.map(({ headers }) => headers)).toMatchObject([{ host: `mcp.example:${portOf(server.url)}` }])
    expect(JSON.stringify(server.seen)).not.toMatch(/proxy/i)
  })

  test("reaches an http server through a proxy that gets the whole address, and the credentials for itself", async () => {
    await using server = await startMcpServer()
    await using proxy = await startProxy({ credentials: "person:p@ss-word-17" })
    using http = openLayer({ env: { http_proxy: withUser(proxy.url) } })

    await send(http, new URL(`http://mcp.example:${portOf(server.url)}/mcp?x=1`))

    expect(proxy.seen.map(({ target }) => target)).toEqual([`http://mcp.example:${portOf(server.url)}/mcp?x=1`])
    expect(server.seen).toMatchObject([{ path: "/mcp?x=1", headers: { host: `mcp.example:${portOf(server.url)}` } }])
    expect(JSON.stringify(server.seen)).not.toMatch(/proxy-authorization/i)
  })

  test.each(["http", "https"])("is told that the proxy wants credentials, or others, before an %s server sees anything", async (scheme) => {
    await using authority = await makeAuthority()
    await using server = await startMcpServer(scheme === "https" ? { tls: await authority.issue("mcp.example") } : {})
    await using proxy = await startProxy({ credentials: "person:another" })
    const url = new URL(`${scheme}://mcp.example:${portOf(server.url)}/mcp`)

    for (const address of [proxy.url, withUser(proxy.url)]) {
      using http = openLayer({ env: { HTTPS_PROXY: address, HTTP_PROXY: address } })
      const failure: unknown = await send(http, url).catch((error: unknown) => error)
      expect(failure).toMatchObject({ diagnosis: { code: "proxy-refused", cause: expect.stringContaining(proxy.url) as string } })
      expect(JSON.stringify(failure)).not.toMatch(/p%40ss|p@ss|cGVyc29u/)
    }
    expect(proxy.seen).toHaveLength(2) // the trap was reached
    expect(server.seen).toEqual([])
  })

  test("tells a proxy that is not there by its name, and not as a server that is down", async () => {
    await using proxy = await startProxy()
    await proxy[Symbol.asyncDispose]()

    for (const url of ["https://mcp.example/mcp", "http://mcp.example/mcp"]) {
      using http = openLayer({ env: { HTTPS_PROXY: withUser(proxy.url), HTTP_PROXY: withUser(proxy.url) } })
      const failure: unknown = await send(http, new URL(url)).catch((error: unknown) => error)
      expect(failure).toMatchObject({ diagnosis: { code: "proxy-unreachable", cause: expect.stringContaining(proxy.url) as string } })
      expect(JSON.stringify(failure)).not.toContain("p%40ss")
    }
  })

  test("accepts the certificates of a company's authority where its file is named, and not without it", async () => {
    await using authority = await makeAuthority()
    await using server = await startMcpServer({ tls: await authority.issue("127.0.0.1") })
    using stranger = openLayer()
    using http = openLayer({ tls: { caFile: authority.caFile } })

    await expect(send(stranger, new URL(server.url))).rejects.toMatchObject({ diagnosis: { code: "tls-refused" } })
    expect(server.seen).toEqual([])
    await send(http, new URL(server.url))
    expect(server.seen).toHaveLength(1)
  })

  test("shows the client's certificate where one is named, and is told of it where none is", async () => {
    await using authority = await makeAuthority()
    const certificate = await authority.issue("client-17")
    const tls = { ...(await authority.issue("127.0.0.1")), ca: authority.ca, requestCert: true, rejectUnauthorized: true }
    await using server = await startMcpServer({ tls })
    using bare = openLayer({ tls: { caFile: authority.caFile } })
    using http = openLayer({ tls: { caFile: authority.caFile, ...certificate } })

    await expect(send(bare, new URL(server.url))).rejects.toMatchObject({ diagnosis: { code: "client-certificate-refused" } })
    expect(server.seen).toEqual([])
    await send(http, new URL(server.url))
    expect(server.seen).toHaveLength(1)
  })

  test("does not go to a private address that a name of a public server resolves to", async () => {
    await using server = await startMcpServer()
    const asked: string[] = []
    const resolve: LookupFunction = (host, options, callback) => {
      asked.push(host)
      callback(null, options.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4)
    }
    const home = new URL("https://mcp.example/mcp")
    const url = new URL(`http://metadata.example:${portOf(server.url)}/mcp`)
    using http = openLayer({ resolve, addresses: { home, allowPrivate: false } })
    using allowed = openLayer({ resolve, addresses: { home, allowPrivate: true } })

    await expect(send(http, url)).rejects.toMatchObject({ diagnosis: { code: "address-refused", kind: "guard" } })
    expect(asked).toEqual(["metadata.example"]) // the trap was reached
    expect(server.seen).toEqual([])
    await send(allowed, url)
    expect(server.seen).toHaveLength(1)
  })
})
