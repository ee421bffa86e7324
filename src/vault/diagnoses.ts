/** Why the vault cannot be read or changed. Each is an error of its own, and none of them means "no secret". */
import { defineDiagnosis } from "../core/diagnosis.ts"
import { quote } from "../core/redact.ts"
import { posternCommand } from "../core/shell.ts"
import type { KeySource } from "./keys/key-source.ts"

export * from "./keys/diagnoses.ts"

/** The file is no whole vault: cut, edited, or with records of another one. */
export const vaultCorrupt = defineDiagnosis({
  code: "vault-corrupt",
  about:
    "The vault file is not as Postern wrote it: cut, edited, put together from two versions, or damaged by the disk. Every byte that counts is authenticated, so nothing of it is used. It is left as it is, since a copy from a backup, or a person, may mend it.",
  tell: ({ path, fault }: { path: string; fault: string }) => ({
    cause: `The vault ${path} is damaged: ${fault}.`,
    evidence: [`vault: ${path}`, "the file was left as it is"],
    next: `restore ${path} from a backup; or move it away and store the secrets again`,
  }),
})

/** A vault that a newer Postern wrote; it is neither read nor written. */
export const vaultNewerFormat = defineDiagnosis({
  code: "vault-newer-format",
  about:
    "The vault was written by a newer Postern, in a format that this one does not know. It is neither read nor written: an older program would lose what it does not understand.",
  tell: ({ path, found }: { path: string; found: string }) => ({
    cause: `The vault ${path} was written by a newer Postern.`,
    evidence: [`found: ${quote(found)}`, "the file was left as it is"],
    next: "update Postern to the version that wrote it",
  }),
})

/** The source that the vault names has no key; none is made in its place. */
export const vaultKeyMissing = defineDiagnosis({
  code: "vault-key-missing",
  about:
    "The vault is there, and the key that opens it is not: it was moved or deleted, or the vault was copied without it. No new key is made, since it would not open what is there.",
  tell: ({ path, source, place, mend }: { path: string; source: string; place: string; mend: string }) => ({
    cause: `The key of the vault ${path} is missing.`,
    evidence: [`key source: ${source}`, `expected: ${place}`, "the vault was left as it is"],
    next: `${mend}; or move ${path} away and store the secrets again`,
  }),
})

interface WrongKey extends Pick<KeySource, "place" | "key" | "opens" | "mend"> {
  readonly fault: string
}

/** A key that does not open this vault, or this export. */
export const vaultKeyWrong = defineDiagnosis({
  code: "vault-key-wrong",
  about:
    "There is a key, and it is not the one that the vault was written with: it belongs to another vault, the key file was overwritten or damaged, or the passphrase is another one.",
  tell: ({ place, key = `key from ${place}`, opens = "the vault", mend, fault }: WrongKey) => ({
    cause: `The ${key} does not open ${opens}: ${fault}.`,
    evidence: [`key: ${place}`, "the vault was left as it is"],
    next: mend,
  }),
})

/** The secret was stored for another origin, and is not given to this one. */
export const vaultOriginMismatch = defineDiagnosis({
  code: "vault-origin-mismatch",
  about:
    "A secret was about to go to another origin than the one it was stored for. Postern refuses: a changed address must not carry a key to a stranger. If the new address is right, store the secret again for it.",
  kind: "guard",
  tell: ({ name, stored, asked }: { name: string; stored: string; asked: string }) => ({
    cause: `The secret "${name}" was stored for ${quote(stored)}, and is not given to ${quote(asked)}.`,
    evidence: [`stored for: ${quote(stored)}`, `asked for: ${quote(asked)}`, "nothing was sent"],
    next: `if the new address is right, store the secret again: ${posternCommand("vault set", name)} -`,
  }),
})

/** There is no secret of that name. */
export const vaultNoEntry = defineDiagnosis({
  code: "vault-no-entry",
  about: "The vault was read and has no secret of that name.",
  tell: ({ name, path }: { name: string; path: string }) => ({
    cause: `The vault has no secret named "${name}".`,
    evidence: [`vault: ${path}`],
    next: `${posternCommand("vault set", name)} -`,
  }),
})

/** A name outside of the grammar of names. */
export const vaultBadName = defineDiagnosis({
  code: "vault-bad-name",
  about: "The name of a secret has 1 to 128 characters: letters, digits, and `. _ - : / @`; the first is a letter, a digit or `_`.",
  kind: "usage",
  tell: ({ name }: { name: string }) => ({
    cause: `"${quote(name, 40)}" cannot be the name of a secret.`,
    evidence: ["allowed: 1 to 128 letters, digits, and . _ - : / @; the first is a letter, a digit or _"],
    next: "choose another name, for example weather-service",
  }),
})

/** Somebody changed the vault around the lease; the change was not written over theirs. */
export const vaultOvertaken = defineDiagnosis({
  code: "vault-overtaken",
  about:
    "The vault was changed while this process held the lease to change it: by hand, by a backup program, or by a process on another machine that took the lease over. Nothing was written, so that the other change is not lost.",
  tell: ({ path, read, found }: { path: string; read: number | string; found: number | string }) => ({
    cause: `The vault ${path} was changed by somebody else in the middle of this change.`,
    evidence: [`revision read: ${read}`, `revision found: ${found}`, "nothing was written"],
    next: "run the command again",
  }),
})

/** There is nothing to export. */
export const vaultEmpty = defineDiagnosis({
  code: "vault-empty",
  about: "There is nothing to export: the vault is not there, or it was read and holds no secret.",
  tell: ({ path }: { path: string }) => ({
    cause: `The vault ${path} holds no secret, so there is nothing to export.`,
    evidence: [`vault: ${path}`, "nothing was written"],
    next: "postern vault status",
  }),
})

/** The file is no whole export. */
export const exportUnreadable = defineDiagnosis({
  code: "vault-export-unreadable",
  about:
    "A file that was to be imported is not what `postern vault export` writes, or it was cut or changed on its way. Every byte that counts is authenticated, so nothing of it is used.",
  tell: ({ path, fault }: { path: string; fault: string }) => ({
    cause: `Nothing can be imported from ${path}: ${quote(fault)}.`,
    evidence: [`file: ${path}`, "the vault was left as it is"],
    next: "export it again where it came from: postern vault export FILE",
  }),
})
