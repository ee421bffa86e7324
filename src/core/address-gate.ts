/**
 * The one gate for addresses: each that came from outside (a header, metadata, a redirect, a registration, an elicitation, a
 * project file) passes here with a purpose before anything is opened, fetched or sent (S83, S84).
 *
 * The text is judged by `passAddress`; what a name resolves to is judged when the connection is made, by the same addresses that
 * are then connected to, so that a name that resolves differently the second time gains nothing (`addressRule`).
 */
import dns from "node:dns"
import { type LookupFunction, isIP } from "node:net"
import { type Reach, addressReach } from "./address-reach.ts"
import { PosternError } from "./diagnosis.ts"
import { addressRefused } from "./http-failures.ts"

/** What an address is wanted for. */
export type Purpose = "open for a person" | "fetch metadata" | "send a credential"

/** Whose addresses they are. A server may point as near to this machine as it stands itself, and no nearer. */
export interface AddressPolicy {
  /** The configured server. Its own origin passes: a person has named it. */
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
  const problem = isIP(host) === 0 && !isLoopbackName(host) ? undefined : hostProblem(host, policy, homeNearness(policy))
  if (problem !== undefined) return refuse(problem.why, problem.next)
  if (url.protocol === "http:" && url.origin !== policy.home.origin && !isLoopback(host)) return refuse("it is not encrypted")
  return url
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
export function addressRule(policy: AddressPolicy, resolve: LookupFunction = dns.lookup as LookupFunction): AddressRule {
  const reachOf = addressReach()
  let nearness = homeNearness(policy)

  const check = (address: string, host: string): void => {
    const problem = reachProblem(reachOf(address), { isHome: host === hostOf(policy.home), nearness, policy })
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
      const reach = address !== undefined && host === hostOf(policy.home) ? reachOf(address) : "nowhere"
      if (reach in NEARNESS) nearness = NEARNESS[reach as keyof typeof NEARNESS]
    },
  }
}

/** What can be said of the configured server before it was connected to. */
function homeNearness({ home }: AddressPolicy): number {
  const host = hostOf(home)
  if (isLoopback(host)) return NEARNESS.loopback
  return isIP(host) !== 0 && addressReach()(host) === "private" ? NEARNESS.private : NEARNESS.public
}

interface Problem {
  readonly why: string
  readonly next?: string | undefined
}

function hostProblem(host: string, policy: AddressPolicy, nearness: number): Problem | undefined {
  const reach = isLoopbackName(host) ? "loopback" : addressReach()(host)
  return reachProblem(reach, { isHome: host === hostOf(policy.home), nearness, policy })
}

function reachProblem(
  reach: Reach,
  { isHome, nearness, policy }: { readonly isHome: boolean; readonly nearness: number; readonly policy: AddressPolicy },
): Problem | undefined {
  if (reach === "forbidden") return { why: "it is link-local or a cloud's own, where credentials are handed out" }
  if (isHome) return undefined
  if (reach === "nowhere") return { why: "it is an address that no server has" }
  if (policy.allowPrivate || NEARNESS[reach] <= nearness) return undefined
  const where = reach === "loopback" ? "on this machine" : "in a private network"
  return { why: `it is ${where}, and the configured server is not`, next: HOW_TO_ALLOW }
}

const isLoopbackName = (host: string): boolean => host === "localhost" || host.endsWith(".localhost")

/** A literal one, or the name that stands for it: `localhost` and what ends with it never leave this machine (RFC 6761 section 6.3). */
const isLoopback = (host: string): boolean => isLoopbackName(host) || (isIP(host) !== 0 && addressReach()(host) === "loopback")

/** The host without the brackets of an IPv6 address, and without the dot of an absolute name. */
export function hostOf({ hostname }: URL): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname.replace(/\.$/, "")
}
