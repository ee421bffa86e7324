/** A folder with the places of a vault and its key, apart as in real life; `await using` removes it. */
import { readFile, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import type { Clock } from "../../src/core/clock.ts"
import { systemClock } from "../../src/core/clock.ts"
import { type OpenOptions, openVault } from "../../src/vault/open.ts"
import type { Vault } from "../../src/vault/vault.ts"
import { type TestFolder, makeFolder } from "../core/folder.ts"

export interface VaultFolder extends TestFolder {
  readonly vaultPath: string
  readonly keyPath: string
  /** A vault object that has read nothing yet, as another process would have; without a keychain or a person, unless given. */
  open(clock?: Clock, options?: OpenOptions): Vault
  /** The bytes of every file in the folder, by path. */
  contents(): Promise<Record<string, string>>
}

export async function makeVaultFolder(): Promise<VaultFolder> {
  const folder = await makeFolder()
  return placesIn(folder)
}

export function placesIn(folder: TestFolder): VaultFolder {
  const [vaultPath, keyPath] = [folder.at("data", "vault.json"), folder.at("state", "vault.key")]
  return {
    ...folder,
    vaultPath,
    keyPath,
    // A variable that leads nowhere: the keychain of whoever runs the tests is not ours.
    open: (clock = systemClock, options) =>
      openVault({ vault: vaultPath, vaultKey: keyPath }, clock, { env: { XDG_RUNTIME_DIR: folder.path }, ...options }),
    async contents() {
      const names = await readdir(folder.path, { recursive: true })
      const files: Record<string, string> = {}
      for (const name of names.toSorted()) {
        const path = join(folder.path, name)
        if ((await stat(path)).isFile()) files[name] = await readFile(path, "latin1")
      }
      return files
    },
  }
}
