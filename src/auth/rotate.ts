/** Replaces the key of one server in its one place; running bridges read it again with their next message. */
import { headerValueProblem, isEmptyCredential } from "../config/header-rules.ts"
import { addressInvalid, credentialEmpty, headerInvalid } from "../config/expand-diagnoses.ts"
import type { Server } from "../config/server.ts"
import { parseTemplate } from "../config/template.ts"
import { PosternError, defineDiagnosis } from "../core/diagnosis.ts"
import { escapeControls, quote } from "../core/redact.ts"
import { posternCommand, shellWord } from "../core/shell.ts"
import type { VaultEntry } from "../vault/vault.ts"
import { asGiven } from "./as-given.ts"
import { noSecretToAsk } from "./diagnoses.ts"
import { describeSource } from "./header.ts"
import { originOf } from "./server-address.ts"
import type { AuthTools } from "./tools.ts"

/** A rotation that does not say which of the secrets it is about. */
export const severalSecrets = defineDiagnosis({
  code: "several-secrets",
  about: "The server has more than one secret in the vault, so the one to be replaced has to be named.",
  kind: "usage",
  tell: ({ server, keys }: { server: string; keys: readonly string[] }) => ({
    cause: `The server "${server}" has ${keys.length} secrets: ${keys.join(", ")}.`,
    evidence: ["nothing was changed"],
    next: posternCommand("rotate", server, `--header ${shellWord(keys[0] ?? "")}`),
  }),
})

/** A rotation of a header, variable or parameter that holds no secret. */
export const secretNotThere = defineDiagnosis({
  code: "secret-not-there",
  about: "The server has secrets in the vault, and none of them stands in the header, variable or parameter that was named.",
  kind: "usage",
  tell: ({ server, key, has }: { server: string; key: string; has: readonly string[] }) => ({
    cause: `The server "${server}" has no secret named ${quote(key, 80)}.`,
    evidence: [`its secrets: ${has.join(", ")}`, "nothing was changed"],
    next: posternCommand("rotate", server, `--header ${shellWord(has[0] ?? "")}`),
  }),
})

/** One place of an entry that a secret of the vault fills. */
export interface SecretPlace {
  /** The header, the variable, or the parameter of the address. */
  readonly key: string
  readonly secret: string
  readonly kind: "header" | "variable" | "address"
  /** What stands before the reference in a header, for example `Bearer `. */
  readonly prefix: string
}

/**
 * Finds which secret a rotation is about.
 *
 * @param key - the header, variable or parameter; may be left out where there is only one secret
 * @throws {PosternError} `no-secret-to-ask`, `secret-not-there`, `several-secrets`
 */
export function findSecretPlace(server: Server, key?: string): SecretPlace {
  const places = secretPlaces(server)
  const wanted = key === undefined ? places : places.filter((place) => place.key.toLowerCase() === key.toLowerCase())
  const [first, second] = wanted
  if (first === undefined) {
    const has = places.map((place) => place.key)
    throw new PosternError(
      has.length > 0 && key !== undefined
        ? secretNotThere({ server: server.name, key, has })
        : noSecretToAsk({ server, source: server.transport === "stdio" ? server.file : describeSource(server) }),
    )
  }
  if (second !== undefined) throw new PosternError(severalSecrets({ server: server.name, keys: wanted.map((place) => place.key) }))
  return first
}

function secretPlaces(server: Server): readonly SecretPlace[] {
  const among = (kind: "header" | "variable", values: Readonly<Record<string, string>>): SecretPlace[] =>
    Object.entries(values).flatMap(([key, template]) =>
      secretsIn(template).map(({ secret, before }) => ({ key, secret, kind, prefix: before })),
    )
  if (server.transport === "stdio") return among("variable", server.env)
  const inAddress = secretsIn(server.url).map(({ secret, before }): SecretPlace => {
    const parameter = /[?&]([^?&=#]+)=$/.exec(before)?.[1]
    return { key: parameter ?? "url", secret, kind: "address", prefix: "" }
  })
  return [...among("header", server.headers), ...inAddress]
}

/** The secrets of one text, each with what is written before it. */
function secretsIn(template: string): readonly { readonly secret: string; readonly before: string }[] {
  let before = ""
  return parseTemplate(template).flatMap((part) => {
    const found = part.kind === "secret" ? [{ secret: part.name, before }] : []
    before += part.written
    return found
  })
}

/**
 * Replaces a secret.
 *
 * @param value - the whole header value; a bare token is accepted where the old value had a scheme, and keeps it
 * @returns what the vault now says of it
 * @throws {PosternError} `credential-empty`, `header-invalid`, `address-invalid`, as wrong usage; `vault-no-entry`, `vault-*`
 */
export async function rotateSecret(server: Server, place: SecretPlace, value: string, tools: AuthTools): Promise<VaultEntry> {
  const { secret, prefix, kind } = place
  // Whoever pastes the whole header value means the same.
  const bare = prefix !== "" && value.toLowerCase().startsWith(prefix.toLowerCase()) ? value.slice(prefix.length) : value
  tools.redactor.learn(bare)
  checkValue(server, place, bare)
  return tools.vault.replace(secret, await originOf(server, tools), (present) => (kind === "header" ? keepScheme(present, bare) : bare))
}

function checkValue({ name, file }: Server, { key, kind, prefix }: SecretPlace, bare: string): void {
  const where = { server: name, file, key }
  const evidence = [`server: ${quote(name)}`, `key: ${quote(key)}`]
  if (kind === "address" && !/^[\w.~!$'()*,;:@/?+%-]+$/.test(bare)) {
    throw asGiven(addressInvalid({ ...where, problem: "the new value has characters that must stand as %XX there" }), { evidence })
  }
  if (kind !== "header") return
  if (SCHEME_ALONE.test(prefix) && SCHEME.test(bare)) {
    const scheme = prefix.trim()
    const next = `give the credential of ${scheme} alone, or write the other scheme into the entry in ${escapeControls(file)} first`
    throw asGiven(
      headerInvalid({ ...where, header: key, problem: `the entry says ${scheme}, and the new value begins with another scheme` }),
      {
        evidence,
        next,
      },
    )
  }
  const problem = headerValueProblem(prefix + bare)
  if (isEmptyCredential(key, prefix + bare)) {
    throw asGiven(credentialEmpty({ ...where, header: key, source: "the new value" }), { evidence })
  }
  if (problem !== undefined) throw asGiven(headerInvalid({ ...where, header: key, problem }), { evidence })
}

/** `Bearer`, `Basic` and their like, before the credential (RFC 9110 section 11.4). */
const SCHEME = /^([A-Za-z][A-Za-z0-9-]*) +\S/
const SCHEME_ALONE = /^[A-Za-z][A-Za-z0-9-]* +$/

function keepScheme(present: string, value: string): string {
  const scheme = SCHEME.exec(present)?.[1]
  return scheme === undefined || SCHEME.test(value) ? value : `${scheme} ${value}`
}
