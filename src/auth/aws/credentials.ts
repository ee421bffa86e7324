/**
 * Credentials from a source: the AWS SDK's own chain, by its own rules, over our HTTP layer.
 *
 * A named profile goes through `fromIni`, since the chain hides why a source gave nothing. Roles that a profile asks for are assumed
 * by us (role.ts), so that one session serves all processes and a code of an MFA device is asked for only when it is needed.
 */
import type { fromIni } from "@aws-sdk/credential-providers"
import { strippedVariablesHints } from "../../config/clients/claude-code.ts"
import { nearest } from "../../config/nearest.ts"
import { type Diagnosis, PosternError } from "../../core/diagnosis.ts"
import type { Environment } from "../../core/places.ts"
import { awsCredentialsFailed, awsNoCredentials, awsProfileUnknown } from "./diagnoses.ts"
import { runCredentialProcess } from "./process.ts"
import { sdkHttp } from "./sdk-http.ts"
import { profileChain, type SharedConfig, sharedFiles } from "./shared-config.ts"
import type { AwsKeys } from "./sign.ts"
import type { Source } from "./source.ts"
import { ssoCredentials } from "./sso-role.ts"
import { ssoProfileOf } from "./sso-session.ts"
import type { SsoTools } from "./sso-token.ts"
import type { Caller } from "./sts.ts"

/** Keys, and what is known of them. */
export interface AwsCredentials extends AwsKeys {
  readonly expiresAtMs?: number
  /** Where their source told it. */
  readonly caller?: Caller
}

/** A role that a profile asks for, as the SDK puts it. */
export interface RoleWish {
  readonly RoleArn?: string | undefined
  readonly RoleSessionName?: string | undefined
  readonly ExternalId?: string | undefined
  readonly DurationSeconds?: number | undefined
  readonly SerialNumber?: string | undefined
  readonly WebIdentityToken?: string | undefined
}

/** What resolving a source takes, beside what a session of SSO does. */
export interface CredentialTools extends SsoTools {
  /** The server's name, for what is told; empty where there is none. */
  readonly server: string
  readonly shared: SharedConfig
  /** Region of the services that are asked. */
  readonly region: string
  /** Assumes a role with the keys of another identity, or with the web identity token of the wish. */
  assumeRole(wish: RoleWish, source: AwsKeys | undefined): Promise<AwsCredentials>
}

/**
 * Resolves a source.
 *
 * @returns fresh credentials: nothing is taken from the memory of an earlier call
 * @throws {PosternError} `aws-profile-unknown`, `aws-sso-ended`, `aws-credentials-failed`, `aws-no-credentials`; what `assumeRole` throws
 */
export async function resolveCredentials(source: Source, tools: CredentialTools, signal: AbortSignal): Promise<AwsCredentials> {
  if (source.kind === "variables") return fromVariables(source, tools.env)
  if (source.kind === "ambient") return fromSurroundings(source, tools, signal)

  const chain = profileChain(tools.shared, source.profile)
  const last = chain.at(-1)
  if (last === undefined) throw new PosternError(unknownProfile(source, tools))
  const command = tools.shared.profiles.get(last)?.["credential_process"]
  if (hasOwnSource(tools.shared, last) && command !== undefined)
    return throughRoles(chain, await runCredentialProcess(command, source.told, signal), tools)
  const sso = hasOwnSource(tools.shared, last) ? ssoProfileOf(tools.shared, sharedFiles(tools.env), last) : undefined
  if (sso?.role !== undefined) return throughRoles(chain, await ssoCredentials(sso.session, sso.role, tools, signal), tools)

  const { fromIni } = await import("@aws-sdk/credential-providers")
  return ask(fromIni({ ...sdkOptions(tools, signal), profile: source.profile }), (reason) =>
    awsCredentialsFailed({ source: source.told, reason }),
  )
}

function fromVariables({ told }: Source, env: Environment): AwsCredentials {
  const { AWS_ACCESS_KEY_ID: accessKeyId = "", AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env
  if (!secretAccessKey) throw new PosternError(awsCredentialsFailed({ source: told, reason: "AWS_SECRET_ACCESS_KEY is not set" }))
  const expiresAtMs = Date.parse(env["AWS_CREDENTIAL_EXPIRATION"] ?? "")
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken ? { sessionToken } : {}),
    ...(Number.isNaN(expiresAtMs) ? {} : { expiresAtMs }),
  }
}

