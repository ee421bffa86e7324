/**
 * Signature Version 4: the proof that whoever sends a request holds the secret key, without the key leaving.
 *
 * A signature is good for exact bytes, for one host, service and region, and for five minutes around its time; so it is made last of
 * all, and anew for each sending. The steps and their names are those of the AWS manual "Create a signed AWS API request". Only the
 * start of a request is signed: a stream may outlive the credentials that opened it.
 */
import { createHash, createHmac } from "node:crypto"
import type { OutgoingRequest } from "../../core/http.ts"

/** What a signature is made for. */
export interface SigningScope {
  readonly service: string
  readonly region: string
  /** Whether the body's hash is signed, is also sent in `x-amz-content-sha256`, or whether the body is left out of the signature. */
  readonly payload: "signed" | "sent" | "unsigned"
}

/** What signs. Temporary ones come with a session token. */
export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/**
 * Signs one request.
 *
 * @param request - with all its headers, as it will be sent; one that was signed before is signed anew
 * @param nowMs - the time as the server has it, in milliseconds since 1970
 * @returns the request with `x-amz-date`, `x-amz-security-token` and `authorization`
 */
export type Sign = (request: OutgoingRequest, keys: AwsKeys, nowMs: number) => OutgoingRequest

/** Headers that belong to a single hop, or that proxies on the way rewrite. */
const UNSIGNED_HEADERS =
  /^(?:accept|accept-encoding|authorization|cache-control|connection|expect|from|keep-alive|max-forwards|pragma|referer|te|trailer|transfer-encoding|upgrade|user-agent|x-amzn-trace-id|proxy-.*|sec-.*)$/

const EMPTY_BODY = ""

/** Makes the signer for one scope. It keeps what does not change between requests: the key of the day, the form of the address. */
export function createSigner(scope: SigningScope): Sign {
  let lastKey: { readonly secret: string; readonly day: string; readonly key: Buffer } | undefined
  let lastAddress: { readonly url: URL; readonly canonical: string } | undefined

  const keyOf = (secret: string, day: string): Buffer => {
    if (lastKey?.secret !== secret || lastKey.day !== day) lastKey = { secret, day, key: signingKey(secret, day, scope) }
    return lastKey.key
  }
  const addressOf = (url: URL): string => {
    if (lastAddress?.url !== url) lastAddress = { url, canonical: canonicalAddress(url) }
    return lastAddress.canonical
  }

  return (request, keys, nowMs) => {
    const time = new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, "") // 20150830T123600Z
    const day = time.slice(0, 8)
    const bodyHash = scope.payload === "unsigned" ? "UNSIGNED-PAYLOAD" : sha256(request.body ?? EMPTY_BODY)
    const headers: Record<string, string> = {
      ...request.headers,
      "x-amz-date": time,
      ...(keys.sessionToken === undefined ? {} : { "x-amz-security-token": keys.sessionToken }),
      ...(scope.payload === "signed" ? {} : { "x-amz-content-sha256": bodyHash }),
    }
    const { names, lines } = canonicalHeaders({ ...headers, host: request.url.host })
    const canonicalRequest = [request.method, addressOf(request.url), lines, names, bodyHash].join("\n")
    const credentialScope = `${day}/${scope.region}/${scope.service}/aws4_request`
    const stringToSign = ["AWS4-HMAC-SHA256", time, credentialScope, sha256(canonicalRequest)].join("\n")
    const signature = hmac(keyOf(keys.secretAccessKey, day), stringToSign).toString("hex")
    const credential = `${keys.accessKeyId}/${credentialScope}`
    const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`
    return { ...request, headers: { ...headers, authorization } }
  }
}

function signingKey(secret: string, day: string, { region, service }: SigningScope): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), "aws4_request")
}

/** Path and query. Every service but S3 has the path, which is encoded already, encoded once more, and takes empty segments out. */
function canonicalAddress({ pathname, searchParams }: URL): string {
  const segments = pathname.split("/").filter((segment) => segment !== "") // dots were resolved when the address was read
  const end = segments.length > 0 && pathname.endsWith("/") ? "/" : ""
  const query = [...searchParams]
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .toSorted(([name, value], [otherName, otherValue]) => compare(name, otherName) || compare(value, otherValue))
    .map((pair) => pair.join("="))
    .join("&")
  return `/${segments.map(encode).join("/")}${end}\n${query}`
}

/** By bytes, not by the rules of a language. */
const compare = (one: string, other: string): number => Number(one > other) - Number(one < other)

function canonicalHeaders(headers: Readonly<Record<string, string>>): { readonly names: string; readonly lines: string } {
  const names = Object.keys(headers)
    .filter((name) => !UNSIGNED_HEADERS.test(name))
    .toSorted()
  const lines = names.map((name) => `${name}:${(headers[name] ?? "").trim().replace(/\s+/g, " ")}\n`).join("")
  return { names: names.join(";"), lines }
}

/** RFC 3986: everything but the unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

const sha256 = (content: string | Buffer): string => createHash("sha256").update(content).digest("hex")
const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest()
