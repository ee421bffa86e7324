/** Remarks on a configuration: they stop nothing, and are printed as warnings. */
import { defineDiagnosis } from "../core/diagnosis.ts"
import { quote } from "../core/redact.ts"
import { correct, place, type Position } from "./diagnoses.ts"

/** A key that nobody knows; most often a typing error. */
export const unknownKey = defineDiagnosis({
  code: "unknown-key",
  about: "A key that this version of Postern does not know. It is kept, and not used: a typing error, or a key of a newer version.",
  tell: ({ file, at, key, near }: { file: string; at: Position | undefined; key: string; near: string | undefined }) => ({
    cause: `The key ${quote(key)} is not known${near === undefined ? "." : `; did you mean "${near}"?`}`,
    evidence: [place(file, at), "it is kept and not used"],
  }),
})

/** A key of another client, or of another transport, that changes nothing here. */
export const keyNotUsed = defineDiagnosis({
  code: "key-not-used",
  about: "A key of another client, or of another transport, that would change what happens, and that Postern does not use.",
  tell: ({ file, key, why }: { file: string; key: string; why: string }) => ({
    cause: `The key ${quote(key)} is not used: ${why}.`,
    evidence: [place(file, undefined)],
  }),
})

/** An address without encryption that leaves this machine. */
export const insecureAddress = defineDiagnosis({
  code: "insecure-address",
  about:
    "The address begins with http:// and is not on this machine: whoever stands between can read and change everything, credentials included.",
  tell: ({ file, key, host }: { file: string; key: string; host: string }) => ({
    cause: `The connection to ${quote(host)} is not encrypted.`,
    evidence: [place(file, undefined), `key: ${quote(key)}`],
    next: "use https:// if the server offers it",
  }),
})

/** The entry stands where its client does not look. */
export const clientIgnoresFile = defineDiagnosis({
  code: "client-ignores-file",
  about:
    "The servers stand in a file that their client does not read. Postern reads the file that it is told to; the client itself will not see these servers.",
  tell: ({ file, client, reads }: { file: string; client: string; reads: string }) => ({
    cause: `${client} does not read servers from this file.`,
    evidence: [place(file, undefined), `${client} reads ${reads}`],
    next: `put the servers into ${reads} if ${client} is to see them`,
  }),
})

/** The same key twice in one object: the last one is used. */
export const serverTwice = defineDiagnosis({
  code: "server-twice",
  about:
    "The same key stands twice in one object of a file: the name of a server, a key of an entry, or `mcpServers` itself. JSON readers use the last one in silence, so what stood in the first is hidden.",
  tell: ({ file, at, key }: { file: string; at: Position; key: string }) => ({
    cause: `The key ${quote(key)} stands more than once; the last one is used.`,
    evidence: [place(file, at)],
    next: correct(file),
  }),
})

/** The file has no `mcpServers`. */
export const noServersInFile = defineDiagnosis({
  code: "no-servers-in-file",
  about:
    "The file that was named holds no `mcpServers`. Some clients spell it otherwise (VS Code: `servers`); those shapes are not read yet.",
  tell: ({ file, other }: { file: string; other: string | undefined }) => ({
    cause: "The file holds no mcpServers.",
    evidence: [place(file, undefined), ...(other === undefined ? [] : [`it has the key ${quote(other)}, a shape that is not read`])],
  }),
})
