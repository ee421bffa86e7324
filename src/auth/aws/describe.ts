/** Who would sign for a server, from files alone: for `list`, which asks nobody, starts nothing and needs no key. */
import { createHash } from "node:crypto"
import type { HttpServer } from "../../config/server.ts"
import type { Identity } from "../../core/identity.ts"
import type { AuthTools } from "../tools.ts"
import { profileChain, readSharedConfig, type SharedConfig, sharedFiles } from "./shared-config.ts"
import { chooseSource } from "./source.ts"

/**
 * Describes the identity of a server.
 *
 * @returns whom a person has confirmed, or what the files say; the keys themselves are not looked at
 * @throws {PosternError} `aws-sources-disagree`, `file-unreadable`, `vault-*`
 */
export async function describeIdentity(server: HttpServer, { env, vault }: Pick<AuthTools, "env" | "vault">): Promise<Identity> {
  const shared = await readSharedConfig(sharedFiles(env))
  const source = chooseSource(server, env, shared.profiles.has("default"))
  const confirmed = (await vault.list()).find(({ name }) => name === confirmedRecord(server).name)?.facts
  const [profile] = source.kind === "profile" ? profileChain(shared, source.profile) : []
  const { subject, account } = confirmed ?? whoInFiles(server, shared, profile)
  return { subject: subject ?? `whoever holds ${source.told}`, source: source.told, ...(account === undefined ? {} : { account }) }
}

/** Where the vault keeps which identity a person has confirmed for a server. The identity itself is no secret. */
export function confirmedRecord({ name, file }: Pick<HttpServer, "name" | "file">): { readonly name: string; readonly origin: string } {
  const id = createHash("sha256")
    .update(JSON.stringify([name, file]))
    .digest("hex")
    .slice(0, 32)
  return { name: `aws-identity/${id}`, origin: "https://sts.amazonaws.com" }
}

function whoInFiles(
  { aws }: HttpServer,
  { profiles }: SharedConfig,
  profile = "",
): { readonly subject?: string | undefined; readonly account?: string | undefined } {
  const { role_arn, sso_account_id: account, sso_role_name: name } = profiles.get(profile) ?? {}
  const role = aws?.assumeRole ?? role_arn
  if (role !== undefined) return { subject: role, account: role.split(":")[4] }
  return { subject: name === undefined ? undefined : `the role ${name} of AWS SSO`, account }
}
