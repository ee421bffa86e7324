/** The key lies in the OS keychain: one random key for each vault, under the service `postern` and the vault's id as account. */
import { randomBytes } from "node:crypto"
import { type DiagnosisDefinition, PosternError } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import { keyParamsRefused, keychainAbsent, keychainDenied, keychainLocked, keychainSlow, keychainUnavailable } from "./diagnoses.ts"
import type { KeyParams, KeySource } from "./key-source.ts"
import { KEY_BYTES, decodeKey } from "./key-text.ts"
import type { KeychainFault, KeychainRequest, KeychainTerms } from "./keychain-call.ts"

/** The key source of a desktop. Each call has the time limit of `terms`; `run` and scripts want a short one. */
export function keychainKey(terms: KeychainTerms): KeySource {
  const facts = factsOf(process.platform)
  const ask = async (request: KeychainRequest, isOpening = false): Promise<string | undefined> => {
    const { callKeychain, KeychainFault } = await import("./keychain-call.ts") // most starts have no keychain to ask
    try {
      return await callKeychain(request, terms)
    } catch (error) {
      if (!(error instanceof KeychainFault)) throw error
      throw new PosternError(diagnose(error)({ evidence: [quote(error.message, 500)], isOpening }), { cause: error })
    }
  }

  return {
    name: "keychain",
    ...facts,
    async verify() {
      // A name that is never given: it asks for no unlocking, and a keychain that is there answers that it has none.
      await ask({ op: "get", account: "probe" })
    },
    async create(vaultId) {
      const key = randomBytes(KEY_BYTES)
      await ask({ op: "set", account: vaultId, secret: key.toString("base64") })
      return { key, params: { account: vaultId } }
    },
    async load(params) {
      const text = await ask({ op: "get", account: accountIn(params) }, true)
      return text === undefined ? undefined : decodeKey(text, facts)
    },
    async remove(params) {
      await ask({ op: "remove", account: accountIn(params) })
    },
  }
}

/**
 * The library has one code for all that can go wrong, so its texts are what there is: those of @napi-rs/keyring 2.1.2, as seen against
 * gnome-keyring 42 and dbus-daemon 1.14; those of macOS and Windows as their systems document them. What is not here is
 * `keychain-unavailable`, with the text.
 */
const TEXTS: readonly (readonly [RegExp, DiagnosisDefinition<Parameters<typeof keychainAbsent>[0]>])[] = [
  [/^no D-Bus session|package @napi-rs\/keyring is not installed|Cannot find native binding/, keychainAbsent],
  [/set your DBUS_SESSION_BUS_ADDRESS|Failed to connect to socket|not provided by any \.service files/, keychainAbsent],
  [/No DBus session or Secret Service provider found|specified logon session does not exist/, keychainAbsent],
  [/Secret Service: no result found/, keychainAbsent], // a Secret Service without a keyring that anything could be stored in
  [/unlock prompt was dismissed|Secret Service: object locked|User interaction is not allowed/, keychainLocked],
  [/Rejected send message|User canceled the operation|user name or passphrase you entered is not correct/, keychainDenied],
]

function diagnose({ kind, message }: KeychainFault): (typeof TEXTS)[number][1] {
  if (kind === "slow") return keychainSlow
  return (kind === "said" && TEXTS.find(([text]) => text.test(message))?.[1]) || keychainUnavailable
}

function accountIn({ account }: KeyParams): string {
  if (typeof account === "string" && /^[0-9a-f]{32}$/.test(account)) return account
  throw new PosternError(keyParamsRefused({ fault: `the keychain account ${String(account)}` }))
}

type Facts = Pick<KeySource, "place" | "mend" | "protectsFrom" | "doesNotProtectFrom">

/** What a keychain is good for depends on whose it is. */
function factsOf(platform: NodeJS.Platform): Facts {
  const mend = "unlock the keychain that has the key, or put the key back there (service postern)"
  const protectsFrom = [
    "other users of this machine",
    "a stolen disk (as far as the login password is good)",
    "an accidental commit or backup of the vault",
  ]
  const admins = "administrators of this machine"
  if (platform === "darwin") {
    const doesNotProtectFrom = ["other programs on the same Node.js (which is what macOS knows Postern by)", admins]
    return { place: "the login keychain of macOS, service postern", mend, protectsFrom, doesNotProtectFrom }
  }
  if (platform === "win32") {
    const doesNotProtectFrom = ["other programs of this user", admins]
    return { place: "the Credential Manager of Windows, service postern", mend, protectsFrom, doesNotProtectFrom }
  }
  const doesNotProtectFrom = ["other programs of this user while the keychain is unlocked", admins]
  return {
    place: "the Secret Service of this session (GNOME Keyring, KWallet, KeePassXC), service postern",
    mend,
    protectsFrom,
    doesNotProtectFrom,
  }
}
