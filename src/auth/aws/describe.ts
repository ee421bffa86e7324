/** Who would sign for a server, from files alone: for `list`, which asks nobody, starts nothing and needs no key. */
import type { HttpServer } from "../../config/server.ts"
import type { Identity } from "../../core/identity.ts"
import type { SecretFacts } from "../../vault/vault.ts"
import type { AuthTools } from "../tools.ts"
import { confirmationsFor } from "./confirmation.ts"
import { type Look, lookAround } from "./look.ts"
import { principalOf } from "./pins.ts"

/**
 * Describes the identity of a server.
 *
 * @returns whom a person has confirmed for just these credentials, or what the files say; the keys themselves are not looked at
 * @throws {PosternError} `aws-sources-disagree`, `file-unreadable`, `vault-*`
 */
export async function describeIdentity(server: HttpServer, { env, vault }: Pick<AuthTools, "env" | "vault">): Promise<Identity> {
  const look = await lookAround(server, env)
  const facts = (await confirmationsFor(server, vault).facts(look.basis)) ?? whoInFiles(server, look)
  const { subject, account } = facts
  const sessions = (await vault.list()).filter(({ name }) => name.startsWith("aws/")).map((entry) => entry.facts)
  const expiresAtMs = subject === undefined ? undefined : endOfSession(subject, sessions)
  return {
    subject: subject ?? `whoever holds ${look.source.told}`,
    source: look.source.told,
    ...(account === undefined ? {} : { account }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  }
}

function whoInFiles({ aws }: HttpServer, { shared, chain }: Look): Pick<SecretFacts, "subject" | "account"> {
  const { role_arn, sso_account_id: account, sso_role_name: name } = shared.profiles.get(chain[0] ?? "") ?? {}
  const role = aws?.assumeRole ?? role_arn
  if (role !== undefined) return { subject: role, account: role.split(":")[4] ?? "" }
  return { ...(name === undefined ? {} : { subject: `the role ${name} of AWS SSO` }), ...(account === undefined ? {} : { account }) }
}

/** When the session of a role ends that lies in the vault, in milliseconds since 1970. */
function endOfSession(subject: string, sessions: readonly SecretFacts[]): number | undefined {
  const own = sessions.filter((facts) => facts.subject !== undefined && principalOf(facts.subject) === principalOf(subject))
  return own.length === 0 ? undefined : Math.max(...own.map((facts) => facts.expiresAtMs ?? 0))
}
