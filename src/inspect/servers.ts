/** The three questions, answered for each server: where is the secret, how long does it last, who can use it; and as whom one acts. */
import { awsSsoEnded } from "../auth/aws/sso-diagnoses.ts"
import { secretsOf } from "../auth/dismiss.ts"
import { oauthSignInNeeded } from "../auth/oauth/diagnoses.ts"
import { type GrantEntry, findGrant, grantIdentity, whyNotGood } from "../auth/oauth/grant.ts"
import { grantOwnerInClear } from "../auth/oauth/owner.ts"
import { secretParameters, withoutClearParameters } from "../auth/literals.ts"
import { authenticatorFor, methodOf } from "../auth/registry.ts"
import { originOf } from "../auth/server-address.ts"
import type { AuthTools } from "../auth/tools.ts"
import { isCredentialHeader } from "../config/header-rules.ts"
import { wantsSignIn } from "../bridge/door-memory.ts"
import { memoryFile } from "../bridge/memory-file.ts"
import { isSensitiveName } from "../config/describe.ts"
import type { Configuration } from "../config/files.ts"
import type { HttpServer, Server } from "../config/server.ts"
import { references } from "../config/template.ts"
import { PosternError } from "../core/diagnosis.ts"
import type { Http } from "../core/http.ts"
import type { Identity } from "../core/identity.ts"
import { silentLog } from "../core/log.ts"
import { findPlaces } from "../core/places.ts"
import { vaultOriginMismatch } from "../vault/diagnoses.ts"
import type { VaultEntry } from "../vault/vault.ts"

/** One server as `list --json` prints it. The shape only grows. */
export interface ServerFacts {
  readonly name: string
  /** `unknown` where the entry cannot be read. */
  readonly transport: Server["transport"] | "unknown"
  /** As it is written, but for a credential that stands in it in clear: references are not replaced. Null for a local server. */
  readonly url: string | null
  /** The command line of a local server, as it is written. */
  readonly command: readonly string[] | null
  readonly method: string
  readonly identity: Identity | null
  /** Where the proof of identity is kept: `vault:NAME`, `variable NAME`, `command`, `file (in clear)`; empty if there is none. */
  readonly storedIn: readonly string[]
  /** Whose account it is: an AWS account, or the issuer of a sign-in. */
  readonly issuer: string | null
  /** The scopes of a sign-in; empty where there is none. */
  readonly scopes: readonly string[]
  /** Whether a sign-in is renewed without a person; null where there is none. */
  readonly renewsItself: boolean | null
  /** When the proof ends, as a date (ISO 8601); null if it does not end by itself. */
  readonly expiresAt: string | null
  /** Since when the present secret is in use, as a date; null if that is not known. */
  readonly since: string | null
  readonly environment: string | null
  readonly needsSignIn: boolean
  readonly scope: Server["scope"]
  readonly file: string
  readonly enabled: boolean
  readonly trusted: boolean
  /** What keeps the server from being used, as a code and one sentence; null if nothing is known to. */
  readonly problem: { readonly code: string; readonly cause: string } | null
}

/**
 * Describes all servers of a configuration. Sends nothing, starts nothing, and needs no key: a vault that cannot be read is a
 * problem of the servers that need it, not of the list.
 */
export async function describeServers(
  { servers, invalid }: Pick<Configuration, "servers" | "invalid">,
  tools: AuthTools,
): Promise<readonly ServerFacts[]> {
  const known = await Promise.all(servers.map((server) => describeServer(server, tools)))
  const broken = invalid.map(({ diagnosis, ...entry }) => ({ ...unusable, ...entry, problem: problemOf(diagnosis) }))
  return [...known, ...broken].toSorted((one, other) => one.name.localeCompare(other.name))
}

const unusable = {
  transport: "unknown",
  url: null,
  command: null,
  method: "unknown",
  identity: null,
  storedIn: [],
  issuer: null,
  scopes: [],
  renewsItself: null,
  expiresAt: null,
  since: null,
  environment: null,
  needsSignIn: false,
  enabled: false,
} as const satisfies Partial<ServerFacts>

