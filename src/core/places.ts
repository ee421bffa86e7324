/** Where Postern keeps its files. */
import { homedir } from "node:os"
import { join } from "node:path"

/** Environment variables, as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What stands between the entries of PATH, and of other variables that hold several. */
export function delimiterOf(platform: NodeJS.Platform): string {
  return platform === "win32" ? ";" : ":"
}

/**
 * The folders and files that Postern writes. Nothing else is written anywhere, but sessions of AWS SSO, which lie where all AWS tools
 * share them (`auth/aws/sso-cache.ts`).
 */
export interface Places {
  /** `config.json`: the servers, without a secret; fit for a dotfiles repository. */
  readonly config: string
  /** `vault.json`: the secrets, encrypted. */
  readonly vault: string
  /** `vault.key`: the key, where no keychain and no passphrase opens the vault. Apart from the vault, so that a backup of one is useless. */
  readonly vaultKey: string
  /** `trust.json`: which project files were approved, and with which content. */
  readonly trust: string
  /** `memory/`: what servers said of themselves when they were last reached, for the time when they are down. */
  readonly memory: string
  /** `aws-trust/`: trust policies as they were before `postern aws trust` changed them. */
  readonly awsTrust: string
}

/**
 * Finds the places for one environment.
 *
 * `POSTERN_HOME` moves everything into one folder; otherwise the XDG folders are used (`LOCALAPPDATA` and `APPDATA` on Windows).
 * Relative values of the XDG variables are ignored, as the XDG Base Directory Specification asks.
 */
export function findPlaces(env: Environment, platform: NodeJS.Platform = process.platform): Places {
  const home = env["POSTERN_HOME"]
  const folders = home ? { config: home, data: home, state: home } : standardFolders(env, platform)
  return {
    config: join(folders.config, "config.json"),
    vault: join(folders.data, "vault.json"),
    vaultKey: join(folders.state, "vault.key"),
    trust: join(folders.state, "trust.json"),
    memory: join(folders.state, "memory"),
    awsTrust: join(folders.state, "aws-trust"),
  }
}

function standardFolders(env: Environment, platform: NodeJS.Platform): { config: string; data: string; state: string } {
  const home = env["HOME"] || homedir()
  if (platform === "win32") {
    const roaming = join(env["APPDATA"] || join(home, "AppData", "Roaming"), "postern")
    const local = join(env["LOCALAPPDATA"] || join(home, "AppData", "Local"), "postern")
    return { config: roaming, data: join(local, "data"), state: join(local, "state") }
  }
  const xdg = (variable: string, fallback: string): string => {
    const value = env[variable]
    return join(value?.startsWith("/") ? value : join(home, fallback), "postern")
  }
  return {
    config: xdg("XDG_CONFIG_HOME", ".config"),
    data: xdg("XDG_DATA_HOME", ".local/share"),
    state: xdg("XDG_STATE_HOME", ".local/state"),
  }
}
