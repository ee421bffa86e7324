/** Who exists in a small AWS of our own: users, and the sessions of roles that are made while a test runs. */
import { randomBytes } from "node:crypto"

/** Somebody who holds keys. */
export interface Holder {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly account: string
  readonly arn: string
  /** When the keys end, in milliseconds since 1970. */
  readonly expiresAtMs?: number
}

/** All who hold keys, by the id of their key. Doubles of one test share it. */
export type Holders = Map<string, Holder>

/** Makes a user with lasting keys. */
export function addUser(holders: Holders, name: string, account = "123456789012"): Holder {
  const holder = { accessKeyId: newKeyId("AKIA"), secretAccessKey: newSecretKey(), account, arn: `arn:aws:iam::${account}:user/${name}` }
  holders.set(holder.accessKeyId, holder)
  return holder
}

/** Makes a session of a role, as STS and SSO do. */
export function addSession(holders: Holders, { role, session, seconds }: { role: string; session: string; seconds: number }): Holder {
  const [, partition, , , account = "", resource = ""] = role.split(":")
  const holder = {
    accessKeyId: newKeyId("ASIA"),
    secretAccessKey: newSecretKey(),
    sessionToken: randomBytes(120).toString("base64"),
    account,
    arn: `arn:${partition}:sts::${account}:assumed-role/${resource.split("/").at(-1)}/${session}`,
    expiresAtMs: Date.now() + seconds * 1000,
  }
  holders.set(holder.accessKeyId, holder)
  return holder
}

/** The variables that hand keys to a program. */
export function toVariables({ accessKeyId, secretAccessKey, sessionToken }: Holder): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    ...(sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: sessionToken }),
  }
}

/** A section of `~/.aws/credentials`. */
export function toCredentialsFile(profile: string, { accessKeyId, secretAccessKey, sessionToken }: Holder): string {
  const token = sessionToken === undefined ? "" : `aws_session_token = ${sessionToken}\n`
  return `[${profile}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n${token}`
}

const newKeyId = (prefix: string): string => prefix + randomBytes(10).toString("hex").toUpperCase().slice(0, 16)
const newSecretKey = (): string => randomBytes(30).toString("base64")
