/** Whose sign-in a server uses. Light enough for a bridge that has no part in OAuth: it is asked whether there is a grant at all. */
import { createHash } from "node:crypto"
import { isAccountLabel } from "../../config/oauth-schema.ts"
import type { Findable } from "../../config/server-command.ts"
import type { HttpServer } from "../../config/server.ts"
import type { AddressPolicy } from "../../core/address-gate.ts"
import type { Vault } from "../../vault/vault.ts"
import { serverAddress, serverAddressInClear } from "../server-address.ts"
import type { AuthTools } from "../tools.ts"

/** Whose sign-in for which server. */
export interface GrantOwner {
  readonly server: Findable
  /** The account's label: the server's name, unless it is set. Two servers with one label share a sign-in on purpose. */
  readonly label: string
  /** Of the server. */
  readonly url: URL
  /** Whether addresses in private networks may be opened on its behalf. */
  readonly allowPrivate: boolean
}

/** @throws {PosternError} as `serverAddress` */
export async function grantOwner(server: HttpServer, tools: Pick<AuthTools, "env" | "vault">): Promise<GrantOwner> {
  return ownerAt(await serverAddress(server, tools), server)
}

/** The same without the secrets of the address: enough to say whose sign-in it is, and needs no key. */
export async function grantOwnerInClear(server: HttpServer, tools: Pick<AuthTools, "env">): Promise<GrantOwner> {
  return ownerAt(await serverAddressInClear(server, tools), server)
}

function ownerAt(url: URL, server: HttpServer): GrantOwner {
  return { server, label: labelOf(server), url, allowPrivate: server.allowPrivate === true }
}

/** The names of all grants of a label begin with this. */
export function grantPrefix(label: string): string {
  return `oauth/${label}/`
}

/** Whether somebody has signed in for this server, at this origin. Needs no key. */
export async function hasGrant(server: HttpServer, origin: string, vault: Vault): Promise<boolean> {
  const prefix = grantPrefix(labelOf(server))
  return (await vault.list()).some((entry) => entry.facts.kind === "grant" && entry.origin === origin && entry.name.startsWith(prefix))
}

/** A name that another client gave may hold what no name in the vault can. */
export function labelOf({ name, oauth }: HttpServer): string {
  const label = oauth?.account ?? name
  return isAccountLabel(label) ? label : `_${createHash("sha256").update(label).digest("hex").slice(0, 16)}`
}

/** @returns what addresses may be opened on behalf of a server */
export function policyOf({ url, allowPrivate }: GrantOwner): AddressPolicy {
  return { home: url, allowPrivate }
}