/** Container and instance metadata are asked by the SDK itself: their addresses are none that the HTTP layer may open. */
async function fromSurroundings({ told }: Source, tools: CredentialTools, signal: AbortSignal): Promise<AwsCredentials> {
  const { fromNodeProviderChain } = await import("@aws-sdk/credential-providers")
  const hints = strippedVariablesHints(tools.env)
  return ask(fromNodeProviderChain(sdkOptions(tools, signal)), (reason) =>
    told.startsWith("the instance") ? awsNoCredentials({ server: tools.server, hints }) : awsCredentialsFailed({ source: told, reason }),
  )
}

type Provider = () => Promise<{
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  readonly expiration?: Date | undefined
}>

async function ask(provide: Provider, tell: (reason: string) => Diagnosis): Promise<AwsCredentials> {
  try {
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = await provide()
    return {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      ...(expiration === undefined ? {} : { expiresAtMs: expiration.getTime() }),
    }
  } catch (error) {
    if (error instanceof PosternError) throw error // of our own HTTP layer, or of assuming a role
    throw new PosternError(tell(error instanceof Error ? error.message : String(error)), { cause: error })
  }
}

type SdkOptions = NonNullable<Parameters<typeof fromIni>[0]>

/** The SDK's options that all its providers share. */
function sdkOptions({ http, env, region, assumeRole }: CredentialTools, signal: AbortSignal): SdkOptions {
  // What the SDK says on stderr is for its own users: that Node.js 20 ends, for example. No client shows it.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true"
  const requestHandler = sdkHttp(http, signal)
  const { config, credentials } = sharedFiles(env)
  return {
    configFilepath: config,
    filepath: credentials,
    ignoreCache: true, // what was read before is history
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    clientConfig: { requestHandler },
    parentClientConfig: { region, requestHandler },
    mfaCodeProvider: async () => "", // asked for by `assumeRole`, if no session is there
    roleAssumer: async (source, wish) => toSdk(await assumeRole(wish, source)),
    roleAssumerWithWebIdentity: async (wish) => toSdk(await assumeRole(wish, undefined)),
  }
}

type SdkCredentials = Awaited<ReturnType<NonNullable<SdkOptions["roleAssumer"]>>>

function toSdk({ accessKeyId, secretAccessKey, sessionToken, expiresAtMs }: AwsCredentials): SdkCredentials {
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(expiresAtMs === undefined ? {} : { expiration: new Date(expiresAtMs) }),
  }
}

/** By the SDK's order, static keys and a web identity come before a process and a session of SSO. */
function hasOwnSource({ profiles }: SharedConfig, name: string): boolean {
  const { aws_access_key_id: key, role_arn: role } = profiles.get(name) ?? {}
  return key === undefined && role === undefined
}

/** @param chain - from the profile that was named to the one that has credentials */
async function throughRoles(chain: readonly string[], first: AwsCredentials, tools: CredentialTools): Promise<AwsCredentials> {
  let credentials = first
  for (const name of chain.slice(0, -1).toReversed()) {
    const { role_arn, role_session_name, external_id, mfa_serial, duration_seconds } = tools.shared.profiles.get(name) ?? {}
    const wish: RoleWish = {
      RoleArn: role_arn,
      RoleSessionName: role_session_name,
      ExternalId: external_id,
      SerialNumber: mfa_serial,
      DurationSeconds: duration_seconds === undefined ? undefined : Number(duration_seconds),
    }
    credentials = await tools.assumeRole(wish, credentials)
  }
  return credentials
}

function unknownProfile({ profile, named }: Extract<Source, { kind: "profile" }>, { shared, env }: CredentialTools): Diagnosis {
  const { config, credentials } = sharedFiles(env)
  return awsProfileUnknown({ profile, named, near: nearest(profile, [...shared.profiles.keys()]), files: [config, credentials] })
}
