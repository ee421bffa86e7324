/** What can be wrong with a configuration, so that it cannot be used. `about` becomes the docs page of a code. */
import { defineDiagnosis } from "../core/diagnosis.ts"
import { escapeControls, quote } from "../core/redact.ts"
import { posternCommand, shellWord } from "../core/shell.ts"
import type { Scope } from "./server.ts"

/** A place in a file; both count from 1, and a column is a UTF-16 unit, as editors count. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** One wrong value: where it stands, what is there (its kind, never a secret), and what would be right. */
export interface FaultSeen {
  readonly key: string
  readonly found: string
  readonly right: string
}

/** One line of evidence. */
export const place = (file: string, at: Position | undefined): string =>
  escapeControls(at === undefined ? `file: ${file}` : `file: ${file}, line ${at.line}, column ${at.column}`)

/** The next step where only a person knows what was meant. */
export const correct = (file: string): string => `correct ${escapeControls(file)}, then try again`

/** The file that was named on the command line is not there. */
export const configMissing = defineDiagnosis({
  code: "config-missing",
  about:
    "The file that `--config` names is not there. Postern's own files may be missing (they are made by the first `postern add`), but a file that was named on purpose must exist: starting without it would hide a typing error.",
  tell: ({ file }: { file: string }) => ({
    cause: "The configuration file that was named does not exist.",
    evidence: [place(file, undefined)],
    next: "check the path",
  }),
})

/** A project file was asked for where there is none. */
export const projectMissing = defineDiagnosis({
  code: "project-missing",
  about:
    "There is no `.postern.json` in this folder or in one above it, up to the root of the repository. `postern trust` is about such a file; nothing else needs an approval.",
  tell: ({ file }: { file: string }) => ({
    cause: "There is no project file here, so there is nothing to approve.",
    evidence: [`looked for: ${escapeControls(file)}`],
    next: "postern list",
  }),
})

/** A project file is never read from the home folder, so none is written there. */
export const homeNoProject = defineDiagnosis({
  code: "home-no-project",
  kind: "usage",
  about:
    "A server was to be added with `--scope project` in the home folder. What lies in a home folder is no project: a `.postern.json` there would speak for every folder below it, so Postern reads none there, and writes none.",
  tell: ({ folder }: { folder: string }) => ({
    cause: "The home folder is no project, so it has no project file.",
    evidence: [`folder: ${escapeControls(folder)}`, "nothing was changed"],
    next: "leave --scope out, or go to the folder of the project first",
  }),
})

/** A file that is no JSON, with the place of the first fault. */
export const configUnreadable = defineDiagnosis({
  code: "config-unreadable",
  about:
    "A configuration file is there, but it cannot be read as JSON: half-written, empty, or not permitted. Comments, trailing commas and a byte order mark are fine. Postern never takes such a file for an empty one, and never writes to it, so nothing in it is lost.",
  tell: ({ file, at, problem }: { file: string; at?: Position | undefined; problem: string }) => ({
    cause: `The configuration file cannot be read: ${problem}.`,
    evidence: [place(file, at), "the file was left as it is"],
    next: correct(file),
  }),
})

/** Wrong values, each with its place and what would be right. */
export const configInvalid = defineDiagnosis({
  code: "config-invalid",
  about:
    "A value in a configuration file has the wrong shape. The evidence names file, line, column and key, what stands there, and what would be right. Other servers of the same file go on working; the one with the wrong value does not, and a server of the same name in another scope does not take its place.",
  tell: ({ file, at, faults }: { file: string; at?: Position | undefined; faults: readonly [FaultSeen, ...FaultSeen[]] }) => ({
    cause: `The configuration has a wrong value at ${quote(faults[0].key)}.`,
    evidence: [place(file, at), ...faults.map(({ key, found, right }) => `${quote(key)}: found ${quote(found)}, right would be ${right}`)],
    next: correct(file),
  }),
})

/** A name that could be taken for an option, a path or another name. */
export const serverNameInvalid = defineDiagnosis({
  code: "server-name-invalid",
  kind: "usage",
  about:
    "The name of a server is made of 1 to 64 letters, digits, `-`, `_` and `.`, and begins with a letter, a digit or `_`. Clients build tool names and commands from it. Other names in files of other clients are read all the same.",
  tell: ({ name }: { name: string }) => ({
    cause: `"${quote(name, 80)}" cannot be the name of a server.`,
    evidence: ["1 to 64 letters, digits, - _ . are possible; the first is a letter, a digit or _"],
    next: "choose another name",
  }),
})

