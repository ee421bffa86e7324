/** A grant: one sign-in as it lies in the vault, how it is named there, and how a server's own is found. */
import { createHash } from "node:crypto"
import * as v from "valibot"
import { PosternError } from "../../core/diagnosis.ts"
import type { Identity } from "../../core/identity.ts"
import { parseJson } from "../../core/json.ts"
import type { KeptSecret, SecretFacts, Vault, VaultEntry } from "../../vault/vault.ts"
import { grantUnreadable } from "./diagnoses.ts"
import { type GrantOwner, grantPrefix } from "./owner.ts"

const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

/** The client that a grant was given to. */
const clientSchema = v.object({
  id: v.string(),
  secret: v.exactOptional(v.string()),
  /** How the client proves itself at the token endpoint (RFC 7591 section 2). */
  authMethod: v.picklist(["none", "client_secret_basic", "client_secret_post"]),
  /** Where it comes from: the entry, a hosted document, or a dynamic registration. */
  from: v.picklist(["configured", "document", "registration"]),
})
/** As which client a grant was given. Its secret, where it has one, is kept with the grant. */
export type OAuthClient = v.InferOutput<typeof clientSchema>

const grantSchema = v.object({
  /** Counts exchanges: of two copies, the higher one is the younger. */
  version: time,
  issuer: v.string(),
  /** Of the issuer, as it was at the sign-in. A refresh goes there and nowhere else. */
  tokenEndpoint: v.string(),
  revocationEndpoint: v.exactOptional(v.string()),
  client: clientSchema,
  /** What the token is for: the protected resource, by its own name. */
  resource: v.string(),
  /** What was sent as `resource`, byte for byte; absent where it is left out. */
  resourceParameter: v.exactOptional(v.string()),
  scopes: v.array(v.string()),
  accessToken: v.string(),
  refreshToken: v.exactOptional(v.string()),
  obtainedAtMs: time,
  /** When the person signed in; a renewal leaves it. */
  signedInAtMs: v.exactOptional(time),
  /** Absent where the server did not say it: a 401 then tells. */
  expiresAtMs: v.exactOptional(time),
  subject: v.exactOptional(v.string()),
  /** A refresh has begun and its outcome is not stored: after a crash, the refresh token may have been used up. */
  exchangeBegunAtMs: v.exactOptional(time),
  /** Why only a person can mend it. */
  needsSignIn: v.exactOptional(v.string()),
})
/** One sign-in, as stored. */
export type Grant = v.InferOutput<typeof grantSchema>

/** A grant's place in the vault, without its secret. */
export type GrantEntry = Pick<VaultEntry, "name" | "origin" | "facts">

/**
 * The name of a grant in the vault, and of its lease: issuer, client, resource and account label (docs/architecture.md). The label
 * stands in it in clear, so that a server's grant is found without opening any.
 */
export function grantName(label: string, { issuer, client, resource }: Pick<Grant, "issuer" | "client" | "resource">): string {
  return `${grantPrefix(label)}${hash(JSON.stringify([issuer, client.id, resource]))}`
}

/** The name under which one sign-in at a time is held, before it is known whose client and issuer it will have. */
export function signInName({ label, url }: GrantOwner): string {
  return `oauth-sign-in/${label}/${hash(url.origin)}`
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16)

/**
 * Finds a server's grant. Needs no key.
 *
 * @returns undefined if nobody has signed in; of several resources that cover the server, the closest one's
 */
export async function findGrant(vault: Vault, owner: GrantOwner): Promise<GrantEntry | undefined> {
  return (await findGrants(vault, owner))[0]
}

/** All that the server could use, the closest first: with that one gone, it would use the next. */
export async function findGrants(vault: Vault, owner: GrantOwner): Promise<readonly GrantEntry[]> {
  const found = (await vault.list()).filter((entry) => isGrantOf(entry, owner))
  const closeness = ({ facts }: GrantEntry): number => facts.resource?.length ?? 0
  return found.toSorted((one, other) => closeness(other) - closeness(one) || other.changedAtMs - one.changedAtMs)
}

/** @returns whether an entry of the vault is a sign-in that the server could use */
export function isGrantOf({ name, origin, facts }: VaultEntry, { label, url }: GrantOwner): boolean {
  if (facts.kind !== "grant" || origin !== url.origin || !name.startsWith(grantPrefix(label))) return false
  return facts.resource === undefined || covers(facts.resource, url)
}

/**
 * Whether a resource is the server's: the same scheme, host and port, and its path is the server's or above it, in whole segments
 * (S32; RFC 9728 section 3.3 wants them equal, and published metadata often names the whole server).
 */
export function covers(resource: string, url: URL): boolean {
  if (!URL.canParse(resource)) return false
  const { origin, pathname, search, hash: fragment } = new URL(resource)
  if (origin !== url.origin || (search !== "" && search !== url.search) || fragment !== "") return false
  const above = pathname.endsWith("/") ? pathname : `${pathname}/`
  return pathname === url.pathname || `${url.pathname}/`.startsWith(above)
}

/** @throws {PosternError} `grant-unreadable` if it is of another shape, for example of a newer Postern */
export function parseGrant(name: string, secret: string): Grant {
  const parsed = v.safeParse(grantSchema, parseJson(secret))
  if (parsed.success) return parsed.output
  throw new PosternError(grantUnreadable({ name, fault: v.getDotPath(parsed.issues[0]) ?? "its shape" }))
}

/** @returns the grant as the vault keeps it; nothing secret stands among the facts */
export function keepGrant(grant: Grant): KeptSecret {
  const { subject, issuer, client, resource, scopes, expiresAtMs, needsSignIn } = grant
  const facts: SecretFacts = {
    kind: "grant",
    ...(subject === undefined ? {} : { subject }),
    account: issuer,
    client: client.id,
    resource,
    scopes,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    renewable: grant.refreshToken !== undefined,
    ...(needsSignIn === undefined ? {} : { needsSignIn }),
  }
  return { secret: JSON.stringify(grant), facts }
}

/** What a server must not be told of: every secret of a grant. */
export function secretsOfGrant({ accessToken, refreshToken, client }: Grant): readonly string[] {
  return [accessToken, refreshToken, client.secret].filter((secret) => secret !== undefined)
}

/** One text for as long as it is the same person; where the server says no name, for one sign-in. Never shown. */
export function holderOf({ issuer, subject, signedInAtMs }: Grant): string {
  return JSON.stringify([issuer, subject ?? signedInAtMs ?? null])
}

/** Who a server sees, as far as the grant's entry tells. */
export function grantIdentity({ name, facts }: GrantEntry): Identity {
  const { account, scopes, expiresAtMs, subject, client } = facts
  return {
    subject: subject ?? `client ${client ?? "unknown"}`,
    source: `vault:${name}`,
    ...(account === undefined ? {} : { account }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  }
}

/** @returns why only a person can make the grant good; undefined while it is good, or renews itself */
export function whyNotGood({ facts }: GrantEntry, nowMs: number): string | undefined {
  const { needsSignIn, renewable = false, expiresAtMs = Number.POSITIVE_INFINITY } = facts
  return needsSignIn ?? (renewable || expiresAtMs > nowMs ? undefined : "it has ended, and cannot be renewed without a person")
}
