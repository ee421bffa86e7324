/** `postern trust`: shows a project file whole, and approves it as it is. */
import { basename, resolve } from "node:path"
import { Command } from "commander"
import type { ProjectDescription, ServerDescription } from "../config/describe.ts"
import { projectMissing } from "../config/diagnoses.ts"
import { findProject, PROJECT_FILE } from "../config/project.ts"
import { PosternError } from "../core/diagnosis.ts"
import { posternCommand } from "../core/shell.ts"
import type { Context } from "./context.ts"
import { nobodyToAsk } from "../auth/diagnoses.ts"
import { declined } from "./diagnoses.ts"
import { askYes } from "./terminal.ts"

interface TrustOptions {
  readonly yes?: true
  readonly revoke?: true
  readonly json?: true
}

/** `postern trust`: shows a project file whole, and approves it as it was shown. */
export const trustCommand = (context: Context): Command =>
  new Command("trust")
    .description("show a project file whole, and approve it as it is now; any change asks again")
    .argument("[file]", "the project file; the one of this folder unless said")
    .option("--yes", "approve without being asked (for scripts that have checked the file)")
    .option("--revoke", "take an approval back")
    .option("--json", "print the result as JSON; approves only with --yes")
    .addHelpText("after", "\nExamples:\n  $ postern trust\n  $ postern trust ./.postern.json --yes")
    .action(async (given: string | undefined, options: TrustOptions) => {
      const { openTrustStore } = await import("../config/trust.ts")
      const { describeProject } = await import("../config/describe.ts")
      const file = given === undefined ? await projectFile(context) : resolve(context.cwd, given)
      const store = openTrustStore(context.places.trust, context.clock)
      if (options.revoke) {
        const revoked = await store.revoke(file, context.signal)
        context.print({ file, revoked }, options.json, () => (revoked ? `${file} is not approved any more.` : `${file} was not approved.`))
        return
      }
      const project = await describeProject(file)
      if (basename(file) !== PROJECT_FILE)
        context.note(
          `postern: note: only a ${PROJECT_FILE} is found by itself and needs an approval; this one is used where --config names it`,
        )
      const trustedBefore = await store.isTrusted(file)
      if (!options.json) context.stdout.write(`${tellProject(project)}\n\n`)
      if (!trustedBefore) {
        await consent(file, options, context)
        await store.approve(file, project.digest, context.signal)
      }
      const text = trustedBefore
        ? `${project.file} was approved before, as it is now.`
        : `Approved ${project.file} as it is now; a change asks again.`
      context.print({ ...project, trusted: true }, options.json, () => text)
    })

async function projectFile({ cwd, env }: Context): Promise<string> {
  const { file, root } = await findProject(cwd, env)
  if (file === undefined) throw new PosternError(projectMissing({ file: resolve(root, PROJECT_FILE) }))
  return file
}

async function consent(file: string, { yes, json }: TrustOptions, context: Context): Promise<void> {
  if (yes) return
  const command = posternCommand("trust", file, "--yes")
  if (!context.interactive || json)
    throw new PosternError({ ...nobodyToAsk({ question: "approve this file?", instead: command }), kind: "guard" })
  if (!(await askYes("Approve this file as it is now?", context, context.signal)))
    throw new PosternError(declined({ what: `the approval of ${file}` }))
}

function tellProject({ file, servers, files, warnings }: ProjectDescription): string {
  return [
    `Project file ${file}`,
    ...servers.flatMap(tellServer),
    ...(files.length === 0 ? [] : ["", "Files that it names, approved with it:", ...files.map((named) => `  ${JSON.stringify(named)}`)]),
    ...warnings.map(({ cause }) => `note: ${cause}`),
  ].join("\n")
}

function tellServer(server: ServerDescription): string[] {
  const pairs = (label: string, values: Readonly<Record<string, string>> = {}): string[] =>
    Object.entries(values).map(([name, value]) => `  ${label} ${name}: ${value}`)
  return [
    "",
    `Server "${server.name}" (${server.transport}${server.enabled ? "" : ", disabled"})`,
    ...(server.command === undefined ? [] : [`  starts: ${server.command.map((word) => JSON.stringify(word)).join(" ")}`]),
    ...(server.url === undefined ? [] : [`  sends to: ${server.url}`]),
    ...(server.headersHelper === undefined ? [] : [`  runs for its headers: ${server.headersHelper}`]),
    ...(server.aws === undefined ? [] : [`  signs for AWS with your credentials: ${server.aws}`]),
    ...(server.oauth === undefined ? [] : [`  signs in with your accounts: ${server.oauth}`]),
    ...(server.pin === undefined ? [] : [`  must be reached as: ${server.pin}`]),
    ...(server.tls === undefined ? [] : [`  uses certificates and a key from files: ${server.tls}`]),
    ...(server.allowPrivate ? ["  may lead to addresses in private networks and on this machine"] : []),
    ...(server.environment === undefined ? [] : [`  is labelled: ${server.environment}`]),
    ...(server.timeoutMs === undefined ? [] : [`  may be silent for: ${server.timeoutMs} ms`]),
    ...(server.resumeTimeoutMs === undefined ? [] : [`  may be silent on the rest of a cut answer for: ${server.resumeTimeoutMs} ms`]),
    ...pairs("header", server.headers),
    ...pairs("variable", server.env),
    ...pairs("not used here:", server.otherKeys),
    ...server.flows.map(({ kind, name, key, to, sensitive }) => `  ${sensitive ? "SECRET: " : ""}${kind} ${name} goes to ${to} (${key})`),
  ]
}
