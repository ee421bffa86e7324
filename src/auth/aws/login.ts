/** Signing in to AWS SSO by a profile, as `aws sso login` does: the token lies where all AWS tools find it. */
import { PosternError } from "../../core/diagnosis.ts"
import type { Interaction } from "../interaction.ts"
import type { AuthTools } from "../tools.ts"
import { openAwsHttp } from "./aws-http.ts"
import { withProfileEndpoints } from "./profile-endpoints.ts"
import { readSharedConfig, sharedFiles } from "./shared-config.ts"
import { ssoTokenPath } from "./sso-cache.ts"
import { awsProfileNotSso } from "./sso-diagnoses.ts"
import { ssoBehind } from "./sso-session.ts"
import { type SignInOptions, signInSso } from "./sso-sign-in.ts"

/** A session as a person is told of it, and as `--json` prints it; `expiresAt` is an ISO 8601 date. Holds no token. */
export interface AwsLogin {
  readonly profile: string
  /** Of the `[sso-session]`; null for a profile that names the start URL itself. */
  readonly session: string | null
  readonly startUrl: string
  readonly expiresAt: string
  /** Whether it is renewed without a person until AWS ends the session as a whole. */
  readonly renewsItself: boolean
  /** The file of the token. */
  readonly storedIn: string
}

/**
 * @throws {PosternError} `aws-profile-not-sso`, and what `signInSso` throws
 */
export async function loginSso(
  profile: string,
  interaction: Interaction,
  { tools, options }: { readonly tools: Omit<AuthTools, "vault">; readonly options: SignInOptions },
  signal: AbortSignal,
): Promise<AwsLogin> {
  const { env, clock, redactor } = tools
  const files = sharedFiles(env)
  const shared = await readSharedConfig(files)
  const sso = ssoBehind(shared, files, profile)
  if (sso === undefined) {
    const others = [...shared.profiles.keys()].filter((name) => ssoBehind(shared, files, name) !== undefined)
    throw new PosternError(awsProfileNotSso({ profile, exists: shared.profiles.has(profile), others, file: files.config }))
  }
  const { session } = sso
  const http = openAwsHttp(undefined, env)
  try {
    const token = await signInSso(
      session,
      interaction,
      { tools: { env: withProfileEndpoints(profile, shared, env), clock, redactor, http, signIn: undefined }, options },
      signal,
    )
    return {
      profile,
      session: session.name ?? null,
      startUrl: session.startUrl,
      expiresAt: new Date(token.expiresAtMs).toISOString(),
      renewsItself: token.refreshToken !== undefined,
      storedIn: ssoTokenPath(session),
    }
  } finally {
    http.close()
  }
}
