/** One JSON-RPC message as it travels: its own bytes, and the few facts that routing needs. */
import { parseJson } from "../core/json.ts"
import { elements, memberPiece, memberText, replacePiece } from "./json-text.ts"

/** A message. `bytes` is one line of JSON without a line break, and otherwise as it came. */
export interface Frame {
  readonly kind: "request" | "notification" | "response"
  readonly bytes: Buffer
  /**
   * The id as JSON text: `"7"` and `7` are two ids, and no integer is rounded. Empty where there is none, and `null` for the
   * null of an error that could not be assigned.
   */
  readonly id: string
  /** Empty for a response. */
  readonly method: string
  /** The revision that the message itself names in its `_meta`, as messages of the modern era do (S6); empty for all others. */
  readonly revision: string
}

/** Where a modern message names its revision. */
export const REVISION_KEY = "io.modelcontextprotocol/protocolVersion"

/** Text that is not a JSON-RPC message. */
export class NotAMessage extends Error {
  override readonly name = "NotAMessage"
}

/** Windows tools write it before a text; whoever reads JSON may pass it over (RFC 8259 section 8.1). */
const BYTE_ORDER_MARK = "\uFEFF"
const MARK_BYTES = Buffer.byteLength(BYTE_ORDER_MARK)

/**
 * Reads the messages of one JSON text: one, or the elements of a batch (revision 2025-03-26).
 *
 * @param written - UTF-8 JSON, perhaps with line breaks between its tokens, or with a byte order mark before it
 * @param writtenText - the same as text, where the caller has it: a large message is not decoded a second time
 * @throws {NotAMessage} if the text is not JSON, or holds something else than JSON-RPC messages
 */
export function readFrames(written: Buffer, writtenText = written.toString("utf8")): Frame[] {
  const isMarked = writtenText.startsWith(BYTE_ORDER_MARK)
  const text = isMarked ? writtenText.slice(1) : writtenText
  const parsed = parse(text)
  if (!Array.isArray(parsed)) return [toFrame(parsed, oneLine(isMarked ? written.subarray(MARK_BYTES) : written), text)]
  if (parsed.length === 0) throw new NotAMessage("an empty batch")
  return Array.from(elements(text), ({ value }) => toFrame(parse(value), oneLine(Buffer.from(value)), value))
}

/** Text in the place of a message. */
export interface Unread {
  readonly kind: "unread"
  readonly detail: string
  /** The id of the message that it may have been, as JSON text; `null` if none could be made out. */
  readonly id: string
}

/**
 * As `readFrames`, of a line that may hold anything: what is no message keeps no other one of its batch back (JSON-RPC 2.0 section 6).
 *
 * @returns in the place of each message that is none, what is wrong with it
 */
export function readEach(line: Buffer): readonly (Frame | Unread)[] {
  try {
    return readFrames(line)
  } catch (error) {
    const written = line.toString("utf8")
    const text = written.startsWith(BYTE_ORDER_MARK) ? written.slice(1) : written
    const parsed = parseJson(text)
    if (!Array.isArray(parsed) || parsed.length === 0) return [unread(error, line)]
    return Array.from(elements(text), ({ value }) => readElement(value))
  }
}

function readElement(text: string): Frame | Unread {
  const bytes = Buffer.from(text)
  try {
    return toFrame(parse(text), oneLine(bytes), text)
  } catch (error) {
    return unread(error, bytes)
  }
}

function unread(error: unknown, text: Buffer): Unread {
  if (!(error instanceof NotAMessage)) throw error
  return { kind: "unread", detail: error.message, id: idOfUnread(text) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new NotAMessage((error as SyntaxError).message, { cause: error }) // JSON.parse throws nothing else
  }
}

