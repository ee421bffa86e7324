/**
 * The ways on which something leaves Postern. Proxies, certificates, limits and address rules have to hold on each (S90), so tests of
 * these run over all: `describe.each(ways)`. A new way is one more line.
 */
import { sdkHttp } from "../../src/auth/aws/sdk-http.ts"
import { readFrames } from "../../src/bridge/frame.ts"
import { streamableHttpLink } from "../../src/bridge/server/streamable-http.ts"
import { systemClock } from "../../src/core/clock.ts"
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

const token: Way = {
  name: "a token request",
  async send(http, url) {
    const headers = { "content-type": "application/x-www-form-urlencoded" }
    await fetchDocument(http, { method: "POST", url, headers, body: Buffer.from("grant_type=client_credentials") }, signal())
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

export const ways: readonly Way[] = [message, document, token, awsCall]

/** An HTTP layer, closed when it goes out of scope. */
export function openLayer(settings: Partial<HttpSettings> = {}): Http & Disposable {
  const layer = createHttp({ silenceMs: 30_000, connectMs: 30_000, ...settings })
  return { ...layer, [Symbol.dispose]: () => layer.close() }
}
