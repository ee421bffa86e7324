/** What a person has said about who may sign for a server: kept in the vault, so that a running bridge hears of it. */
import { createHash } from "node:crypto"
import type { HttpServer } from "../../config/server.ts"
import type { SecretFacts, Vault, VaultEntry } from "../../vault/vault.ts"
import { principalOf } from "./pins.ts"
import type { Caller } from "./sts.ts"

/** The parameter `basis` is what the credentials hang on (`Look.basis`): what was said of others says nothing of these. */
export interface Confirmations {
  /** Keeps that this caller is meant. */
  keep(basis: string, caller: Caller, signal: AbortSignal): Promise<void>
  /** Whether it was said since that time. */
  cover(basis: string, caller: Caller, sinceMs: number): Promise<boolean>
  /** Who was said last; needs no key. */
  facts(basis: string): Promise<SecretFacts | undefined>
  /** Forgets all that was said for the server. */
  forget(): Promise<void>
}

/** The wait for another process that confirms, and the time to write, in milliseconds. */
const TERMS = { waitMs: 10_000, holdMs: 10_000 }
/** It is sent to nobody. */
const ORIGIN = "https://sts.amazonaws.com"

/**
 * Confirmations for one entry: another name, file, source or role (`aws.assumeRole`) is another record of the vault.
 *
 * Who was confirmed is kept as a secret, without the session's name, so that somebody who can only write files cannot forge it.
 */
export function confirmationsFor({ name, file, aws }: Pick<HttpServer, "name" | "file" | "aws">, vault: Vault): Confirmations {
  const ofServer = `aws-identity/${hash([name, file])}`
  const nameOf = (basis: string): string => `${ofServer}/${hash([basis, aws?.assumeRole])}`
  const find = async (basis: string): Promise<VaultEntry | undefined> => (await vault.list()).find((one) => one.name === nameOf(basis))

  return {
    async keep(basis, { account, arn }, signal) {
      const next = { secret: principalOf(arn), facts: { kind: "session", subject: arn, account } as const }
      await vault.renew({ name: nameOf(basis), origin: ORIGIN }, async () => ({ next, result: undefined }), TERMS, signal)
    },
    async cover(basis, { arn }, sinceMs) {
      const kept = await find(basis)
      if (kept === undefined || kept.changedAtMs < sinceMs) return false
      return (await vault.read(kept.name, ORIGIN)) === principalOf(arn) // the facts prove nothing without the key
    },
    facts: async (basis) => (await find(basis))?.facts,
    async forget() {
      const said = (await vault.list()).filter((one) => one.name.startsWith(`${ofServer}/`))
      for (const one of said) await vault.remove(one.name)
    },
  }
}

const hash = (facts: readonly unknown[]): string => createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 24)
