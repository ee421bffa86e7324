/**
 * `node … FOLDER TO[,TO…] [STEP]`: moves the vault's key there, one source after the other and again, and prints each; or, with a
 * step, moves once and dies there as `kill -9` would have it.
 */
import { join } from "node:path"
import { systemClock } from "../../src/core/clock.ts"
import { fileVault } from "../../src/vault/file.ts"
import { keyFile } from "../../src/vault/keys/key-file.ts"
import type { KeySource } from "../../src/vault/keys/key-source.ts"
import { keychainKey } from "../../src/vault/keys/keychain.ts"
import { passphraseKey } from "../../src/vault/keys/passphrase.ts"
import { KEY_SOURCE_NAMES } from "../../src/vault/vault.ts"

const [folder = "", list = "", step = ""] = process.argv.slice(2)

function dieAt(reached: string): void {
  if (reached === step) process.kill(process.pid, "SIGKILL")
}

function dying(source: KeySource): KeySource {
  return {
    ...source,
    async create(id) {
      dieAt("before the new key")
      const made = await source.create(id)
      dieAt("after the new key")
      return made
    },
    async load(params) {
      const key = await source.load(params)
      if (source.name === list) dieAt("after the look at the new key")
      return key
    },
    async remove(params) {
      dieAt("before the old key goes")
      await source.remove(params)
      dieAt("after the old key went")
    },
  }
}

const keychain = dying(keychainKey({ env: process.env, limitMs: 10_000 }))
const passphrase = dying(passphraseKey({ of: "the vault", variable: "POSTERN_PASSPHRASE_FILE", env: process.env, right: "another" }))
const file = dying(keyFile(join(folder, "state", "vault.key")))
const sources = { keys: [keychain, passphrase, file], forNew: [file], forExport: passphrase } as const
const vault = fileVault({ path: join(folder, "data", "vault.json"), ...sources, clock: systemClock })
const targets = list.split(",").flatMap((name) => KEY_SOURCE_NAMES.filter((known) => known === name))
for (let rounds = step === "" ? Number.POSITIVE_INFINITY : 1; rounds > 0; rounds--) {
  for (const to of targets) {
    await vault.move(to)
    process.stdout.write(`${to}\n`)
  }
}
