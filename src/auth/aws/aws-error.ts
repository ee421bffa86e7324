/**
 * What an answer of AWS says of itself, whatever form it takes: JSON with `__type`, `message` or `Message`, the XML of the query APIs
 * (IAM, STS), or a header alone. What it means is decided in `refusal.ts`.
 */
import type { IncomingHttpHeaders } from "node:http"

/** What could be read from an answer; all but `status` and `door` are absent where it does not say them. Texts are as sent: hostile. */
export interface AwsError {
  readonly status: number
  /** For example `AccessDeniedException`, without a name space and without what follows a colon. */
  readonly type?: string
  readonly message?: string
  readonly requestId?: string
  /** Which front door wrote the answer, as its own headers tell. */
  readonly door: "rest-api" | "http-api" | "other"
  /** The clock of the other side, in milliseconds since 1970. */
  readonly dateMs?: number
}

/** An answer whose body has been read. */
export interface ReadAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Reads what an answer of AWS says of itself. Never throws: what has no known form gives a status only. */
export function readAwsError({ status, headers, body }: ReadAnswer): AwsError {
  const said = readBody(body.toString("utf8"))
  const type = bareType(single(headers["x-amzn-errortype"]) ?? said.type)
  const requestId =
    single(headers["x-amzn-requestid"]) ?? single(headers["x-amz-request-id"]) ?? single(headers["apigw-requestid"]) ?? said.requestId
  const dateMs = Date.parse(headers.date ?? "")
  return {
    status,
    ...(type === undefined ? {} : { type }),
    ...(said.message === undefined ? {} : { message: said.message }),
    ...(requestId === undefined ? {} : { requestId }),
    door: doorOf(headers),
    ...(Number.isNaN(dateMs) ? {} : { dateMs }),
  }
}

/** A REST API names its requests twice (`x-amz-apigw-id`), an HTTP API once and otherwise (`apigw-requestid`). */
function doorOf(headers: IncomingHttpHeaders): AwsError["door"] {
  if (headers["apigw-requestid"] !== undefined) return "http-api"
  return headers["x-amz-apigw-id"] === undefined ? "other" : "rest-api"
}

interface Said {
  readonly type?: string | undefined
  readonly message?: string | undefined
  readonly requestId?: string | undefined
}

function readBody(text: string): Said {
  const start = text.trimStart()
  if (start.startsWith("<")) return readXml(text)
  if (!start.startsWith("{")) return {}
  try {
    const body = JSON.parse(text) as Record<string, unknown> // an object, since it begins with a brace
    return { type: textOf(body["__type"] ?? body["code"]), message: textOf(body["message"] ?? body["Message"]) }
  } catch {
    return {} // cut, or no JSON after all: status and headers are what is left
  }
}

/** The query APIs answer `<ErrorResponse><Error><Code/><Message/></Error><RequestId/></ErrorResponse>`: flat, without attributes. */
function readXml(xml: string): Said {
  return { type: xmlText(xml, "Code"), message: xmlText(xml, "Message"), requestId: xmlText(xml, "RequestId") ?? xmlText(xml, "RequestID") }
}

/**
 * The text of the first element of a name, for the flat answers of AWS's query APIs.
 *
 * @returns undefined if there is none
 */
export function xmlText(xml: string, name: string): string | undefined {
  const start = xml.indexOf(`<${name}>`)
  const end = xml.indexOf(`</${name}>`, start)
  return start === -1 || end === -1 ? undefined : unescapeXml(xml.slice(start + name.length + 2, end)).trim()
}

const XML_ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" }

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w{2,4}));/gi, (whole, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return XML_ENTITIES[name] ?? whole
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}

/** The bare name of an error: without a name space and without what follows a colon. */
export function bareType(type: string | undefined): string | undefined {
  return type?.split(":")[0]?.split("#").at(-1)?.trim() || undefined
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" ? value : value?.[0]
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined
}