/** Describes one server, as `describeServers` does. */
export async function describeServer(server: Server, tools: AuthTools): Promise<ServerFacts> {
  const { method, identity, problem, grant, storedIn: places = [] } = await proofOf(server, tools)
  return {
    name: server.name,
    transport: server.transport,
    url: server.transport === "stdio" ? null : withoutClearParameters(server.url),
    command: server.transport === "stdio" ? [server.command, ...server.args] : null,
    method,
    identity,
    storedIn: [...storedIn(server), ...places, ...(grant === undefined ? [] : [`vault:${grant.name}`])],
    issuer: identity?.account ?? null,
    scopes: identity?.scopes ?? [],
    renewsItself: grant?.facts.renewable ?? null,
    expiresAt: date(identity?.expiresAtMs),
    since: date(identity?.sinceMs),
    environment: server.environment ?? null,
    needsSignIn: problem?.code === "secret-missing" || problem?.code === oauthSignInNeeded.code || problem?.code === awsSsoEnded.code,
    scope: server.scope,
    file: server.file,
    enabled: server.enabled,
    trusted: server.trusted,
    problem: problem && problemOf(problem),
  }
}

/** Of a diagnosis, what stands in a list: its evidence and the next step are told by the command that meets it. */
const problemOf = ({ code, cause }: NonNullable<ServerFacts["problem"]>): ServerFacts["problem"] => ({ code, cause })

/** As whom one acts, and how that is proved. */
interface Proof {
  readonly method: string
  readonly identity: Identity | null
  readonly problem: ServerFacts["problem"]
  readonly grant?: GrantEntry
  /** Where the proof is kept, if the entry itself does not tell. */
  readonly storedIn?: readonly string[]
}

async function proofOf(server: Server, tools: AuthTools): Promise<Proof> {
  const method = methodOf(server)
  if (server.transport !== "stdio" && server.trusted && (method === "oauth" || method === "none")) {
    const signIn = await signInOf(server, tools)
    if (signIn !== undefined) return signIn
    // Its entry may say nothing of it, but a bridge has met it.
    if (await wantsSignIn(memoryFile(findPlaces(tools.env).memory, server, silentLog)))
      return { method: "oauth", identity: null, problem: oauthSignInNeeded({ server, why: "nobody has signed in yet" }) }
  }
  if (server.transport !== "stdio" && method === "aws") return awsProof(server, tools)
  return { method, ...(await identityOf(server, tools)) }
}

/** Nothing of AWS is read but what its own tools share, so where it lies is for them to say. */
async function awsProof(server: HttpServer, tools: AuthTools): Promise<Proof> {
  const { identity, problem } = await identityOf(server, tools)
  if (identity === null) return { method: "aws", identity, problem }
  const { awsStanding } = await import("../auth/aws/standing.ts")
  const { storedIn: places, expiresAtMs, signIn } = await awsStanding(server, tools)
  const until = expiresAtMs === undefined ? {} : { expiresAtMs }
  return { method: "aws", identity: { ...until, ...identity }, problem: problem ?? signIn ?? null, storedIn: places }
}

/** A sign-in makes `oauth` the method also where the entry asks for nothing. */
async function signInOf(server: HttpServer, tools: AuthTools): Promise<Proof | undefined> {
  try {
    const grant = await findGrant(tools.vault, await grantOwnerInClear(server, tools))
    if (grant === undefined && server.oauth === undefined) return undefined
    const why = grant === undefined ? "nobody has signed in yet" : whyNotGood(grant, tools.clock.now())
    const problem = why === undefined ? null : oauthSignInNeeded({ server, why })
    return { method: "oauth", identity: grant ? grantIdentity(grant) : null, problem, ...(grant ? { grant } : {}) }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    return server.oauth === undefined ? undefined : { method: "oauth", identity: null, problem: error.diagnosis }
  }
}

