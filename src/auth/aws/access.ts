/** Who one is to AWS, for the commands that look at it: for a server as its entry says, or by what a profile or the environment names. */
import type { HttpServer } from "../../config/server.ts"
import type { Environment } from "../../core/places.ts"
import { serverAddress } from "../server-address.ts"
import type { AuthTools } from "../tools.ts"
import { openAwsHttp } from "./aws-http.ts"
import { type FrontDoor, frontDoorOf, partitionOf } from "./endpoint.ts"
import type { Found } from "./identity.ts"
import type { QueryTools } from "./query.ts"
import { type ServerTime, serverTime } from "./server-time.ts"
import { readSharedConfig, sharedFiles } from "./shared-config.ts"
import { type Caller, getCallerIdentity } from "./sts.ts"
import { type AwsSource, openSource } from "./who.ts"

/** What a command asks AWS with. Disposing of it ends its connections. */
export interface AwsAccess extends AsyncDisposable {
  readonly server: HttpServer
  readonly door: FrontDoor
  readonly source: AwsSource
  readonly tools: AuthTools & QueryTools
  /** Asks AWS whose the keys are. */
  callerOf(found: Pick<Found, "credentials" | "region" | "env">, signal: AbortSignal): Promise<Caller>
}

/** What stands in for an entry. */
export interface AccessOptions {
  readonly profile?: string | undefined
  readonly region?: string | undefined
}

/**
 * @param server - undefined: whatever `options` and the environment name
 * @throws {PosternError} `aws-endpoint-unknown`, and what expanding an address throws
 */
export async function openAccess(server: HttpServer | undefined, options: AccessOptions, tools: AuthTools): Promise<AwsAccess> {
  const { env, clock } = tools
  const entry = server === undefined ? ambientEntry(options) : withProfile(server, options)
  const url = server === undefined ? undefined : await serverAddress(entry, tools)
  const door = url === undefined ? await ambientDoor(options, env) : frontDoorOf(entry, url)
  const time: ServerTime = serverTime(clock)
  const http = openAwsHttp(entry, env)
  const source = openSource({ server: entry, door, tools, time, http })
  return {
    server: entry,
    door,
    source,
    tools: { ...tools, http, time },
    callerOf: async ({ credentials, region, env: asked }, signal) =>
      credentials.caller ?? (await getCallerIdentity(credentials, { http, env: asked, time, region }, signal)),
    async [Symbol.asyncDispose]() {
      http.close()
    },
  }
}

function withProfile(server: HttpServer, { profile, region }: AccessOptions): HttpServer {
  const given = { ...(profile === undefined ? {} : { profile }), ...(region === undefined ? {} : { region }) }
  return { ...server, aws: { ...server.aws, ...given } }
}

function ambientEntry({ profile, region }: AccessOptions): HttpServer {
  const aws = { ...(profile === undefined ? {} : { profile }), ...(region === undefined ? {} : { region }) }
  const place = { name: "", file: "the command line", scope: "user", trusted: true, enabled: true } as const
  return { ...place, transport: "http", url: "", headers: {}, aws }
}

/** Where STS is asked when there is no server: the region that is named, or the first one of the partition. */
async function ambientDoor({ profile, region }: AccessOptions, env: Environment): Promise<FrontDoor> {
  const name = profile ?? env["AWS_PROFILE"] ?? "default"
  const named =
    region ?? env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? (await readSharedConfig(sharedFiles(env))).profiles.get(name)?.["region"]
  const chosen = named || "us-east-1"
  return { name: "STS", service: "sts", region: chosen, partition: partitionOf(chosen), payload: "signed" }
}
