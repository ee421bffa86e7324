/**
 * The ways on which something leaves Postern. Proxies, certificates, limits and address rules have to hold on each (S90), so tests of
 * these run over all: `describe.each(ways)`. A new way is one more line.
 */
import { sdkHttp } from "../../src/auth/aws/sdk-http.ts"
import { findIssuerMetadata } from "../../src/auth/oauth/issuer-metadata.ts"
import { exchangeRefreshToken } from "../../src/auth/oauth/refresh.ts"
import { register } from "../../src/auth/oauth/registration.ts"
import { readFrames } from "../../src/bridge/frame.ts"
import { streamableHttpLink } from "../../src/bridge/server/streamable-http.ts"
import type { AddressPolicy } from "../../src/core/address-gate.ts"
import { systemClock } from "../../src/core/clock.ts"
import { PosternError } from "../../src/core/diagnosis.ts"
import { type Http, type HttpSettings, createHttp } from "../../src/core/http.ts"
import { fetchDocument } from "../../src/core/http-document.ts"
import { silentLog } from "../../src/core/log.ts"
import { withoutProof } from "./without-proof.ts"

export interface Way {
  readonly name: string
  /**
   * Sends what this way sends, to a server of `startMcpServer`.
   *
   * @throws what the way throws when nothing came back
   */
  send(http: Http, url: URL): Promise<void>
}

const signal = (): AbortSignal => new AbortController().signal

const message: Way = {
  name: "a message",
  async send(http, url) {
    const door = { http, authenticator: withoutProof, clock: systemClock }
    const link = streamableHttpLink({ name: "test", url, door, receive: () => undefined, log: silentLog, maxFrameBytes: 1024 * 1024 })
    const text = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25" } }
    for (const frame of readFrames(Buffer.from(JSON.stringify(text)))) await link.exchange(frame, () => undefined, signal())
  },
}

const document: Way = {
  name: "a document",
  send: async (http, url) => void (await fetchDocument(http, { method: "GET", url, headers: { accept: "application/json" } }, signal())),
}

/** The server of these tests knows nothing of OAuth: that something came back is what counts, and not what it was. */
async function whateverSaid(asking: Promise<unknown>): Promise<void> {
  await asking.catch((error: unknown) => {
    if (!(error instanceof PosternError) || !error.diagnosis.code.startsWith("oauth-")) throw error
  })
}

/** The gate in front of the layer lets the address pass: what the layer itself says of it is what these tests look at. */
const policyFor = (url: URL): AddressPolicy => ({ home: url, allowPrivate: true })

const discovery: Way = {
  name: "a discovery of OAuth",
  send(http, url) {
    const question = { issuer: url.origin, metadataUrl: url.href, match: "any", policy: policyFor(url) } as const
    return whateverSaid(findIssuerMetadata(question, http, signal()))
  },
}

const registration: Way = {
  name: "a registration of an OAuth client",
  send(http, url) {
    const metadata = { issuer: url.origin, registration_endpoint: url.href }
    const server = { name: "test", scope: "local", file: "postern.json" } as const
    const wish = { server, url, isGuessed: false, metadata, redirectUri: "http://127.0.0.1:1/callback", policy: policyFor(url) }
    return whateverSaid(register(wish, http, signal()))
  },
}

const token: Way = {
  name: "a refresh of an OAuth token",
  send(http, url) {
    const client = { id: "test", authMethod: "none", from: "registration" } as const
    const tokens = { accessToken: "access", refreshToken: "refresh", obtainedAtMs: 0, scopes: [] }
    const grant = { version: 1, issuer: url.origin, tokenEndpoint: url.href, client, resource: url.href, ...tokens }
    return whateverSaid(exchangeRefreshToken(grant, { http, policy: policyFor(url), limitMs: 10_000 }, systemClock, signal()))
  },
}

const awsCall: Way = {
  name: "a call of the AWS SDK",
  async send(http, { protocol, hostname, port, pathname, searchParams }) {
    const query = Object.fromEntries(searchParams)
    await sdkHttp(http, signal()).handle({
      method: "POST",
      protocol,
      hostname,
      port: Number(port || 443),
      path: pathname,
      query,
      headers: {},
      body: "{}",
    })
  },
}

export const ways: readonly Way[] = [message, document, discovery, registration, token, awsCall]

/** An HTTP layer, closed when it goes out of scope. */
export function openLayer(settings: Partial<HttpSettings> = {}): Http & Disposable {
  const layer = createHttp({ silenceMs: 30_000, connectMs: 30_000, ...settings })
  return { ...layer, [Symbol.dispose]: () => layer.close() }
}
