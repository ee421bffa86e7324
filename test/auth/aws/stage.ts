/** A small AWS on loopback (users, STS, a server behind a verifying door), and a home whose files say who one is. */
import { createHash } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { awsAuthenticator } from "../../../src/auth/aws/aws.ts"
import type { Authenticator } from "../../../src/auth/method.ts"
import type { AuthTools } from "../../../src/auth/tools.ts"
import { passDoor } from "../../../src/bridge/door.ts"
import type { AwsSettings, HttpServer, Pin } from "../../../src/config/server.ts"
import { type Clock, systemClock } from "../../../src/core/clock.ts"
import { type Answer, createHttp } from "../../../src/core/http.ts"
import { createRedactor } from "../../../src/core/redact.ts"
import { type AwsEndpoint, type AwsEndpointSettings, startAwsEndpoint } from "../../servers/aws/endpoint.ts"
import type { Holders } from "../../servers/aws/keys.ts"
import { startSts, type Sts } from "../../servers/aws/sts.ts"
import { makeVaultFolder, type VaultFolder } from "../../vault/vault-folder.ts"

export interface AwsStage extends AsyncDisposable {
  readonly holders: Holders
  readonly sts: Sts
  readonly endpoint: AwsEndpoint
  readonly folder: VaultFolder
  /** What programs get; a test adds to it. */
  readonly env: Record<string, string>
  /** Writes `~/.aws/credentials` and `~/.aws/config`. */
  write(files: { readonly credentials?: string; readonly config?: string }): Promise<void>
  /** Writes the token of an SSO session, as `aws sso login` does. */
  writeSsoToken(session: string, token: { readonly accessToken: string; readonly expiresAt: string }): Promise<void>
  /** The entry of the endpoint. */
  server(more?: { readonly aws?: AwsSettings; readonly pin?: Pin; readonly headers?: Record<string, string> }): HttpServer
  /** The method at work, as in another process: with nothing in memory. */
  authenticator(server?: HttpServer, clock?: Clock): Authenticator
  /** Sends one message through the door. */
  call(authenticator: Authenticator, more?: { readonly path?: string; readonly headers?: Record<string, string> }): Promise<Answer>
}

const MESSAGE = Buffer.from(
  JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25", name: "größe" } }),
)

/** A port of this machine where nobody listens: what IAM would say of a denial is left unknown. */
const NOBODY = "http://127.0.0.1:9"

export async function makeStage(settings: Omit<AwsEndpointSettings, "holders"> = {}): Promise<AwsStage> {
  const holders: Holders = new Map()
  const sts = await startSts(holders, settings.region)
  const endpoint = await startAwsEndpoint({ holders, ...settings })
  const folder = await makeVaultFolder()
  const http = createHttp({ silenceMs: 10_000, connectMs: 5_000 })
  const env: Record<string, string> = {
    HOME: folder.path,
    USER: "anna",
    AWS_ENDPOINT_URL_STS: sts.url,
    AWS_ENDPOINT_URL_IAM: NOBODY,
    AWS_EC2_METADATA_DISABLED: "true",
  }
  const { service = "execute-api", region = "ap-southeast-1" } = settings

  const stage: AwsStage = {
    holders,
    sts,
    endpoint,
    folder,
    env,
    async write({ credentials, config }) {
      await mkdir(folder.at(".aws"), { recursive: true })
      if (credentials !== undefined) await writeFile(folder.at(".aws", "credentials"), credentials)
      if (config !== undefined) await writeFile(folder.at(".aws", "config"), config)
    },
    async writeSsoToken(session, token) {
      const cache = folder.at(".aws", "sso", "cache")
      await mkdir(cache, { recursive: true })
      await writeFile(join(cache, `${createHash("sha1").update(session).digest("hex")}.json`), JSON.stringify(token), { mode: 0o600 })
    },
    server: ({ aws, pin, headers = {} } = {}) => ({
      name: "finance",
      scope: "user",
      file: "/home/anna/config.json",
      trusted: true,
      enabled: true,
      transport: "http",
      url: endpoint.url,
      headers,
      aws: { service, region, ...aws },
      ...(pin === undefined ? {} : { pin }),
    }),
    authenticator(server = stage.server(), clock = systemClock) {
      const tools: AuthTools = { vault: folder.open(clock), env, redactor: createRedactor(), clock }
      return awsAuthenticator(server, endpoint.origin, tools)
    },
    call(authenticator, { path = "/mcp", headers = {} } = {}) {
      const request = {
        method: "POST",
        url: new URL(path, endpoint.origin),
        headers: { "content-type": "application/json", ...headers },
        body: MESSAGE,
      } as const
      return passDoor(request, { http, authenticator, clock: systemClock }, AbortSignal.timeout(30_000))
    },
    async [Symbol.asyncDispose]() {
      http.close()
      await endpoint.close()
      await sts[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
  return stage
}