/** The name is taken in that scope; nothing was written over. */
export const serverExists = defineDiagnosis({
  code: "server-exists",
  about:
    "A server of this name is already configured in the same scope. Postern does not write over it; the same name in another scope is possible (local wins over project, project over user). `postern rename` refuses a name of any scope: one of the two would hide the other.",
  tell: ({ name, scope, file, renaming }: { name: string; scope: Scope; file: string; renaming?: true }) => ({
    cause: `A server named "${quote(name)}" is already there in the scope ${scope}.`,
    evidence: [place(file, undefined), "nothing was changed"],
    // To remove a server forgets its secrets: no way to another one's name.
    next: renaming ? "choose another name" : `choose another name, or first: ${posternCommand("remove", name, `--scope ${scope}`)}`,
  }),
})

/** No server of that name, with the nearest one. */
export const unknownServer = defineDiagnosis({
  code: "unknown-server",
  kind: "usage",
  about:
    "No server of this name is configured where Postern looks: its own file (user and local scope), `.postern.json` in this folder or one above it, or, with `--config`, that one file and no other. Names are compared exactly, upper and lower case included.",
  tell: ({ name, near, known }: { name: string; near: string | undefined; known: readonly string[] }) => ({
    cause: `There is no server named "${quote(name)}"${near === undefined ? "." : `; did you mean "${quote(near)}"?`}`,
    evidence: [known.length === 0 ? "no server is configured here" : `configured: ${known.map((one) => quote(one)).join(", ")}`],
    next: "postern list",
  }),
})

/** The entry is switched off. */
export const serverDisabled = defineDiagnosis({
  code: "server-disabled",
  about:
    "The server is configured, but switched off (`enabled: false`, or `disabled: true` as other clients spell it). Nothing was started or sent. `postern enable NAME` switches it on in Postern's own files; another client's file, named by `--config`, is not changed by Postern.",
  tell: ({ name, file, scope }: { name: string; file: string; scope: Scope }) => ({
    cause: `The server "${quote(name)}" is disabled.`,
    evidence: [place(file, undefined)],
    // A file that was named by --config is another program's, as a rule; its owner changes it.
    next:
      scope === "file"
        ? `take "enabled": false, or "disabled": true, out of its entry in ${escapeControls(file)}`
        : posternCommand("enable", name),
  }),
})

/** A project file that nobody has approved; nothing of it was sent, started or expanded. */
export const projectNotTrusted = defineDiagnosis({
  code: "project-not-trusted",
  kind: "guard",
  about:
    "The server comes from a project file that was found because of the folder one stands in, and that nobody has approved as it is now. Such a file comes with a clone: it could send your variables to a stranger or start a program. Until `postern trust` has shown it and you have approved it, nothing is sent, started or expanded. The approval covers the file and the files that its commands name; any change to one of them asks again.",
  tell: ({ server, file, changed }: { server: string; file: string; changed: boolean }) => ({
    cause: changed
      ? `The project file of the server "${quote(server)}", or a file that it names, has changed since it was approved.`
      : `The server "${quote(server)}" comes from a project file that was not approved.`,
    evidence: [place(file, undefined), "nothing was sent, started or expanded"],
    next: posternCommand("trust", file),
  }),
})

/** It is not what was shown any more: the approval is for what was seen. */
export const projectChanged = defineDiagnosis({
  code: "project-changed",
  kind: "guard",
  about:
    "Between showing a project file and approving it, the file or one that it names changed. What was approved is not what is there, so nothing was remembered.",
  tell: ({ file }: { file: string }) => ({
    cause: "The project file, or a file that it names, changed after it was shown.",
    evidence: [place(file, undefined), "the approval was not remembered"],
    next: posternCommand("trust", file),
  }),
})

/** A project file that names more than can be looked at before each start. */
export const projectTooLarge = defineDiagnosis({
  code: "project-too-large",
  kind: "guard",
  about:
    "A project file names more files, or holds more text, than an approval can cover within its bounds. It cannot be approved; named by `--config` it can be used on your own responsibility.",
  tell: ({ file, limit }: { file: string; limit: string }) => ({
    cause: `The project file is too large to be approved: ${limit}.`,
    evidence: [place(file, undefined)],
    next: `postern run NAME --config ${shellWord(file)}`,
  }),
})

/** The list of approvals is broken or of a newer version; it is left as it is. */
export const trustUnreadable = defineDiagnosis({
  code: "trust-unreadable",
  about:
    "The record of approved project files cannot be read, or a newer Postern wrote it. It is left as it is; until it can be read again, nothing is used in a folder that has a project file.",
  tell: ({ file, problem }: { file: string; problem: string }) => ({
    cause: `The record of approved project files cannot be used: ${problem}.`,
    evidence: [place(file, undefined), "the file was left as it is"],
    next: `move ${escapeControls(file)} away; project files then have to be approved again`,
  }),
})
