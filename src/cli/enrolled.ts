/** What `add` and `add-json` have in common: enrolling, and telling where the secret is now and what still remembers it. */
import type { Enrolled, Newcomer } from "../auth/enroll.ts"
import { CLIENT_SECRET, credentialsInClear } from "../auth/literals.ts"
import { parseDocument } from "../config/document.ts"
import { findTarget } from "../config/edit.ts"
import { loadConfiguration } from "../config/files.ts"
import { keyNotUsed, unknownKey } from "../config/remarks.ts"
import { readSection } from "../config/section.ts"
import { PosternError } from "../core/diagnosis.ts"
import { posternCommand, shellWord } from "../core/shell.ts"
import { approveAsItIs, isNewOrApproved } from "./project-approval.ts"
import type { Context } from "./context.ts"
import { type KeptSecret, keptSecret, tellLifeAndReach } from "./kept-secret.ts"

/** Where a new server goes, and how it is told. */
export interface EnrollOptions {
  readonly scope: "user" | "project" | "local"
  readonly environment?: string
  readonly json?: true
}

interface Result {
  readonly name: string
  readonly file: string
  readonly scope: string
  readonly secrets: readonly KeptSecret[]
  readonly notes: readonly string[]
  /** The command that shows whether it works. */
  readonly next: string
}

/** How an entry was given: in options, as JSON, or on standard input, which no shell remembers. */
type Given = "options" | "json" | "pipe"

/** Takes a server in, and prints what came of it. */
export async function enrollAndTell(context: Context, newcomer: Newcomer, options: EnrollOptions, given: Given = "options"): Promise<void> {
  const { enrollServer } = await import("../auth/enroll.ts")
  const { methodOf } = await import("../auth/registry.ts")
  const target = await findTarget(options.scope, context)
  const tools = await context.tools()
  // Whoever writes a project file has read what they wrote; what else stood in it must have been approved before.
  const mayApprove = target.scope === "project" && (await isNewOrApproved(target.file, context))
  const enrolled = await enrollServer(newcomer, target, tools, context.signal)
  const typed = given === "pipe" ? undefined : enrolled.secrets.find(({ key }) => !newcomer.secretKeys?.includes(key))?.key
  const status = enrolled.secrets.length === 0 ? undefined : await tools.vault.status()
  const result: Result = {
    name: newcomer.name,
    file: target.file,
    scope: target.scope,
    secrets: status === undefined ? [] : enrolled.secrets.map(({ key, entry }) => keptSecret(key, entry, status)),
    notes: [
      ...notesFor(enrolled, { scope: target.scope, avoid: typed && howToAvoid(enrolled.server, typed, given), mayApprove }),
      ...(await remarksOn(newcomer, enrolled.server)),
      ...(await hiddenBy(enrolled.server, context)),
    ],
    next: posternCommand(methodOf(enrolled.server) === "oauth" ? "auth" : "tools", newcomer.name),
  }
  if (mayApprove) await approveAsItIs(target.file, context)
  context.print(result, options.json, tell)
}

/** @param avoid - what to do instead of typing a secret, where one stood on the command line */
function notesFor(
  { secrets }: Enrolled,
  { scope, avoid, mayApprove }: { scope: string; avoid: string | undefined; mayApprove: boolean },
): readonly string[] {
  const notes: string[] = []
  if (avoid !== undefined) {
    notes.push(
      `The secret was typed on the command line: the shell's history may still hold it (in bash: history -d, in zsh: fc -W after editing), and so may the process list of that moment. ` +
        `To avoid that, ${avoid} in single quotes and set the variable where the client is started.`,
    )
  }
  if (scope === "project" && !mayApprove)
    notes.push("The project file is not approved on this machine as it is now: see it with postern trust.")
  if (secrets.length > 0 && scope === "project") {
    notes.push(
      "The secret is in your vault only: everybody else in the project needs one of their own. A variable, ${APP_API_TOKEN}, is the usual way.",
    )
  }
  return notes
}

/** What the next command that reads the entry would remark, told with the command that wrote it; and what of it is in clear. */
async function remarksOn({ name, entry }: Newcomer, server: Enrolled["server"]): Promise<readonly string[]> {
  const { scope, file } = server
  const document = await parseDocument(file, JSON.stringify({ mcpServers: { [name]: entry } }))
  const { warnings } = await readSection(document, { path: ["mcpServers"], scope, foreign: false, trusted: true })
  const isUnused = (code: string): boolean => code === unknownKey.code || code === keyNotUsed.code
  return [
    ...warnings.map(({ code, cause }) => (isUnused(code) ? `${cause} It stands in the file as it was given, in clear.` : cause)),
    ...credentialsInClear(server).map(
      (key) =>
        `${key} stands in the file in clear in part: what is written beside a reference, or as the default of a variable, does not go to the vault.`,
    ),
  ]
}

/** The entry of another scope may be the one that counts: what comes next would then be about another server. */
async function hiddenBy({ name, scope }: Enrolled["server"], { cwd, env, places }: Context): Promise<readonly string[]> {
  try {
    const { servers, invalid } = await loadConfiguration({ cwd, env, places })
    const used = [...servers, ...invalid].find((one) => one.name === name)
    if (used === undefined || used.scope === scope) return []
    return [`Here the entry in ${used.file} (${used.scope}) is used in its place: local wins over project, and project over user.`]
  } catch (error) {
    if (error instanceof PosternError) return [] // the server is added; what else is wrong is told by whoever uses it
    throw error
  }
}

function howToAvoid(server: Enrolled["server"], key: string, given: Given): string {
  if (given === "json")
    return `give - in place of the entry, and the entry on standard input, or write \${APP_API_TOKEN} in place of the secret`
  const ask = "give - as the value to be asked for it, or write"
  if (server.transport === "stdio") return `${ask} --env ${shellWord(`${key}=\${APP_API_TOKEN}`)}`
  if (key === CLIENT_SECRET) return 'write "clientSecret": "${APP_CLIENT_SECRET}"'
  if (!Object.hasOwn(server.headers, key)) return `write ${key}=\${APP_API_TOKEN} in the address,`
  return `${ask} --header ${shellWord(`${key}: ${/authorization$/i.test(key) ? "Bearer " : ""}\${APP_API_TOKEN}`)}`
}

function tell({ name, file, scope, secrets, notes, next }: Result): string {
  return [
    `Added "${name}" to ${file} (${scope}).`,
    ...secrets.map(
      (one) => `  ${one.key} is in ${one.storedIn} (key ${one.fingerprint}); the file holds a reference. ${tellLifeAndReach(one)}`,
    ),
    ...notes.map((note) => `  note: ${note}`),
    `  next: ${next}`,
  ].join("\n")
}
