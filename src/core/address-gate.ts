/**
 * The one gate for addresses: each that came from outside (a header, metadata, a redirect, a registration, an elicitation, a
 * project file) passes here with a purpose before anything is opened, fetched or sent (S83, S84).
 *
 * The text is judged by `passAddress`; what a name resolves to is judged when the connection is made, by the same addresses that
 * are then connected to, so that a name that resolves differently the second time gains nothing (`addressRule`).
 */
import { type LookupFunction, isIP } from "node:net"
import { type Reach, type Reaches, addressReaches } from "./address-reach.ts"
import { PosternError } from "./diagnosis.ts"
import { addressRefused } from "./http-failures.ts"

/** What an address is wanted for. */
export type Purpose = "open for a person" | "fetch metadata" | "send a credential"

/** Whose addresses they are. A server may point as near to this machine as it stands itself, and no nearer. */
export interface AddressPolicy {
  /** The configured server. Its own origin passes, over http only for programs: a person has named it. */
  readonly home: URL
  /** The entry's `allowPrivate`: private and loopback addresses pass too; link-local ones never do. */
  readonly allowPrivate: boolean
}

/** A longer address is none that a browser or a command line takes, in characters. */
const LONGEST_ADDRESS = 8192
/** How near to this machine an address is. */
const NEARNESS = { public: 0, private: 1, loopback: 2 } as const satisfies Partial<Record<Reach, number>>
const HOW_TO_ALLOW = 'if that is meant, set "allowPrivate": true in the server\'s entry'

/**
 * Lets an address pass, or refuses it.
 *
 * A name that this machine resolves to a private address passes here, and is refused when it is connected to.
 *
 * @param text - as it came; no part of it is shown as a link when it is refused
 * @returns the parsed address. Only its serialised form (`href`) may be opened: what a person reads is then what is opened
 * @throws {PosternError} `address-refused` (kind guard)
 */
export function passAddress(text: string | URL, purpose: Purpose, policy: AddressPolicy): URL {
  const refuse = (why: string, next?: string): never => {
    throw new PosternError(addressRefused({ address: String(text), purpose, why, next }))
  }
  const given = String(text)
  if (given.length > LONGEST_ADDRESS) return refuse(`it is longer than ${LONGEST_ADDRESS} characters`)
  // The WHATWG parser drops some of these in silence.
  // oxlint-disable-next-line no-control-regex -- these characters are what it is about
  if (/[\u0000-\u0020\u007f-\u009f\u2028\u2029]/.test(given)) return refuse("it holds a blank or a control character")
  if (!URL.canParse(given)) return refuse("it is not a whole address")
  const url = new URL(given)
  if (url.protocol !== "https:" && url.protocol !== "http:") return refuse("its scheme is not https")
  if (url.username !== "" || url.password !== "") return refuse("it holds a user name")

  const host = hostOf(url)
  const problem = hostProblem(host, policy)
  if (problem !== undefined) return refuse(problem.why, problem.next)
  // A person has named the server, and not the page that they are sent to: what they type there would go in clear.
  const isNamed = url.origin === policy.home.origin && purpose !== "open for a person"
  if (url.protocol === "http:" && !isNamed && !isLoopback(host)) return refuse("it is not encrypted")
  return url
}

function hostProblem(host: string, policy: AddressPolicy): Problem | undefined {
  if (isIP(host) === 0 && !isLoopbackName(host)) return undefined
  const reaches = addressReaches()
  return host === hostOf(policy.home) ? homeProblem(host, reaches) : reachProblem(host, { policy, reaches })
}

/** The rule at work for the connections of one server. */
export interface AddressRule {
  /**
   * Checks a host that is an IP address: the resolver is not asked for it, so `lookup` does not see it.
   *
   * @throws {PosternError} `address-refused`
   */
  passHost(host: string): void
  /** Resolves a name, and refuses it if any of its addresses is refused. */
  readonly lookup: LookupFunction
  /**
   * Learns where the configured server stands itself: a connection to it has been made, and its certificate fits its name.
   *
   * @param address - the other end of the connection
   */
  learnHome(host: string, address: string | undefined): void
}

/** @param resolve - the system's own resolver unless a test gives one */
export function addressRule(policy: AddressPolicy, resolve: LookupFunction = systemLookup): AddressRule {
  const reaches = addressReaches()
  let home: string | undefined

  const check = (address: string, host: string): void => {
    // Most often it is the configured server itself, and nothing else has to be known.
    const problem = host === hostOf(policy.home) ? homeProblem(address, reaches) : reachProblem(address, { policy, home, reaches })
    if (problem === undefined) return
    const shown = address === host ? host : `${host} (${address})`
    throw new PosternError(addressRefused({ address: shown, purpose: "send a credential", ...problem }))
  }

  return {
    passHost(host) {
      if (isIP(host) !== 0) check(host, host)
    },
    lookup: (host, options, callback) =>
      resolve(host, options, (error, found, family) => {
        if (error) return callback(error, found, family)
        try {
          for (const address of typeof found === "string" ? [found] : found.map((one) => one.address)) check(address, host)
        } catch (refusal) {
          return callback(refusal as Error, "", 0) // `check` throws errors
        }
        callback(null, found, family)
      }),
    learnHome(host, address) {
      if (host === hostOf(policy.home)) home = address
    },
  }
}

/** Loaded when a name is resolved: an address needs no resolver. */
const systemLookup: LookupFunction = (host, options, callback) =>
  void import("node:dns").then(({ default: dns }) => dns.lookup(host, options, callback))

interface Problem {
  readonly why: string
  readonly next?: string
}

function homeProblem(address: string, reaches: Reaches): Problem | undefined {
  return reaches.isForbidden(address) ? { why: "it is link-local or a cloud's own, where credentials are handed out" } : undefined
}

interface Standpoint {
  readonly policy: AddressPolicy
  /** The address that the configured server was connected to at; undefined before that. */
  readonly home?: string | undefined
  readonly reaches: Reaches
}

function reachProblem(address: string, { policy, home, reaches }: Standpoint): Problem | undefined {
  const reach = isLoopbackName(address) ? "loopback" : reaches.of(address)
  if (reach === "forbidden") return homeProblem(address, reaches)
  if (reach === "nowhere") return { why: "it is an address that no server has" }
  if (policy.allowPrivate || NEARNESS[reach] <= nearnessOf(home ?? hostOf(policy.home), reaches)) return undefined
  const where = reach === "loopback" ? "on this machine" : "in a private network"
  return { why: `it is ${where}, and the configured server is not`, next: HOW_TO_ALLOW }
}

/** A name says nothing before it was connected to. */
function nearnessOf(home: string, reaches: Reaches): number {
  if (isLoopbackName(home)) return NEARNESS.loopback
  const reach = reaches.of(home)
  return reach === "loopback" || reach === "private" ? NEARNESS[reach] : NEARNESS.public
}

const isLoopbackName = (host: string): boolean => host === "localhost" || host.endsWith(".localhost")

/** A literal one, or the name that stands for it: `localhost` and what ends with it never leave this machine (RFC 6761 section 6.3). */
export function isLoopback(host: string): boolean {
  return isLoopbackName(host) || (isIP(host) !== 0 && addressReaches().of(host) === "loopback")
}

/** The host without the brackets of an IPv6 address, and without the dot of an absolute name. */
export function hostOf({ hostname }: URL): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname.replace(/\.$/, "")
}
