/** Lends our HTTP layer to the AWS SDK: its proxies, certificates, limits and address rules hold for the SDK's calls too. */
import { Readable } from "node:stream"
import { limited } from "../../core/abort.ts"
import type { Http } from "../../core/http.ts"

/** What the SDK hands over: the parts of its request that are needed. */
interface SdkRequest {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly path: string
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

interface SdkAnswer {
  readonly response: { readonly statusCode: number; readonly headers: Readonly<Record<string, string>>; readonly body: Readable }
}

/** A `requestHandler` of the SDK. */
export interface SdkHttp {
  readonly metadata: { readonly handlerProtocol: string }
  handle(request: SdkRequest, options?: { readonly abortSignal?: unknown }): Promise<SdkAnswer>
  updateHttpClientConfig(): void
  httpHandlerConfigs(): Record<string, never>
  destroy(): void
}

/** What the SDK asks for is small: role credentials, tokens. */
const MOST_ANSWER_BYTES = 1024 * 1024
const LIMIT_MS = 10_000

/** @param signal - ends every call */
export function sdkHttp(http: Http, signal: AbortSignal): SdkHttp {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request) {
      const { host: _, "content-length": __, ...headers } = lowerCase(request.headers) // both are the layer's to set
      const body = toBuffer(request.body)
      const outgoing = { method: toMethod(request.method), url: addressOf(request), headers, ...(body === undefined ? {} : { body }) }
      const answer = await http.send(outgoing, limited(signal, LIMIT_MS))
      const content = await answer.read(MOST_ANSWER_BYTES)
      const answered = Object.entries(answer.headers).map(([name, value]) => [name, String(value)] as const)
      return { response: { statusCode: answer.status, headers: Object.fromEntries(answered), body: Readable.from([content]) } }
    },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
    destroy: () => undefined, // it is not the SDK's
  }
}

function addressOf({ protocol, hostname, port, path, query = {} }: SdkRequest): URL {
  const url = new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`)
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value ?? ""]) url.searchParams.append(name, one)
  }
  return url
}

function toMethod(method: string): "GET" | "POST" {
  if (method === "GET" || method === "POST") return method
  throw new TypeError(`a call of the SDK has the method ${method}, which none of them needs`)
}

function toBuffer(body: unknown): Buffer | undefined {
  if (body === undefined || body === null || body === "") return undefined
  if (typeof body === "string") return Buffer.from(body)
  if (body instanceof Uint8Array) return Buffer.from(body)
  throw new TypeError("a call of the SDK has a body that is a stream, which none of them needs")
}

const lowerCase = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
