/** Who signs for one server: its source, the role on top of it, and what a person has confirmed. */
import { createHash } from "node:crypto"
import type { HttpServer } from "../../config/server.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { createHttp } from "../../core/http.ts"
import type { Environment } from "../../core/places.ts"
import type { Redactor } from "../../core/redact.ts"
import type { Interaction } from "../interaction.ts"
import type { AuthTools } from "../tools.ts"
import { assumeOrExplain } from "./assume.ts"
import { type AwsCredentials, resolveCredentials, type RoleWish } from "./credentials.ts"
import { confirmedRecord } from "./describe.ts"
import { awsCallerUnknown } from "./diagnoses.ts"
import type { FrontDoor } from "./endpoint.ts"
import type { AwsIdentity, Found, IdentityTools } from "./identity.ts"
import { hasPins, passPins, principalOf } from "./pins.ts"
import { regionFor } from "./region.ts"
import type { RoleTools } from "./role.ts"
import { configuredRole, wishedRole } from "./role-request.ts"
import { profileChain, readSharedConfig, type SharedConfig, sharedFiles, ssoTokenFile, stampOf } from "./shared-config.ts"
import type { ServerTime } from "./server-time.ts"
import type { AwsKeys } from "./sign.ts"
import { chooseSource, type Source } from "./source.ts"
import { awsSsoEnded } from "./sso-diagnoses.ts"
import { ssoBehind } from "./sso-session.ts"
import type { SignInOptions } from "./sso-sign-in.ts"
import { type Caller, getCallerIdentity } from "./sts.ts"

/** What an identity needs to be found, checked and confirmed for one server. */
export interface AwsSource extends IdentityTools {
  /** Finds the identity without the role that the entry asks for. */
  findOwn(signal: AbortSignal): Promise<Found>
  /** Finds the identity, asks a person for what is missing, and keeps that they wanted it. */
  signIn(interaction: Interaction, signal: AbortSignal, options?: EnterOptions): Promise<AwsIdentity>
  /** Forgets what a person has confirmed. */
  signOut(): Promise<void>
}

/** How a person gets in. */
export interface EnterOptions extends SignInOptions {
  /** Begins a new session of SSO, although the present one may be good. */
  readonly fresh?: boolean
}

interface Given {
  readonly server: HttpServer
  readonly door: FrontDoor
  readonly tools: AuthTools
  readonly time: ServerTime
}

/** The wait for another process that confirms, and the time to write, in milliseconds. */
const TERMS = { waitMs: 10_000, holdMs: 10_000 }