async function identityOf(server: Server, tools: AuthTools): Promise<{ identity: Identity | null; problem: ServerFacts["problem"] }> {
  try {
    const secrets = secretsOf(server)
    // Who needs nothing of the vault has no part in its faults.
    const entries = secrets.length === 0 ? [] : (await tools.vault.list()).filter(({ name }) => secrets.includes(name))
    const missing = secrets.find((name) => !entries.some((entry) => entry.name === name))
    if (missing !== undefined) {
      return { identity: null, problem: { code: "secret-missing", cause: `The vault has no secret named "${missing}".` } }
    }
    const elsewhere = await storedForAnother(server, entries, tools)
    if (elsewhere !== null) return { identity: null, problem: elsewhere }
    const source = storedIn(server).join(", ") || "none"
    // A method of its own knows best; otherwise the oldest secret counts, since that is the one to be replaced.
    const sinceMs = entries.length === 0 ? {} : { sinceMs: Math.min(...entries.map(({ changedAtMs }) => changedAtMs)) }
    if (server.transport === "stdio") return { identity: { subject: "its own variables", source, ...sinceMs }, problem: null }
    const [entry] = entries
    if (methodOf(server) === "none" && source !== "none") {
      const subject = entry === undefined ? "whoever holds the key in its address" : `key ${entry.fingerprint}`
      return { identity: { subject, source, ...sinceMs }, problem: null }
    }
    // The origin matters only where something is sent; to say who one is, nothing is.
    return { identity: await authenticatorFor(server, "", { ...tools, http: noHttp }).identity(), problem: null }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    return { identity: null, problem: { code: error.diagnosis.code, cause: error.diagnosis.cause } }
  }
}

/** Why the vault would not give a secret out: for whom each was stored stands in clear. Where the address is not known here, nothing is said. */
async function storedForAnother(server: Server, entries: readonly VaultEntry[], tools: AuthTools): Promise<ServerFacts["problem"]> {
  if (entries.length === 0 || !server.trusted) return null
  try {
    const asked = await originOf(server, tools)
    const entry = entries.find(({ origin }) => origin !== asked)
    return entry === undefined ? null : vaultOriginMismatch({ name: entry.name, stored: entry.origin, asked })
  } catch (error) {
    if (error instanceof PosternError) return null // a variable that a client sets, for example
    throw error
  }
}

/** To say who one is, no server is asked (`Authenticator.identity`). */
const noHttp: Http = {
  send: () => Promise.reject(new Error("identity() asks no server")),
  abandon: () => undefined,
  close: () => undefined,
}

function storedIn(server: Server): readonly string[] {
  const inAddress = server.transport === "stdio" ? [] : references(server.url).secrets.map((one) => `vault:${one}`)
  const parameters = server.transport === "stdio" ? [] : secretParameters(server.url).flatMap(({ value }) => placesOf(value, true))
  const values = server.transport === "stdio" ? server.env : server.headers
  const holdsSecret = server.transport === "stdio" ? isSensitiveName : isCredentialHeader
  const places = Object.entries(values).flatMap(([name, template]) => placesOf(template, holdsSecret(name)))
  const clientSecret = (server.transport === "stdio" ? undefined : server.oauth?.clientSecret) ?? ""
  const command = server.transport !== "stdio" && server.headersHelper !== undefined ? ["command"] : []
  return [...new Set([...inAddress, ...parameters, ...places, ...placesOf(clientSecret, false), ...command])]
}

/** Where the parts of one text come from. @param isSecret - whether its name says that it is a credential, also where it stands in clear */
function placesOf(template: string, isSecret: boolean): readonly string[] {
  const { variables, secrets } = references(template)
  const places = [...secrets.map((one) => `vault:${one}`), ...variables.map((one) => `variable ${one}`)]
  return places.length === 0 && isSecret && template !== "" ? ["file (in clear)"] : places
}

function date(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
