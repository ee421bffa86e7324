/** Which headers a configuration may set, and which values can be sent. Says why not; throws nothing. */

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const FRAMING = "it frames the message, and Postern sets it itself"
const HOP = "it belongs to one connection, and Postern sets it itself"
const PROTOCOL = "it is part of the MCP transport, and Postern sets it itself"

/** A configured value of these would break the transport or smuggle a second request (RFC 9110 section 7.6.1, MCP transports). */
const RESERVED: ReadonlyMap<string, string> = new Map([
  ["host", FRAMING],
  ["content-length", FRAMING],
  ["transfer-encoding", FRAMING],
  ["content-encoding", FRAMING],
  ["expect", FRAMING],
  ["connection", HOP],
  ["keep-alive", HOP],
  ["proxy-connection", HOP],
  ["te", HOP],
  ["trailer", HOP],
  ["upgrade", HOP],
  ["content-type", PROTOCOL],
  ["accept", PROTOCOL],
  ["last-event-id", PROTOCOL],
  ["mcp-session-id", PROTOCOL],
  ["mcp-protocol-version", PROTOCOL],
  ["mcp-method", PROTOCOL],
  ["mcp-name", PROTOCOL],
])

/** @returns why the name cannot be configured, or undefined when it can */
export function headerNameProblem(name: string): string | undefined {
  if (!TOKEN.test(name)) return "its name has characters that a header name cannot have"
  const lower = name.toLowerCase()
  return RESERVED.get(lower) ?? (lower.startsWith("mcp-param-") ? PROTOCOL : undefined) // parameters of tools (revision 2026-07-28)
}

/** @returns names that stand twice once upper and lower case are the same (RFC 9110 section 5.1), as they are written */
export function repeatedHeaderNames(names: readonly string[]): readonly string[] {
  const seen = new Set<string>()
  return names.filter((name) => seen.size === seen.add(name.toLowerCase()).size)
}

/** @returns why the value cannot be sent, or undefined when it can; the value itself is never in the text */
export function headerValueProblem(value: string): string | undefined {
  if (/[\r\n]/.test(value)) return "its value holds a line break"
  // oxlint-disable-next-line no-control-regex -- these characters are what it is about
  if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(value)) return "its value holds a control character"
  if (/[\u0100-\uffff]/.test(value)) return "its value holds a character that no header can carry (outside Latin-1)"
  return value === value.trim() ? undefined : "its value has white space at the beginning or the end"
}

const CREDENTIAL_HEADER = /^(proxy-)?authorization$|^cookie$|(^|-)(api-?key|key|token|secret)$/i
const SCHEME_ALONE = /^(bearer|basic|token|digest|dpop|negotiate|api-?key|key)$/i
const COOKIE_WITHOUT_VALUE = /^[^=;]+=;?$/

/** @returns whether a header of this name carries a credential, by custom */
export function isCredentialHeader(name: string): boolean {
  return CREDENTIAL_HEADER.test(name)
}

/**
 * @param name - of a header
 * @param value - as it would be sent
 * @returns whether this header carries a credential by its name, and has none: empty, a scheme alone, or a cookie without a value
 */
export function isEmptyCredential(name: string, value: string): boolean {
  if (!isCredentialHeader(name)) return false
  const bare = value.trim()
  if (/authorization$/i.test(name) && SCHEME_ALONE.test(bare)) return true
  return bare === "" || (name.toLowerCase() === "cookie" && COOKIE_WITHOUT_VALUE.test(bare))
}
