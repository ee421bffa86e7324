/** What is known of a secret without opening it, as it stands in the file: its schema, and its one spelling under the seal. */
import * as v from "valibot"
import type { SecretFacts } from "./vault.ts"

/** A plain secret has none in the file, as in the first format. */
export const factsSchema = v.strictObject({
  kind: v.picklist(["grant", "session", "client"]),
  subject: v.exactOptional(v.string()),
  account: v.exactOptional(v.string()),
  client: v.exactOptional(v.string()),
  resource: v.exactOptional(v.string()),
  scopes: v.exactOptional(v.array(v.string())),
  expiresAtMs: v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  renewable: v.exactOptional(v.boolean()),
  needsSignIn: v.exactOptional(v.string()),
})

type KeptFacts = v.InferOutput<typeof factsSchema>

/**
 * @returns the facts as the file has them: a member of the record, or none for a plain secret
 * @throws {TypeError} for facts that would make the file unreadable
 */
export function keepFacts(facts: SecretFacts): { readonly facts?: KeptFacts } {
  if (facts.kind === "secret") return {}
  const kept = v.safeParse(factsSchema, facts)
  if (!kept.success) throw new TypeError(`facts must be as the vault keeps them: ${v.getDotPath(kept.issues[0]) ?? "another shape"}`)
  return { facts: kept.output }
}

/** @returns nothing for a plain secret, so that it is sealed and opened as it ever was; JSON of an array has one reading */
export function spellFacts(facts: KeptFacts | undefined): readonly unknown[] {
  if (facts === undefined) return []
  const { kind, subject, account, client, resource, scopes, expiresAtMs, renewable, needsSignIn } = facts
  return [[kind, subject, account, client, resource, scopes, expiresAtMs, renewable, needsSignIn].map((fact) => fact ?? null)]
}
