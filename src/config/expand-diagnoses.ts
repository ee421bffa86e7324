/** Why an entry cannot be used as it stands when its connection starts: what it refers to, and what that comes to. */
import { defineDiagnosis } from "../core/diagnosis.ts"
import { escapeControls, quote } from "../core/redact.ts"
import { shellWord } from "../core/shell.ts"
import { correct } from "./diagnoses.ts"
import { storeCommand } from "./server-command.ts"
import type { Scope } from "./server.ts"

/** Where a template stands, so that an error can send its reader there. */
export interface Where {
  readonly server: string
  readonly file: string
  /** For example `headers.Authorization`. */
  readonly key: string
  /** Variables that the text is made of, where their values may be what is wrong. */
  readonly variables?: readonly string[]
  readonly scope?: Scope
}

const standsIn = ({ server, file, key }: Where): readonly string[] => [
  `server: ${quote(server)}`,
  `file: ${escapeControls(file)}`,
  `key: ${quote(key)}`,
]

const correctValue = ({ file, variables = [] }: Where): string =>
  variables.length === 0
    ? correct(file)
    : `correct ${variables.join(" and ")} where the client is started, or the entry in ${escapeControls(file)}`

/** A `${` that begins none of the known references. */
export const templateInvalid = defineDiagnosis({
  code: "template-invalid",
  about:
    "A text holds `${` that begins none of the three things that Postern knows: `${VARIABLE}`, `${VARIABLE:-default}`, `${vault:NAME}`. A default cannot hold another reference. It is refused rather than sent as it is: a literal `${` in a header has never been what somebody wanted.",
  tell: ({ part, ...where }: Where & { part: string }) => ({
    cause: `"${quote(part, 60)}" is not a reference that Postern knows.`,
    evidence: [...standsIn(where), "known: ${VARIABLE}, ${VARIABLE:-default}, ${vault:NAME}", "nothing was sent"],
    next: correct(where.file),
  }),
})

/** A variable that the entry refers to, and that this process does not have. */
export const variableNotSet = defineDiagnosis({
  code: "variable-not-set",
  about:
    "The configuration refers to an environment variable that is not set in the process that reads it, and gives no default (`${VARIABLE:-default}`). Nothing was sent and nothing was started. A client that was opened from the desktop has other variables than your terminal; some clients hand only a few of theirs to the servers they start.",
  tell: ({ variable, hints, ...where }: Where & { variable: string; hints: readonly string[] }) => ({
    cause: `The variable ${variable} is not set; the server "${quote(where.server)}" needs it for ${quote(where.key)}.`,
    evidence: [...standsIn(where), ...hints, "nothing was sent"],
    next: `set ${variable} where the client is started, or store the value: postern vault set NAME -, and write \${vault:NAME}`,
  }),
})

/** A reference to a secret that the vault does not have. */
export const secretMissing = defineDiagnosis({
  code: "secret-missing",
  about:
    "The configuration refers to a secret of the vault (`${vault:NAME}`), and the vault was read and has none of that name. Usual causes: the configuration was copied to another machine without the secret, or the secret was removed. A vault that cannot be read is another error.",
  tell: ({ secret, ...where }: Where & { secret: string }) => ({
    cause: `The vault has no secret named "${quote(secret)}"; the server "${quote(where.server)}" needs it for ${quote(where.key)}.`,
    evidence: [...standsIn(where), "nothing was sent"],
    next: storeCommand(secret, where.scope === "file" ? where.file : undefined),
  }),
})

/** A secret where it would be seen or would decide the address: a command, an argument, a host. */
export const secretMisplaced = defineDiagnosis({
  code: "secret-misplaced",
  about:
    "A secret of the vault stands where it would be seen or would lose its binding: in the command or its arguments (every user of the machine can list them), or in the host part of an address (the secret is bound to that host). Put it into `env` or `headers`.",
  tell: ({ secret, reason, ...where }: Where & { secret: string; reason: string }) => ({
    cause: `The secret "${quote(secret)}" cannot stand in ${quote(where.key)}: ${reason}.`,
    evidence: [...standsIn(where), "nothing was sent"],
    next: correct(where.file),
  }),
})

/** An address that no transport of ours opens, or that holds what an address must not. */
export const addressInvalid = defineDiagnosis({
  code: "address-invalid",
  about:
    "The address of a server, once its references were replaced, is none that Postern opens: it must be a whole http or https address with a host, and without user name, password, blanks, backslashes and control characters. The address itself is not shown, since its parts may be secret.",
  tell: ({ problem, ...where }: Where & { problem: string }) => ({
    cause: `The address of the server "${quote(where.server)}" cannot be used: ${problem}.`,
    evidence: [...standsIn(where), "nothing was sent"],
    next: correctValue(where),
  }),
})

/** A command line that the system cannot start, such as one with a NUL. */
export const processInvalid = defineDiagnosis({
  code: "process-invalid",
  about:
    "A command, an argument or a variable for a local server holds a character that no process can be given (a NUL), or the command is empty once its references were replaced.",
  tell: ({ problem, ...where }: Where & { problem: string }) => ({
    cause: `The server "${quote(where.server)}" cannot be started: ${problem}.`,
    evidence: [...standsIn(where), "nothing was started"],
    next: correct(where.file),
  }),
})

/** A header that cannot be sent: CR, LF, control characters, or characters outside Latin-1 (RFC 9110 section 5.5). */
export const headerInvalid = defineDiagnosis({
  code: "header-invalid",
  about:
    "A configured header cannot be sent: its name is not a token (RFC 9110 section 5.1), stands twice, or belongs to the transport (`Host`, `Content-Length`, `Mcp-Session-Id` and their like, which Postern sets itself), or its value holds a line break, another control character, a character outside Latin-1, or white space at an end. White space is not cut off in silence: a key that was copied with a blank or a line break has most often lost something else as well. The value is not shown.",
  tell: ({ header, problem, ...where }: Where & { header: string; problem: string }) => ({
    cause: `The header ${quote(header)} of the server "${quote(where.server)}" cannot be sent: ${problem}.`,
    evidence: [...standsIn(where), "nothing was sent"],
    next: correctValue(where),
  }),
})

/** A credential with nothing in it: what an unset variable leaves. */
export const credentialEmpty = defineDiagnosis({
  code: "credential-empty",
  about:
    "A header that carries a credential has none (or, when a server is added, a variable, or a parameter of the address): `Bearer ` and nothing, or an empty key. The usual cause is an unset variable in double quotes: the shell puts nothing in its place before Postern sees it. In single quotes the reference itself reaches Postern, and a variable that is not set is then told by name.",
  tell: ({
    header,
    kind = "header",
    source,
    ...where
  }: Where & { header: string; kind?: "header" | "variable" | "parameter"; source: string }) => ({
    cause: `The ${kind} ${quote(header)} of the server "${quote(where.server)}" has no credential in it.`,
    evidence: [...standsIn(where), `the value came from ${quote(source)}`, "nothing was sent"],
    next: where.variables?.length
      ? correctValue(where)
      : `write it in single quotes: --header ${shellWord(`${header}: ${/authorization$/i.test(header) ? "Bearer " : ""}\${APP_API_TOKEN}`)}, or give - as the value to be asked for it`,
  }),
})
