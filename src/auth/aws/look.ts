/** What the environment and the shared files say at one moment of who signs for a server. Asks nobody, and starts nothing. */
import { createHash } from "node:crypto"
import type { HttpServer } from "../../config/server.ts"
import type { Environment } from "../../core/places.ts"
import { sessionPolicyFile } from "./role-request.ts"
import { profileChain, readSharedConfig, type SharedConfig, sharedFiles, ssoTokenFile } from "./shared-config.ts"
import { chooseSource, type Source } from "./source.ts"

/** One moment's view. It goes stale with its files: `stampOf(files)` tells. */
export interface Look {
  readonly shared: SharedConfig
  readonly source: Source
  /** The profiles that the source builds on, the one that is named first of all; empty where it is no profile. */
  readonly chain: readonly string[]
  /** What the identity hangs on, without a secret, as a hash: sessions of roles are shared by those who agree on it. */
  readonly basis: string
  /** The files that it depends on. */
  readonly files: readonly string[]
}

/** @throws {PosternError} `aws-sources-disagree`, `file-unreadable` */
export async function lookAround(server: HttpServer, env: Environment): Promise<Look> {
  const files = sharedFiles(env)
  const shared = await readSharedConfig(files)
  const source = chooseSource(server, env, shared.profiles.has("default"))
  const chain = source.kind === "profile" ? profileChain(shared, source.profile) : []
  const tokens = chain.map((name) => ssoTokenFile(shared, files, name) ?? shared.profiles.get(name)?.["web_identity_token_file"])
  const named = [...tokens, env["AWS_WEB_IDENTITY_TOKEN_FILE"], sessionPolicyFile(server)].filter((path) => path !== undefined)
  return { shared, source, chain, basis: basisOf(source, { shared, chain, env }), files: [files.config, files.credentials, ...named] }
}

function basisOf(source: Source, { shared, chain, env }: Pick<Look, "shared" | "chain"> & { readonly env: Environment }): string {
  const profiles = chain.map((name) => {
    const { aws_secret_access_key: _, aws_session_token: __, ...facts } = shared.profiles.get(name) ?? {}
    return [name, facts, shared.ssoSessions.get(facts["sso_session"] ?? "")]
  })
  const variables = source.kind === "variables" ? ["AWS_ACCESS_KEY_ID"] : ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"]
  const facts = source.kind === "profile" ? profiles : variables.map((name) => env[name])
  return createHash("sha256")
    .update(JSON.stringify([source.kind, facts]))
    .digest("hex")
}
