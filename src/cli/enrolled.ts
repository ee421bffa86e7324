/** What `add` and `add-json` have in common: enrolling, and telling where the secret is now and what still remembers it. */
import type { Enrolled, Newcomer } from "../auth/enroll.ts"
import { CLIENT_SECRET } from "../auth/literals.ts"
import { findTarget } from "../config/edit.ts"
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

/** @param fromPipe - whether the whole entry came on standard input, so that no shell remembers it */
export async function enrollAndTell(context: Context, newcomer: Newcomer, options: EnrollOptions, fromPipe = false): Promise<void> {
  const { enrollServer } = await import("../auth/enroll.ts")
  const { methodOf } = await import("../auth/registry.ts")
  const target = await findTarget(options.scope, context)
  const tools = await context.tools()
  // Whoever writes a project file has read what they wrote; what else stood in it must have been approved before.
  const mayApprove = target.scope === "project" && (await isNewOrApproved(target.file, context))
  const enrolled = await enrollServer(newcomer, target, tools, context.signal)
  const typed = fromPipe ? undefined : enrolled.secrets.find(({ key }) => !newcomer.secretKeys?.includes(key))?.key
  const status = enrolled.secrets.length === 0 ? undefined : await tools.vault.status()
  const result: Result = {
    name: newcomer.name,
    file: target.file,
    scope: target.scope,
    secrets: status === undefined ? [] : enrolled.secrets.map(({ key, entry }) => keptSecret(key, entry, status)),
    notes: notesFor(enrolled, { scope: target.scope, typed, mayApprove }),
    next: posternCommand(methodOf(enrolled.server) === "oauth" ? "auth" : "tools", newcomer.name),
  }
  if (mayApprove) await approveAsItIs(target.file, context)
  context.print(result, options.json, tell)
}

/** @param typed - a header, variable or parameter whose secret stood on the command line */
function notesFor(
  { server, secrets }: Enrolled,
  { scope, typed, mayApprove }: { scope: string; typed: string | undefined; mayApprove: boolean },
): readonly string[] {
  const notes: string[] = []
  if (typed !== undefined) {
    notes.push(
      `The secret was typed on the command line: the shell's history may still hold it (in bash: history -d, in zsh: fc -W after editing), and so may the process list of that moment. ` +
        `To avoid that, ${howToAvoid(server, typed)} in single quotes and set the variable where the client is started.`,
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

function howToAvoid(server: Enrolled["server"], key: string): string {
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
