/** What a signed request tells of its own signature: for diagnoses, which look at what was really sent. */
import type { OutgoingRequest } from "../../core/http.ts"

/** The credential scope and what belongs to it, as they stand in a request (Signature Version 4, the Authorization header). */
export interface SignatureFacts {
  /** The access key's id, cut: enough to recognise one's own key. */
  readonly key: string
  /** Temporary keys begin with ASIA and are worth nothing without their session token. */
  readonly isTemporary: boolean
  readonly hasToken: boolean
  readonly region: string
  readonly service: string
  /** When it was signed, in milliseconds since 1970. */
  readonly signedAtMs?: number
}

/** @returns undefined if the request bears no signature of this version */
export function signatureOf({ headers }: Pick<OutgoingRequest, "headers">): SignatureFacts | undefined {
  const credential = /^AWS4-HMAC-SHA256 .*?Credential=([^/,\s]+)\/\d{8}\/([^/,\s]+)\/([^/,\s]+)\/aws4_request/.exec(
    headers["authorization"] ?? "",
  )
  const [, keyId = "", region = "", service = ""] = credential ?? []
  if (credential === null) return undefined
  const signedAtMs = readAmzDate(headers["x-amz-date"] ?? "")
  return {
    key: `${keyId.slice(0, 4)}…${keyId.slice(-4)}`,
    isTemporary: keyId.startsWith("ASIA"),
    hasToken: headers["x-amz-security-token"] !== undefined,
    region,
    service,
    ...(signedAtMs === undefined ? {} : { signedAtMs }),
  }
}

/** Reads `20261126T175500Z`, the form of time that signatures have. */
export function readAmzDate(text: string): number | undefined {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? []
  return year === undefined ? undefined : Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}
