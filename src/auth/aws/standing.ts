/** Where the AWS credentials of a server lie, and whether a person is needed: from files alone, for `list` and `get`. */
import type { HttpServer } from "../../config/server.ts"
import type { Diagnosis } from "../../core/diagnosis.ts"
import { signInCommand } from "../sign-in-command.ts"
import type { AuthTools } from "../tools.ts"
import { profileChain, readSharedConfig, type SharedConfig, sharedFiles } from "./shared-config.ts"
import { chooseSource, type Source } from "./source.ts"
import { type KeptSsoToken, readSsoToken, ssoTokenPath } from "./sso-cache.ts"
import { ssoBehind } from "./sso-session.ts"
import { ended } from "./sso-token.ts"

/** Told from files alone, so it may be wrong of keys that AWS has ended early; `storedIn` is in words, one place each. */
export interface AwsStanding {
  readonly storedIn: readonly string[]
  /** When the session of SSO ends unless it is renewed, in milliseconds since 1970. */
  readonly expiresAtMs?: number
  /** Why a person has to sign in first. */
  readonly signIn?: Diagnosis
}

/** @throws {PosternError} `aws-sources-disagree`, `file-unreadable` */
export async function awsStanding(server: HttpServer, { env, clock }: Pick<AuthTools, "env" | "clock">): Promise<AwsStanding> {
  const files = sharedFiles(env)
  const shared = await readSharedConfig(files)
  const source = chooseSource(server, env, shared.profiles.has("default"))
  const role = server.aws?.assumeRole === undefined ? [] : ["vault (the session of the role)"]
  const sso = source.kind === "profile" ? ssoBehind(shared, files, source.profile) : undefined
  if (sso === undefined) return { storedIn: [...placesOf(source, shared, files.credentials), ...role] }

  const token = await readSsoToken(sso.session)
  const storedIn = [`${ssoTokenPath(sso.session)} (in clear, as the AWS tools keep it)`, ...role]
  if (isGood(token, clock.now())) return { storedIn, expiresAtMs: token.expiresAtMs }
  return { storedIn, signIn: ended(sso.session, { signIn: signInCommand(server), clock }, token).diagnosis }
}

/** Good now, or to be renewed without a person. */
function isGood(token: KeptSsoToken | undefined, nowMs: number): token is KeptSsoToken {
  return (
    token !== undefined && (token.expiresAtMs > nowMs || (token.refreshToken !== undefined && (token.client?.expiresAtMs ?? 0) > nowMs))
  )
}

function placesOf(source: Source, shared: SharedConfig, credentials: string): readonly string[] {
  if (source.kind === "variables") return ["variable AWS_SECRET_ACCESS_KEY"]
  if (source.kind === "ambient") return [source.told]
  const last = shared.profiles.get(profileChain(shared, source.profile).at(-1) ?? "")
  if (last?.["credential_process"] !== undefined && last["aws_secret_access_key"] === undefined) return ["command (credential_process)"]
  return last?.["aws_secret_access_key"] === undefined ? [source.told] : [`${credentials} (in clear)`]
}
