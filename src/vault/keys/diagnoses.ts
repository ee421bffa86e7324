/** Why a key source does not give its key. None of them is ever answered by taking another source. */
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"

/** What is told of a keychain that does not answer as it should. */
interface KeychainSeen {
  /** The library's own words, and what else was seen. */
  readonly evidence: readonly string[]
  /** Whether the key of a vault was looked for: then it is there that another one can be chosen. */
  readonly isOpening: boolean
}

/** There is no OS keychain to ask. */
export const keychainAbsent = defineDiagnosis({
  code: "keychain-absent",
  about:
    "The vault's key is in the OS keychain, and there is none here: no D-Bus session, no Secret Service on it, a Secret Service without any keyring, or the optional package @napi-rs/keyring is not installed for this platform. A client may also start the bridge without the variables that lead to the session. A vault that is new gets a key file instead, and the answer says so; a vault that is there is not opened in any other way.",
  tell: ({ evidence, isOpening }: KeychainSeen) => ({
    cause: "There is no OS keychain here.",
    evidence,
    next: `run it where the keychain is (DBUS_SESSION_BUS_ADDRESS names the session)${isOpening ? "; there, postern vault move --to key-file ends the need for it" : ""}`,
  }),
})

/** The keychain is there and locked. */
export const keychainLocked = defineDiagnosis({
  code: "keychain-locked",
  about:
    "There is an OS keychain, and it is locked: it was not opened at login (for example over SSH), or its question for a password was dismissed or could not be shown. The vault's key is in it, or was about to go there. No other key is used instead.",
  tell: ({ evidence }: KeychainSeen) => ({
    cause: "The OS keychain is locked.",
    evidence,
    next: "unlock the keychain, and try again",
  }),
})

/** The keychain, or its person, said no. */
export const keychainDenied = defineDiagnosis({
  code: "keychain-denied",
  about:
    "The OS keychain is there and refuses Postern: a rule of the system forbids it, or a person was asked and said no. No other key is used instead.",
  tell: ({ evidence }: KeychainSeen) => ({
    cause: "The OS keychain refuses Postern.",
    evidence,
    next: "allow it in the keychain's settings, and try again",
  }),
})

/** The keychain did not answer in time; it may be asking. */
export const keychainSlow = defineDiagnosis({
  code: "keychain-slow",
  about:
    "The OS keychain was asked and gave no answer in time: it may be asking a person in a window that nobody sees, or it hangs. The call was given up, so that nothing else waits for it. No other key is used instead.",
  tell: ({ evidence }: KeychainSeen) => ({
    cause: "The OS keychain does not answer.",
    evidence,
    next: "answer what the keychain asks in a window of its own, and try again",
  }),
})

/** Something else about the keychain, in its own words. */
export const keychainUnavailable = defineDiagnosis({
  code: "keychain-unavailable",
  about:
    "The OS keychain failed in a way that Postern does not know. The evidence is what the library says, word for word. No other key is used instead.",
  tell: ({ evidence }: KeychainSeen) => ({
    cause: "The OS keychain fails.",
    evidence,
    next: "see whether other programs can use the keychain, and try again",
  }),
})

/** The vault wants a passphrase, and nobody and no file gives one. */
export const passphraseNeeded = defineDiagnosis({
  code: "vault-passphrase-needed",
  about:
    "A passphrase opens the vault, POSTERN_PASSPHRASE_FILE does not name a file that holds it, and there is no person at a terminal to ask: a client has started the bridge, or a script has run the command. An export has a passphrase of its own, and POSTERN_EXPORT_PASSPHRASE_FILE for it.",
  tell: ({ of, variable, value }: { of: string; variable: string; value: string | undefined }) => ({
    cause: `The passphrase of ${of} is needed, and there is nobody to ask.`,
    evidence: [`${variable} is ${value === undefined ? "not set" : "empty"}`, "standard input is no terminal"],
    next: `set ${variable} to a private file (mode 0600) that holds the passphrase, where Postern is started`,
  }),
})

/** The file of a passphrase is not there, empty, or no text. */
export const passphraseUnusable = defineDiagnosis({
  code: "vault-passphrase-unusable",
  about:
    "The file that POSTERN_PASSPHRASE_FILE or POSTERN_EXPORT_PASSPHRASE_FILE names is not there, is empty, or is no text. Nobody is asked in its place, and no other key is used.",
  kind: "usage",
  tell: ({ path, variable, fault }: { path: string; variable: string; fault: string }) => ({
    cause: `The passphrase cannot be read from ${path}: ${fault}.`,
    evidence: [`${variable} names ${path}`],
    next: `put the passphrase into ${path} (mode 0600), or let ${variable} name the file that holds it`,
  }),
})

/** A new passphrase was not typed the same twice. */
export const passphraseMistyped = defineDiagnosis({
  code: "vault-passphrase-mistyped",
  about: "A new passphrase is typed twice, since one that was mistyped would be lost for good. The two were not the same.",
  kind: "usage",
  tell: ({ of }: { of: string }) => ({
    cause: `The new passphrase of ${of} was typed in two different ways.`,
    evidence: ["nothing was changed"],
    next: "run the command again, and type the same twice",
  }),
})

/** Parameters of a key that would cost too much, or protect too little. */
export const keyParamsRefused = defineDiagnosis({
  code: "vault-key-params-refused",
  about:
    "The header of a vault says how its key is found, and is read before anything can prove it. What it asks for here is beyond what Postern does: a derivation that it does not know, or a cost that would take all memory or time. Nothing was derived.",
  kind: "guard",
  tell: ({ fault }: { fault: string }) => ({
    cause: `The vault asks for a key in a way that Postern refuses: ${quote(fault)}.`,
    evidence: ["nothing was derived", "the file was left as it is"],
    next: "restore the file from a backup, or update Postern to the version that wrote it",
  }),
})
