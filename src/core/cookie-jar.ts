/** The cookies of one origin (RFC 6265, what matters of it where there is no other site and no script). They live in memory only. */
import { isLoopback, hostOf } from "./address-gate.ts"

/** Bounded to 50 cookies and 8 KiB in all (RFC 6265 section 6.1); what is over that goes, the first set first. */
export interface CookieJar {
  /** Keeps what an answer set, or forgets it. What does not fit is left out without a word, as a browser does. */
  learn(lines: readonly string[], url: URL): void
  /**
   * @param own - a cookie header that is sent anyway; its cookies win
   * @returns the header for a request, or undefined where there is none
   */
  headerFor(url: URL, own: string | undefined): string | undefined
}

interface Cookie {
  readonly name: string
  readonly value: string
  readonly path: string
  readonly secure: boolean
  readonly expiresAtMs: number
}

/** As many as a browser keeps at least (RFC 6265 section 6.1). */
const MOST_COOKIES = 50
const MOST_COOKIE_BYTES = 4096
/** All together; servers take about this much of headers. */
const MOST_BYTES = 8192

/** Printable ASCII without what ends a cookie: anything else is none of RFC 6265, and would be cut or changed on its way back. */
const FIT = /^[\x20-\x3a\x3c-\x7e]*$/

/** @param nowMs - the time, in milliseconds since 1970 */
export function createCookieJar(nowMs: () => number): CookieJar {
  // In the order in which they were first set; a name and its path is one cookie.
  const cookies = new Map<string, Cookie>()

  const isDue = ({ path, secure, expiresAtMs }: Cookie, url: URL): boolean =>
    expiresAtMs > nowMs() && matchesPath(url.pathname, path) && (!secure || isSecure(url))

  return {
    learn(lines, url) {
      for (const line of lines.slice(0, MOST_COOKIES)) {
        const cookie = parseCookie(line, url, nowMs())
        if (!cookie) continue
        const key = `${cookie.name} ${cookie.path}`
        if (cookie.expiresAtMs <= nowMs()) cookies.delete(key)
        else cookies.set(key, cookie)
      }
      while (cookies.size > MOST_COOKIES || sizeOf(cookies.values()) > MOST_BYTES) cookies.delete([...cookies.keys()][0] ?? "")
    },

    headerFor(url, own) {
      const given = new Set((own ?? "").split(";").map((pair) => pair.split("=")[0]?.trim()))
      const due = [...cookies.values()].filter((cookie) => !given.has(cookie.name) && isDue(cookie, url))
      // The more specific path first (section 5.4).
      const pairs = due.toSorted((one, other) => other.path.length - one.path.length).map(({ name, value }) => `${name}=${value}`)
      return [...(own === undefined ? [] : [own]), ...pairs].join("; ") || undefined
    },
  }
}

/** @returns undefined for what is to be ignored (section 5.3) */
function parseCookie(line: string, url: URL, nowMs: number): Cookie | undefined {
  const [pair = "", ...attributes] = line.split(";")
  const [name, value] = splitPair(pair)
  if (name === "" || !pair.includes("=") || pair.length > MOST_COOKIE_BYTES || !FIT.test(pair)) return undefined
  const given = new Map(attributes.map((attribute) => splitPair(attribute)).map(([key, text]) => [key.toLowerCase(), text]))

  const domain = given.get("domain")?.replace(/^\./, "").toLowerCase()
  const host = hostOf(url)
  if (domain && host !== domain && !host.endsWith(`.${domain}`)) return undefined
  const secure = given.has("secure")
  if (secure && !isSecure(url)) return undefined
  const path = given.get("path")
  return { name, value, secure, path: path?.startsWith("/") ? path : folderOf(url.pathname), expiresAtMs: expiryOf(given, nowMs) }
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf("=")
  return at === -1 ? [pair.trim(), ""] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
}

/** `Max-Age` wins over `Expires`; with neither, or one that cannot be read, it lives as long as we do. */
function expiryOf(given: ReadonlyMap<string, string>, nowMs: number): number {
  const age = given.get("max-age")
  if (age !== undefined && /^-?\d+$/.test(age)) return Number(age) <= 0 ? 0 : nowMs + Number(age) * 1000
  const expires = Date.parse(given.get("expires") ?? "")
  return Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires
}

const isSecure = (url: URL): boolean => url.protocol === "https:" || isLoopback(hostOf(url))

/** Section 5.1.4. */
const folderOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf("/")))
const matchesPath = (path: string, of: string): boolean => path === of || path.startsWith(of.endsWith("/") ? of : `${of}/`)

function sizeOf(cookies: Iterable<Cookie>): number {
  let bytes = 0
  for (const { name, value } of cookies) bytes += name.length + value.length + 3
  return bytes
}
