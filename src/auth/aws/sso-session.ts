/** A session of AWS SSO (IAM Identity Center), as the shared configuration names it. */
import { profileChain, type Section, type SharedConfig, type SharedFiles } from "./shared-config.ts"

/** Where one signs in, and where the token lies. Nothing of it is secret. */
export interface SsoSession {
  /** The profile that leads to it. */
  readonly profile: string
  /** Of `[sso-session NAME]`; absent where the profile itself names the start URL, as older ones do. */
  readonly name?: string
  readonly startUrl: string
  readonly region: string
  /** As configured (`sso_registration_scopes`); empty if nothing is. */
  readonly scopes: readonly string[]
  /** The folder that all AWS tools share. */
  readonly cache: string
}

/** What a profile takes a session for: one role in one account. */
export interface SsoRole {
  readonly account: string
  readonly role: string
}

/** A profile that signs in by SSO. */
export interface SsoProfile {
  readonly session: SsoSession
  /** Absent for a profile that only signs in. */
  readonly role?: SsoRole
}

/**
 * @param profile - one that has credentials of its own; see `ssoBehind` for one that builds on others
 * @returns undefined if it does not sign in by SSO, or is incomplete
 */
export function ssoProfileOf({ profiles, ssoSessions }: SharedConfig, { ssoCache }: SharedFiles, profile: string): SsoProfile | undefined {
  const section = profiles.get(profile)
  const name = section?.["sso_session"]
  const source = name === undefined ? section : ssoSessions.get(name)
  const { sso_start_url: startUrl, sso_region: region, sso_registration_scopes: scopes = "" } = source ?? {}
  if (section === undefined || startUrl === undefined || region === undefined) return undefined
  const session = { profile, startUrl, region, scopes: splitScopes(scopes), cache: ssoCache, ...(name === undefined ? {} : { name }) }
  return { session, ...roleOf(section) }
}

/** The SSO profile at the end of the chain of profiles that one builds on. */
export function ssoBehind(shared: SharedConfig, files: SharedFiles, profile: string): SsoProfile | undefined {
  const last = profileChain(shared, profile).at(-1)
  return last === undefined ? undefined : ssoProfileOf(shared, files, last)
}

function roleOf({ sso_account_id: account, sso_role_name: role }: Section): { readonly role?: SsoRole } {
  return account === undefined || role === undefined ? {} : { role: { account, role } }
}

/** Parted by commas, as the AWS CLI reads them. */
function splitScopes(text: string): readonly string[] {
  return text
    .split(",")
    .map((scope) => scope.trim())
    .filter((scope) => scope !== "")
}