export function openSource({ server, door, tools, time }: Given): AwsSource {
  const { env, vault, clock, redactor } = tools
  const http = createHttp({ silenceMs: 10_000, connectMs: 5_000 })
  const files = sharedFiles(env)
  const record = confirmedRecord(server)
  /** The files that the present source depends on. */
  let watched: readonly string[] = [files.config, files.credentials]

  const look = async (): Promise<{ readonly shared: SharedConfig; readonly source: Source }> => {
    const shared = await readSharedConfig(files)
    const source = chooseSource(server, env, shared.profiles.has("default"))
    const tokens = chainOf(source, shared).map(
      (name) => ssoTokenFile(shared, files, name) ?? shared.profiles.get(name)?.["web_identity_token_file"],
    )
    watched = [files.config, files.credentials, ...tokens, env["AWS_WEB_IDENTITY_TOKEN_FILE"]].filter((path) => path !== undefined)
    return { shared, source }
  }

  /** The identity that asks for the role, where there is one. */
  const findOwn = async (signal: AbortSignal, askCode?: RoleTools["askCode"]): Promise<Found & { readonly roles: RoleTools }> => {
    const { shared, source } = await look()
    const region = regionFor(server, door, { source, shared, env })
    const basis = hash(basisOf(source, shared, env))
    const common = { server: server.name, env, http, region, clock, redactor }
    const roles: RoleTools = { ...common, time, vault, basis, ...(askCode === undefined ? {} : { askCode }) }
    const lend = async (wish: RoleWish, keys: AwsKeys | undefined): Promise<AwsCredentials> =>
      assumeOrExplain(await wishedRole(wish, server.name, env), keys, roles, signal)
    const credentials = await resolveCredentials(source, { ...common, shared, assumeRole: lend }, signal)
    learn(credentials, redactor)
    return { credentials, source: source.told, region, roles }
  }

  const find = async (signal: AbortSignal, askCode?: RoleTools["askCode"]): Promise<Found> => {
    const { roles, ...own } = await findOwn(signal, askCode)
    const role = await configuredRole(server, door, env)
    if (role === undefined) return own
    const credentials = await assumeOrExplain(role, own.credentials, roles, signal)
    return { credentials, source: `the role ${role.role}, assumed as ${own.source}`, region: own.region }
  }

  const check = async ({ credentials, source, region }: Found, signal: AbortSignal): Promise<Caller | undefined> => {
    try {
      const caller = credentials.caller ?? (await getCallerIdentity(credentials, { http, env, time, region }, signal))
      passPins(server, caller, source)
      return caller
    } catch (error) {
      if (!hasPins(server)) return undefined // nothing hangs on it, and the server itself says whether the keys are good
      if (!(error instanceof PosternError) || error.diagnosis.kind === "guard") throw error
      throw new PosternError(awsCallerUnknown({ server: server.name, source, reason: error.message }), { cause: error })
    }
  }

  const keep = async ({ account, arn }: Caller, signal: AbortSignal): Promise<void> => {
    const facts = { kind: "session", subject: arn, account } as const
    await vault.renew(record, async () => ({ next: { secret: principalOf(arn), facts }, result: undefined }), TERMS, signal)
  }

  /** With a person there: a session of SSO that has ended is begun anew, and a code is asked for. */
  const findWith = async (interaction: Interaction, { fresh = false, ...options }: EnterOptions, signal: AbortSignal): Promise<Found> => {
    const askCode = (device: string): Promise<string> => interaction.askText(`Code of the MFA device ${device}`, signal)
    const beginSession = async (): Promise<boolean> => {
      const { shared, source } = await look()
      const sso = source.kind === "profile" ? ssoBehind(shared, files, source.profile) : undefined
      if (sso === undefined) return false
      const { signInSso } = await import("./sso-sign-in.ts")
      await signInSso(sso.session, interaction, { tools: { server: server.name, env, http, clock, redactor }, options }, signal)
      return true
    }
    if (fresh) await beginSession()
    try {
      return await find(signal, askCode)
    } catch (error) {
      const hasEnded = error instanceof PosternError && error.diagnosis.code === awsSsoEnded.code
      if (!hasEnded || !(await beginSession())) throw error
      return find(signal, askCode)
    }
  }

  return {
    server: server.name,
    clock,
    time,
    isPinned: hasPins(server),
    howToConfirm: `${server.scope === "file" ? "start the server anew in the client" : `postern auth ${server.name}`}, if that is meant to be`,
    stamp: () => stampOf(watched),
    find: (signal) => find(signal),
    findOwn,
    check,
    async isConfirmed({ arn }, sinceMs) {
      const entry = (await vault.list()).find(({ name }) => name === record.name)
      if (entry === undefined || entry.changedAtMs < sinceMs) return false
      return (await vault.read(record.name, record.origin)) === principalOf(arn)
    },
    async signIn(interaction, signal, options = {}) {
      const found = await findWith(interaction, options, signal)
      const caller = await check(found, signal)
      if (caller !== undefined) await keep(caller, signal)
      return { ...found, caller: Promise.resolve(caller) }
    },
    async signOut() {
      await vault.remove(record.name)
    },
  }
}

const hash = (facts: readonly unknown[]): string => createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 32)

const chainOf = (source: Source, shared: SharedConfig): readonly string[] =>
  source.kind === "profile" ? profileChain(shared, source.profile) : []

/** What the identity hangs on, without a secret: a session of a role is shared by those who agree on it. */
function basisOf(source: Source, shared: SharedConfig, env: Environment): readonly unknown[] {
  if (source.kind === "variables") return [source.kind, env["AWS_ACCESS_KEY_ID"]]
  if (source.kind === "ambient") return [source.kind, env["AWS_ROLE_ARN"], env["AWS_WEB_IDENTITY_TOKEN_FILE"]]
  const chain = chainOf(source, shared).map((name) => {
    const { aws_secret_access_key: _, aws_session_token: __, ...facts } = shared.profiles.get(name) ?? {}
    const session = shared.ssoSessions.get(facts["sso_session"] ?? "")
    return [name, facts, session]
  })
  return [source.kind, chain]
}

function learn({ secretAccessKey, sessionToken }: AwsKeys, redactor: Redactor): void {
  redactor.learn(secretAccessKey)
  if (sessionToken !== undefined) redactor.learn(sessionToken)
}
