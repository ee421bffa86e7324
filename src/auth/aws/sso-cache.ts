/**
 * The files of AWS SSO that all AWS tools share: `~/.aws/sso/cache`. Names and members are those of the AWS CLI, so that a sign-in there
 * serves here, and one here serves there.
 *
 * The token of a session lies in `sha1(session name).json` (of an older profile: `sha1(start URL).json`); the registration of the
 * client that may renew it lies with it, and in a file of its own, for the next sign-in. What lies there is in clear, since the other
 * tools read it: that is their rule, and the reason why Postern keeps its own role sessions elsewhere.
 */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { ensureFolder, probeWrite, writeFileAtomic } from "../../core/atomic-file.ts"
import { isObject, parseJson } from "../../core/json.ts"
import { modifiedAtMs, readTextFile } from "../../core/read-file.ts"
import type { SsoSession } from "./sso-session.ts"

/** A registered client. Registrations last about ninety days. */
export interface SsoClient {
  readonly clientId: string
  readonly clientSecret: string
  readonly expiresAtMs: number
}

/** A token of a session. */
export interface SsoToken {
  readonly accessToken: string
  readonly expiresAtMs: number
  /** Absent where the session cannot be renewed. It is good for one use. */
  readonly refreshToken?: string
  /** Who may renew it. */
  readonly client?: SsoClient
}

/** A token as it lies in its file. */
export interface KeptSsoToken extends SsoToken {
  /** When the file was written, in milliseconds since 1970. */
  readonly writtenAtMs: number
}

/** More than the file of a token takes: about 4 KiB. */
const ROOM_BYTES = 16 * 1024

/** The file of a session's token: the one that `aws sso login` writes, too. */
export function ssoTokenPath({ cache, name, startUrl }: SsoSession): string {
  return join(cache, `${sha1(name ?? startUrl)}.json`)
}

/** @returns undefined if there is none, or the file is none that can be read as one */
export async function readSsoToken(session: SsoSession): Promise<KeptSsoToken | undefined> {
  const path = ssoTokenPath(session)
  const writtenAtMs = modifiedAtMs(path) ?? 0
  const kept = await readObject(path)
  const { accessToken, expiresAt, refreshToken, clientId, clientSecret, registrationExpiresAt } = kept
  const expiresAtMs = readTime(expiresAt)
  if (typeof accessToken !== "string" || accessToken === "" || expiresAtMs === undefined) return undefined
  const clientEndsMs = readTime(registrationExpiresAt)
  return {
    accessToken,
    expiresAtMs,
    writtenAtMs,
    ...(typeof refreshToken === "string" ? { refreshToken } : {}),
    ...(typeof clientId === "string" && typeof clientSecret === "string" && clientEndsMs !== undefined
      ? { client: { clientId, clientSecret, expiresAtMs: clientEndsMs } }
      : {}),
  }
}

/**
 * @param beforeRename - see `writeFileAtomic`
 * @throws {PosternError} `disk-full`, `not-writable`, `file-not-private`
 */
export async function writeSsoToken(session: SsoSession, token: SsoToken, beforeRename: () => Promise<void>): Promise<void> {
  const { accessToken, expiresAtMs, refreshToken, client } = token
  const kept = {
    startUrl: session.startUrl,
    region: session.region,
    accessToken,
    expiresAt: writeTime(expiresAtMs),
    ...(client === undefined
      ? {}
      : { clientId: client.clientId, clientSecret: client.clientSecret, registrationExpiresAt: writeTime(client.expiresAtMs) }),
    ...(refreshToken === undefined ? {} : { refreshToken }),
  }
  await writeFileAtomic(ssoTokenPath(session), JSON.stringify(kept), { beforeRename })
}

/** Makes sure that `writeSsoToken` has room, and throws as it does; the file that is there is not touched. */
export async function probeSsoWrite(session: SsoSession): Promise<void> {
  await probeWrite(ssoTokenPath(session), ROOM_BYTES)
}

/** Registrations for the one way to sign in do not serve the other. */
export type SsoFlow = "authorization_code" | "device_code"

/** @returns undefined if there is none of this kind */
export async function readSsoClient(session: SsoSession, flow: SsoFlow): Promise<SsoClient | undefined> {
  const { clientId, clientSecret, expiresAt, grantTypes } = await readObject(ssoClientPath(session))
  const expiresAtMs = readTime(expiresAt)
  const isForCode = Array.isArray(grantTypes) && grantTypes.includes("authorization_code")
  if (typeof clientId !== "string" || typeof clientSecret !== "string" || expiresAtMs === undefined) return undefined
  return isForCode === (flow === "authorization_code") ? { clientId, clientSecret, expiresAtMs } : undefined
}

/** Throws as `writeSsoToken`. */
export async function writeSsoClient(session: SsoSession, client: SsoClient, registered: Readonly<Record<string, unknown>>): Promise<void> {
  const { clientId, clientSecret, expiresAtMs } = client
  const kept = { clientId, clientSecret, expiresAt: writeTime(expiresAtMs), ...registered }
  await writeFileAtomic(ssoClientPath(session), JSON.stringify(kept))
}

/** Makes the folder, if no AWS tool has; its mode is theirs. */
export async function ensureSsoCache({ cache }: SsoSession): Promise<void> {
  await ensureFolder(cache)
}

/** The AWS CLI names the file by the hash of these facts as its language writes JSON: keys in order, a blank after each mark. */
function ssoClientPath({ cache, name, startUrl, region, scopes }: SsoSession): string {
  const json = (value: unknown): string =>
    asciiJson(value).replace(/^\[(.*)\]$/, (_, inner: string) => `[${inner.replaceAll('","', '", "')}]`)
  const facts = [
    `"region": ${json(region)}`,
    `"scopes": ${scopes.length === 0 ? "null" : json(scopes)}`,
    `"session_name": ${name === undefined ? "null" : json(name)}`,
    `"startUrl": ${json(startUrl)}`,
    `"tool": "botocore"`,
  ]
  return join(cache, `${sha1(`{${facts.join(", ")}}`)}.json`)
}

/** Python escapes what is not ASCII. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
}

async function readObject(path: string): Promise<Readonly<Record<string, unknown>>> {
  const kept = parseJson((await readTextFile(path)) ?? "")
  return isObject(kept) ? kept : {} // another tool may have been killed while it wrote: there is no session then
}

/** `2026-11-26T17:55:00Z`, as all AWS tools read it. */
function writeTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z")
}

/** Older tools write `UTC` for `Z`. */
function readTime(text: unknown): number | undefined {
  const ms = typeof text === "string" ? Date.parse(text.replace(/UTC$/, "Z")) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}

const sha1 = (text: string): string => createHash("sha1").update(text).digest("hex")
