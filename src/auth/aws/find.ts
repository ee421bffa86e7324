/** Finds the credentials for one server: its source, and the role on top of it. */
import type { HttpServer } from "../../config/server.ts"
import type { Http } from "../../core/http.ts"
import type { Redactor } from "../../core/redact.ts"
import type { MethodTools } from "../tools.ts"
import { signInCommand } from "../sign-in-command.ts"
import { assumeOrExplain } from "./assume.ts"
import { type AwsCredentials, resolveCredentials, type RoleWish } from "./credentials.ts"
import type { FrontDoor } from "./endpoint.ts"
import type { Found } from "./identity.ts"
import { type Look, lookAround } from "./look.ts"
import { regionFor } from "./region.ts"
import { withProfileEndpoints } from "./profile-endpoints.ts"
import type { RoleTools } from "./role.ts"
import { configuredRole, wishedRole } from "./role-request.ts"
import type { ServerTime } from "./server-time.ts"
import { sharedFiles, stampOf } from "./shared-config.ts"
import type { AwsKeys } from "./sign.ts"
import type { SsoTools } from "./sso-token.ts"

/** Looks into files and asks sources anew at each call; it remembers only which files to watch, and what could not be written yet. */
export interface Finder {
  /** How the files are now that the credentials depend on. */
  stamp(): string
  /** What the files say now. */
  look(): Promise<Look>
  /**
   * Finds the credentials that ask for the role, where there is one, and what assuming it takes.
   *
   * @param askCode - asks a person for a code of an MFA device; absent where there is none to ask
   * @throws {PosternError} what `lookAround`, `resolveCredentials` and `assumeOrExplain` throw
   */
  findOwn(signal: AbortSignal, askCode?: RoleTools["askCode"]): Promise<Found & { readonly roles: RoleTools }>
  /** Says that a key was refused as ended or unknown, so that a session with it is made anew; heard once a minute. */
  refuse(accessKeyId: string): void
  /** Finds the credentials that sign. As `findOwn`. */
  find(signal: AbortSignal, askCode?: RoleTools["askCode"]): Promise<Found>
}

/** For which server credentials are found, and with what. */
export interface FinderTools {
  readonly server: HttpServer
  readonly door: FrontDoor
  readonly tools: Omit<MethodTools, "http">
  readonly time: ServerTime
  /** As `openAwsHttp` opens it. */
  readonly http: Http
}

/** A session of a role is made anew for a refusal once in this time, in milliseconds: a server that refuses every key gains nothing. */
const REFUSED_AGAIN_MS = 60_000

/** Opens a finder for one server. Asks and reads nothing yet; secrets that it finds are made known to the redactor. */
export function openFinder({ server, door, tools, time, http }: FinderTools): Finder {
  const { env, clock, redactor } = tools
  const { config, credentials: secrets } = sharedFiles(env)
  /** The files that the present source depends on: which ones, they say themselves. */
  let watched: readonly string[] = [config, secrets]
  const stamp = (): string => stampOf(watched)
  const unstored: NonNullable<SsoTools["unstored"]> = new Map()
  let refused: { readonly key: string; readonly atMs: number } | undefined

  const look = async (): Promise<Look> => {
    const found = await lookAround(server, env)
    watched = found.files
    return found
  }

  const findOwn: Finder["findOwn"] = async (signal, askCode) => {
    await look() // learns which files to watch
    const stampBefore = stamp()
    const { shared, source, basis } = await look()
    const asked = withProfileEndpoints(source.kind === "profile" ? source.profile : undefined, shared, env)
    const region = regionFor(server, door, { source, shared, env })
    const signIn = signInCommand(server)
    const common = { ...tools, server: signIn === undefined ? "" : server.name, signIn, env: asked, http, region, unstored }
    const roles: RoleTools = {
      ...common,
      time,
      basis,
      refusedKey: refused?.key,
      ...(askCode === undefined ? {} : { askCode }),
    }
    const lend = async (wish: RoleWish, keys: AwsKeys | undefined): Promise<AwsCredentials> =>
      assumeOrExplain(await wishedRole(wish, server.name, env), keys, roles, signal)
    const credentials = await resolveCredentials(source, { ...common, shared, assumeRole: lend }, signal)
    learn(credentials, redactor)
    return { credentials, source: source.told, region, env: asked, basis, stamp: stampBefore, roles }
  }

  return {
    stamp,
    look,
    findOwn,
    refuse(key) {
      if (refused === undefined || clock.now() - refused.atMs > REFUSED_AGAIN_MS) refused = { key, atMs: clock.now() }
    },
    async find(signal, askCode) {
      const { roles, ...own } = await findOwn(signal, askCode)
      const role = await configuredRole(server, door, env)
      if (role === undefined) return own
      const credentials = await assumeOrExplain(role, own.credentials, roles, signal)
      return { ...own, credentials, source: `the role ${role.role}, assumed as ${own.source}` }
    },
  }
}

function learn({ secretAccessKey, sessionToken }: AwsKeys, redactor: Redactor): void {
  redactor.learnPassing(secretAccessKey)
  if (sessionToken !== undefined) redactor.learnPassing(sessionToken)
}
