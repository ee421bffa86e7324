/** The one place that knows which key sources there are. */
import type { Clock } from "../core/clock.ts"
import type { Log } from "../core/log.ts"
import type { Places } from "../core/places.ts"
import { fileVault } from "./file.ts"
import { keyFile } from "./keys/key-file.ts"
import type { Vault } from "./vault.ts"

/** The vault of one user. Nothing is read, made or written until it is used. */
export function openVault(places: Pick<Places, "vault" | "vaultKey">, clock: Clock, log?: Log): Vault {
  return fileVault({ path: places.vault, keys: [keyFile(places.vaultKey)], clock, ...(log ? { log } : {}) })
}
