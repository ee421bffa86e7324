/** The one place that knows which key sources there are. */
import type { Clock } from "../core/clock.ts"
import type { Log } from "../core/log.ts"
import type { Environment, Places } from "../core/places.ts"
import { fileVault } from "./file.ts"
import { keyFile } from "./keys/key-file.ts"
import { keychainKey } from "./keys/keychain.ts"
import { passphraseKey } from "./keys/passphrase.ts"
import type { Vault } from "./vault.ts"

/** Who may be asked, and by which surroundings. */
export interface OpenOptions {
  /** Names the desktop session, and the files of passphrases; default: the variables of this process. */
  readonly env?: Environment
  /** Asks a person without showing what is typed. Absent: nobody can be asked. */
  readonly askSecret?: (question: string) => Promise<string>
  /** Hears what a person should know while they wait. */
  readonly note?: (text: string) => void
  /** Ends a wait for the OS keychain. */
  readonly signal?: AbortSignal
  readonly log?: Log
}

/** A client gives up on a bridge after some 30 s; a person who is looking for a password may take longer. */
const KEYCHAIN_LIMIT_MS = { alone: 10_000, withPerson: 120_000 } as const

/** The passphrases that there are. An export goes to somebody or somewhere else: what opens it must not open the vault. */
const OF_VAULT = { of: "the vault", variable: "POSTERN_PASSPHRASE_FILE", right: "the right passphrase" }
const OF_EXPORT = {
  of: "the export",
  variable: "POSTERN_EXPORT_PASSPHRASE_FILE",
  right: "the passphrase that the export was made with",
}

/**
 * The vault of one user. Nothing is read, asked, made or written until it is used.
 *
 * A vault that is there names the source of its key. A new one gets a passphrase where POSTERN_PASSPHRASE_FILE holds one, or else
 * the OS keychain, or else, where there is none, a key file. Not a passphrase that somebody types: the bridge is started by a
 * client, with nobody to ask, and would not open what was made so.
 */
export function openVault(places: Pick<Places, "vault" | "vaultKey">, clock: Clock, options: OpenOptions = {}): Vault {
  const { env = process.env, askSecret, note, signal, log } = options
  const keychain = keychainKey({
    env,
    limitMs: askSecret ? KEYCHAIN_LIMIT_MS.withPerson : KEYCHAIN_LIMIT_MS.alone,
    onWait: () => note?.("postern: note: waiting for the OS keychain, which may be asking for a password in a window of its own"),
    signal,
  })
  const file = keyFile(places.vaultKey)
  const passphrase = passphraseKey({ ...OF_VAULT, env, ask: askSecret })
  return fileVault({
    path: places.vault,
    keys: [keychain, passphrase, file],
    forNew: env[OF_VAULT.variable] ? [passphrase] : [keychain, file],
    forExport: passphraseKey({ ...OF_EXPORT, env, ask: askSecret }),
    clock,
    ...(log ? { log } : {}),
  })
}
