/** Replaces the key of one server in its one place; running bridges read it again with their next message. */
import { headerValueProblem, isEmptyCredential } from "../config/header-rules.ts"
import { credentialEmpty, headerInvalid } from "../config/diagnoses.ts"
import type { Server } from "../config/server.ts"
import { parseTemplate } from "../config/template.ts"
import { PosternError, defineDiagnosis } from "../core/diagnosis.ts"
import type { VaultEntry } from "../vault/vault.ts"
import { noSecretToAsk } from "./diagnoses.ts"
import { originOf } from "./enroll.ts"
import type { AuthTools } from "./tools.ts"

export const severalSecrets = defineDiagnosis({
  code: "several-secrets",
  about: "The server has more than one secret in the vault, so the one to be replaced has to be named.",
  kind: "usage",
  tell: ({ server, keys }: { server: string; keys: readonly string[] }) => ({
    cause: `The server "${server}" has ${keys.length} secrets: ${keys.join(", ")}.`,
    evidence: ["nothing was changed"],
    next: `postern rotate ${server} --header ${keys[0] ?? ""}`,
  }),
})

/** One place of an entry that a secret of the vault fills. */
export interface SecretPlace {
  /** The header or variable. */
  readonly key: string
  readonly secret: string
  /** What stands before the reference in the file, for example `Bearer `. */
  readonly prefix: string
}

/**
 * Finds which secret a rotation is about.
 *
 * @param key - the header or variable; may be left out where there is only one secret
 * @throws {PosternError} `no-secret-to-ask`, `several-secrets`
 */
export function findSecretPlace(server: Server, key?: string): SecretPlace {
  const values = Object.entries(server.transport === "stdio" ? server.env : server.headers)
  const places = values.flatMap(([name, template]) => {
    const parts = parseTemplate(template)
    return parts.flatMap((part, index) =>
      part.kind === "secret"
        ? [
            {
              key: name,
              secret: part.name,
              prefix: parts
                .slice(0, index)
                .map(({ written }) => written)
                .join(""),
            },
          ]
        : [],
    )
  })
  const wanted = key === undefined ? places : places.filter((place) => place.key.toLowerCase() === key.toLowerCase())
  const [first, second] = wanted
  if (first === undefined) throw new PosternError(noSecretToAsk({ server: server.name, source: server.file }))
  if (second !== undefined) throw new PosternError(severalSecrets({ server: server.name, keys: wanted.map((place) => place.key) }))
  return first
}

/**
 * Replaces a secret.
 *
 * @param value - the whole header value; a bare token is accepted where the old value had a scheme, and keeps it
 * @returns what the vault now says of it
 * @throws {PosternError} `credential-empty`, `header-invalid`, `vault-no-entry`, `vault-*`
 */
export async function rotateSecret(server: Server, place: SecretPlace, value: string, tools: AuthTools): Promise<VaultEntry> {
  const { key, secret, prefix } = place
  const whole = prefix !== "" && value.startsWith(prefix) ? value.slice(prefix.length) : value
  if (server.transport !== "stdio") {
    const where = { server: server.name, file: server.file, key: `headers.${key}`, header: key }
    const problem = headerValueProblem(prefix + whole)
    if (isEmptyCredential(key, prefix + whole)) throw new PosternError(credentialEmpty({ ...where, source: "the new value" }))
    if (problem !== undefined) throw new PosternError(headerInvalid({ ...where, problem }))
  }
  tools.redactor.learn(whole)
  return tools.vault.replace(secret, await originOf(server, tools), (present) => keepScheme(present, whole))
}

/** `Bearer`, `Basic` and their like, before the credential (RFC 9110 section 11.4). */
const SCHEME = /^([A-Za-z][A-Za-z0-9-]*) +\S/

function keepScheme(present: string, value: string): string {
  const scheme = SCHEME.exec(present)?.[1]
  return scheme === undefined || SCHEME.test(value) ? value : `${scheme} ${value}`
}
