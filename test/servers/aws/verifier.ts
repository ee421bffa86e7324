/**
 * Verifies Signature Version 4 as a service of AWS does: from what arrived, by its own steps, with nothing of what signs. It was itself
 * checked against the official cases (test/auth/aws/verifier.test.ts). It refuses in the words of API Gateway and STS.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import type { Holder, Holders } from "./keys.ts"

/** A request as it arrived. */
export interface Arrived {
  readonly method: string
  /** Path and query, as they stood in the request line. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Verifying {
  readonly holders: Holders
  readonly service: string
  readonly region: string
  readonly nowMs: number
  /** A service that takes no signed body (VPC Lattice). */
  readonly unsignedPayload?: boolean
}

export type Verdict = { readonly holder: Holder } | { readonly status: number; readonly type: string; readonly message: string }

const TOLERANCE_MS = 5 * 60_000

/** @returns who sent it, or the refusal */
export function verify(arrived: Arrived, { holders, service, region, nowMs, unsignedPayload = false }: Verifying): Verdict {
  const refuse = (type: string, message: string): Verdict => ({ status: 403, type, message })
  const { authorization } = arrived.headers
  if (authorization === undefined) return refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    )
  const time = String(arrived.headers["x-amz-date"] ?? "")
  if (parts === null || !/^\d{8}T\d{6}Z$/.test(time))
    return refuse("IncompleteSignatureException", "Authorization header requires 'Credential' parameter.")
  const [, keyId = "", day = "", inRegion, forService, signedHeaders = "", signature = ""] = parts

  const holder = holders.get(keyId)
  const token = arrived.headers["x-amz-security-token"]
  if (holder === undefined || holder.sessionToken !== token)
    return refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
  if (holder.expiresAtMs !== undefined && holder.expiresAtMs <= nowMs)
    return refuse("ExpiredTokenException", "The security token included in the request is expired")

  const names = signedHeaders.split(";")
  const mustBeSigned = ["host", ...Object.keys(arrived.headers).filter((name) => name.startsWith("x-amz-") || name === "content-type")]
  const forgotten = mustBeSigned.find((name) => !names.includes(name))
  if (forgotten !== undefined)
    return refuse("InvalidSignatureException", `'${forgotten}' must be a 'SignedHeader' in the AWS Authorization.`)

  const announced = arrived.headers["x-amz-content-sha256"]
  const hash = createHash("sha256").update(arrived.body).digest("hex")
  if (unsignedPayload ? announced !== "UNSIGNED-PAYLOAD" : announced !== undefined && announced !== hash) {
    return refuse("InvalidSignatureException", "The provided 'x-amz-content-sha256' header does not match what was computed.")
  }
  const canonical = [
    arrived.method,
    ...canonicalTarget(arrived.target),
    ...canonicalHeaders(arrived.headers, names),
    "",
    signedHeaders,
    unsignedPayload ? "UNSIGNED-PAYLOAD" : hash,
  ].join("\n")
  if (
    !timingSafeEqual(
      Buffer.from(signature, "hex"),
      expectedSignature(canonical, { holder, day, region: inRegion ?? "", service: forService ?? "", time }),
    )
  ) {
    return refuse(
      "InvalidSignatureException",
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    )
  }
  // Of a good signature AWS says what else is wrong with it.
  if (forService !== service) return refuse("InvalidSignatureException", `Credential should be scoped to correct service: '${service}'.`)
  if (inRegion !== region) return refuse("InvalidSignatureException", "Credential should be scoped to a valid region. ")
  const signedAtMs = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"))
  if (signedAtMs < nowMs - TOLERANCE_MS) {
    return refuse(
      "InvalidSignatureException",
      `Signature expired: ${time} is now earlier than ${amzTime(nowMs - TOLERANCE_MS)} (${amzTime(nowMs)} - 5 min.)`,
    )
  }
  if (signedAtMs > nowMs + TOLERANCE_MS) {
    return refuse(
      "InvalidSignatureException",
      `Signature not yet current: ${time} is still later than ${amzTime(nowMs + TOLERANCE_MS)} (${amzTime(nowMs)} + 5 min.)`,
    )
  }
  return { holder }
}

function expectedSignature(
  canonical: string,
  facts: { holder: Holder; day: string; region: string; service: string; time: string },
): Buffer {
  const keyed = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text, "utf8").digest()
  let key: Buffer = Buffer.from(`AWS4${facts.holder.secretAccessKey}`)
  for (const step of [facts.day, facts.region, facts.service, "aws4_request"]) key = keyed(key, step)
  const digest = createHash("sha256").update(canonical, "utf8").digest("hex")
  return keyed(key, `AWS4-HMAC-SHA256\n${facts.time}\n${facts.day}/${facts.region}/${facts.service}/aws4_request\n${digest}`)
}

/** The path as it arrived is taken apart, its dots and empty parts resolved, and each part percent-encoded, again if it was before. */
function canonicalTarget(target: string): [string, string] {
  const mark = target.indexOf("?")
  const [path, query] = mark === -1 ? [target, ""] : [target.slice(0, mark), target.slice(mark + 1)]
  const kept: string[] = []
  for (const part of path.split("/")) {
    if (part === "..") kept.pop()
    else if (part !== "" && part !== ".") kept.push(escape3986(part))
  }
  const slash = kept.length > 0 && /\/\.{0,2}$/.test(path) ? "/" : ""
  const pairs = query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const at = pair.indexOf("=")
      const decode = (text: string): string => escape3986(decodeURIComponent(text.replaceAll("+", " ")))
      return at === -1 ? ([decode(pair), ""] as const) : ([decode(pair.slice(0, at)), decode(pair.slice(at + 1))] as const)
    })
  pairs.sort(([a, b], [c, d]) => Buffer.compare(Buffer.from(a), Buffer.from(c)) || Buffer.compare(Buffer.from(b), Buffer.from(d)))
  return [`/${kept.join("/")}${slash}`, pairs.map(([name, value]) => `${name}=${value}`).join("&")]
}

function canonicalHeaders(headers: IncomingHttpHeaders, names: readonly string[]): string[] {
  return names.map(
    (name) =>
      `${name}:${String(headers[name] ?? "")
        .split(/\s+/)
        .filter((word) => word !== "")
        .join(" ")}`,
  )
}

/** Byte by byte, so that it shares no step with what is verified. */
function escape3986(text: string): string {
  return [...Buffer.from(text, "utf8")]
    .map((byte) =>
      /[A-Za-z0-9._~-]/.test(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    )
    .join("")
}

const amzTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`