function toFrame(parsed: unknown, bytes: Buffer, text: string): Frame {
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new NotAMessage("not a JSON object")
  const { id, method } = parsed as { id?: unknown; method?: unknown } // a checked object; its members stay unknown
  if (method !== undefined) {
    if (typeof method !== "string" || method === "") throw new NotAMessage("a method that is not a text")
    const revision = revisionOf(parsed)
    if (id === undefined) return { kind: "notification", bytes, id: "", method, revision }
    return { kind: "request", bytes, id: idText(id, () => text), method, revision }
  }
  if (!("result" in parsed || "error" in parsed)) throw new NotAMessage("neither a method, nor a result, nor an error")
  return { kind: "response", bytes, id: id === undefined ? "null" : idText(id, () => text), method: "", revision: "" }
}

function revisionOf({ params }: { readonly params?: unknown }): string {
  const { ["_meta"]: meta } = (params ?? {}) as { readonly _meta?: unknown } // any value but null may be asked for a member
  const { [REVISION_KEY]: revision } = (meta ?? {}) as { readonly [REVISION_KEY]?: unknown }
  return typeof revision === "string" ? revision : ""
}

function idText(id: unknown, text: () => string): string {
  if (typeof id === "string") return JSON.stringify(id)
  if (typeof id === "number") return Number.isSafeInteger(id) ? String(id) : (memberText(text(), "id") ?? String(id))
  if (id === null) return "null"
  throw new NotAMessage("an id that is neither a text nor a number")
}

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** Valid JSON holds raw line breaks only between its tokens, so they may become spaces. */
function oneLine(bytes: Buffer): Buffer {
  if (!bytes.includes(LINE_FEED) && !bytes.includes(CARRIAGE_RETURN)) return bytes
  return Buffer.from(bytes.map((byte) => (byte === LINE_FEED || byte === CARRIAGE_RETURN ? 0x20 : byte)))
}

/** The id that a `notifications/cancelled` names, as `Frame.id` spells it. */
export function cancelledId(frame: Frame): string | undefined {
  const text = frame.bytes.toString("utf8")
  const { params } = JSON.parse(text) as { params?: { requestId?: unknown } } // read once before: a notification's object
  const requestId = params?.requestId
  if (typeof requestId !== "string" && typeof requestId !== "number") return undefined
  return idText(requestId, () => `{"id":${memberText(memberText(text, "params") ?? "{}", "requestId")}}`)
}

/** Where messages have their id: first, right after the version, or last. */
const LEADING_ID = /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*("(?:[^"\\\x80-\xff]|\\.){0,200}"|-?\d{1,40})\s*,/
const LAST_ID = /,\s*"id"\s*:\s*("(?:[^"\\\x80-\xff]|\\.){0,200}"|-?\d{1,40})\s*\}?\s*$/

/**
 * The id of a text that cannot be read as a whole, so that its request still gets an answer.
 *
 * @param text - all of it, or its beginning and its end
 * @returns what looks like its id, as `Frame.id` spells it; `null` if none could be made out
 */
export function idOfUnread(text: Buffer): string {
  const ends = [LEADING_ID.exec(text.toString("latin1", 0, 4096)), LAST_ID.exec(text.toString("latin1", Math.max(0, text.length - 512)))]
  const object = `{"id":${ends.find((found) => found !== null)?.[1] ?? "null"}}`
  try {
    return idText((parse(object) as { id: unknown }).id, () => object)
  } catch (error) {
    if (error instanceof NotAMessage) return "null" // such as 007, or an escape that JSON does not know
    throw error
  }
}

/** The same message under another id, given as JSON text; nothing else of it is touched. */
export function withId(frame: Frame, id: string): Frame {
  const text = frame.bytes.toString("utf8")
  const piece = memberPiece(text, "id")
  return piece ? { ...frame, id, bytes: Buffer.from(replacePiece(text, piece, id)) } : frame
}

/**
 * Reads a text that is one message: one that we have written or edited ourselves.
 *
 * @throws {NotAMessage} as `readFrames`
 */
export function readFrame(text: string): Frame {
  const [frame] = readFrames(Buffer.from(text))
  if (!frame) throw new TypeError("text: holds no message")
  return frame
}

/** A message of our own making. */
export function makeFrame(message: { readonly method?: string; readonly id?: string | number; readonly [member: string]: unknown }): Frame {
  return readFrame(JSON.stringify({ jsonrpc: "2.0", ...message }))
}
