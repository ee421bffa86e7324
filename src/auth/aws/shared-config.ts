/**
 * The files that AWS tools share: `~/.aws/config` and `~/.aws/credentials`.
 *
 * Read here to say what a profile is without starting or asking anything; the credentials themselves come from the SDK, which reads
 * the same files by the same rules.
 */
import { createHash } from "node:crypto"
import { homedir } from "node:os"
import { join } from "node:path"
import type { Environment } from "../../core/places.ts"
import { fileStamp, readTextFile } from "../../core/read-file.ts"

/** What stands below one heading of a file. */
export type Section = Readonly<Record<string, string>>

/** What the files say, as text: values are neither checked nor completed. A file that is missing counts as empty. */
export interface SharedConfig {
  /** By name; what stands in the credentials file wins. */
  readonly profiles: ReadonlyMap<string, Section>
  /** `[sso-session NAME]`, by name. */
  readonly ssoSessions: ReadonlyMap<string, Section>
  /** `[services NAME]`, by name; a setting of one service is `sts.endpoint_url`. */
  readonly services: ReadonlyMap<string, Section>
}

/** Paths, whether or not something is there. */
export interface SharedFiles {
  readonly config: string
  readonly credentials: string
  /** The folder of SSO tokens, one file a session. */
  readonly ssoCache: string
}

/** Where the files are: `AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE`, or below the home folder. */
export function sharedFiles(env: Environment): SharedFiles {
  const home = env["HOME"] || env["USERPROFILE"] || homedir()
  const named = (variable: string, standard: string): string => {
    const path = env[variable]
    if (!path) return join(home, ".aws", standard)
    return path.startsWith("~/") ? join(home, path.slice(2)) : path
  }
  return {
    config: named("AWS_CONFIG_FILE", "config"),
    credentials: named("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ssoCache: join(home, ".aws", "sso", "cache"),
  }
}

/** @throws {PosternError} `file-unreadable` */
export async function readSharedConfig({ config, credentials }: Pick<SharedFiles, "config" | "credentials">): Promise<SharedConfig> {
  const [configured, secret] = await Promise.all([readSections(config), readSections(credentials)])
  const profiles = new Map<string, Section>()
  const ssoSessions = new Map<string, Section>()
  const services = new Map<string, Section>()
  const kinds: Readonly<Record<string, Map<string, Section>>> = { profile: profiles, "sso-session": ssoSessions, services }
  for (const [heading, section] of configured) {
    const [, kind, name] = /^(profile|sso-session|services)\s+(.+)$/.exec(heading) ?? []
    if (heading === "default") profiles.set(heading, section)
    else if (name !== undefined) kinds[kind ?? ""]?.set(unquote(name), section)
  }
  for (const [name, section] of secret) profiles.set(name, { ...profiles.get(name), ...section })
  return { profiles, ssoSessions, services }
}

const unquote = (name: string): string => name.replace(/^(["'])(.*)\1$/, "$2")

async function readSections(path: string): Promise<ReadonlyMap<string, Section>> {
  const sections = new Map<string, Record<string, string>>()
  let current: Record<string, string> | undefined
  /** The key without a value whose settings follow, indented. Below any other, indenting says nothing. */
  let outer: string | undefined
  for (const line of ((await readTextFile(path)) ?? "").split(/\r?\n/)) {
    const written = (line.split(/(?:^|\s)[;#]/, 1)[0] ?? "").trim()
    const heading = /^\[(.*)\]$/.exec(written)?.[1]?.trim()
    if (heading !== undefined) {
      current = sections.get(heading) ?? {}
      sections.set(heading, current)
      outer = undefined
    } else if (current !== undefined) {
      const at = written.indexOf("=")
      if (at < 1) continue
      const [key, value] = [written.slice(0, at).trim(), written.slice(at + 1).trim()]
      if (!/^\s/.test(line)) outer = undefined
      current[outer === undefined ? key : `${outer}.${key}`] = value
      if (value === "") outer = key
    }
  }
  return sections
}

/**
 * The profiles that one builds on: itself, its `source_profile`, and so on to the one that has credentials.
 *
 * @returns the names that exist, in that order; a circle ends where it closes
 */
export function profileChain({ profiles }: SharedConfig, name: string): readonly string[] {
  const chain: string[] = []
  for (let next: string | undefined = name; next !== undefined && profiles.has(next) && !chain.includes(next);) {
    chain.push(next)
    const profile: Section | undefined = profiles.get(next)
    next = profile?.["role_arn"] === undefined ? undefined : profile["source_profile"]
  }
  return chain
}

/** The file of the SSO token that a profile uses, or undefined if it uses none. Named as all AWS tools name it. */
export function ssoTokenFile({ profiles }: SharedConfig, { ssoCache }: SharedFiles, profile: string): string | undefined {
  const section = profiles.get(profile)
  const session = section?.["sso_session"] ?? section?.["sso_start_url"]
  return session === undefined ? undefined : join(ssoCache, `${createHash("sha1").update(session).digest("hex")}.json`)
}

/** @returns a text that changes when one of the files is replaced, written, made or removed */
export function stampOf(paths: readonly string[]): string {
  return paths.map((path) => fileStamp(path) ?? "-").join(" ")
}
