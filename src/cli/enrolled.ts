/** What `add` and `add-json` have in common: enrolling, and telling where the secret is now and what still remembers it. */
import type { Enrolled } from "../auth/enroll.ts"
import { findTarget } from "../config/edit.ts"
import { approveAsItIs, isNewOrApproved } from "./project-approval.ts"
import type { Context } from "./context.ts"
import { usableBy } from "./get.ts"

export interface EnrollOptions {
  readonly scope: "user" | "project" | "local"
  readonly environment?: string
  readonly json?: true
}

interface Result {
  readonly name: string
  readonly file: string
  readonly scope: string
  readonly secrets: readonly { readonly key: string; readonly storedIn: string; readonly fingerprint: string; readonly usableBy: string }[]
  readonly notes: readonly string[]
}

/** @param typed - whether the secrets stood on the command line */
export async function enrollAndTell(
  context: Context,
  newcomer: { readonly name: string; readonly entry: Readonly<Record<string, unknown>> },
  options: EnrollOptions,
  typed: boolean,
): Promise<void> {
  const { enrollServer } = await import("../auth/enroll.ts")
  const target = await findTarget(options.scope, context)
  const tools = await context.tools()
  // Whoever writes a project file has read what they wrote; what else stood in it must have been approved before.
  const mayApprove = target.scope === "project" && (await isNewOrApproved(target.file, context))
  const enrolled = await enrollServer(newcomer, target, tools, context.signal)
  const usable = enrolled.secrets.length === 0 ? "" : usableBy(await tools.vault.status())
  const result: Result = {
    name: newcomer.name,
    file: target.file,
    scope: target.scope,
    secrets: enrolled.secrets.map(({ key, entry }) => ({
      key,
      storedIn: `vault:${entry.name}`,
      fingerprint: entry.fingerprint,
      usableBy: usable,
    })),
    notes: notesFor(enrolled, { scope: target.scope, typed, mayApprove }),
  }
  if (mayApprove) await approveAsItIs(target.file, context)
  context.print(result, options.json, tell)
}

function notesFor(
  { server, secrets }: Enrolled,
  { scope, typed, mayApprove }: { scope: string; typed: boolean; mayApprove: boolean },
): readonly string[] {
  const [first] = secrets
  const notes: string[] = []
  if (first !== undefined && typed) {
    const reference =
      server.transport === "stdio" ? `--env '${first.key}=\${APP_API_TOKEN}'` : `--header '${first.key}: Bearer \${APP_API_TOKEN}'`
    notes.push(
      `The secret was typed on the command line: the shell's history may still hold it (in bash: history -d, in zsh: fc -W after editing), and so may the process list of that moment. ` +
        `To avoid that, give - as the value to be asked for it, or write ${reference} in single quotes and set the variable where the client is started.`,
    )
  }
  if (scope === "project" && !mayApprove)
    notes.push("The project file is not approved on this machine as it is now: see it with postern trust.")
  if (first !== undefined && scope === "project") {
    notes.push(
      "The secret is in your vault only: everybody else in the project needs one of their own. A variable, ${APP_API_TOKEN}, is the usual way.",
    )
  }
  return notes
}

function tell({ name, file, scope, secrets, notes }: Result): string {
  return [
    `Added "${name}" to ${file} (${scope}).`,
    ...secrets.map(
      (one) => `  ${one.key} is in ${one.storedIn} (key ${one.fingerprint}); the file holds a reference. Usable by ${one.usableBy}.`,
    ),
    ...notes.map((note) => `  note: ${note}`),
    `  next: postern tools ${name}`,
  ].join("\n")
}
