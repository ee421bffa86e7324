/** `postern list`: every server, with who, where and how long. */
import { Command } from "commander"
import { PosternError } from "../core/diagnosis.ts"
import { posternCommand } from "../core/shell.ts"
import type { ServerFacts } from "../inspect/servers.ts"
import { type CheckedServer, checkCell, checkListed, tellChecks } from "./checked.ts"
import type { Context } from "./context.ts"
import { usageWrong } from "./diagnoses.ts"
import { table } from "./table.ts"

interface ListOptions {
  readonly config?: string
  readonly check?: true
  readonly exitCode?: true
  readonly json?: true
}

/** `postern list`: all servers, with the three questions answered. */
export const listCommand = (context: Context): Command =>
  new Command("list")
    .description("show every server: who one is there, where the secret is kept, how long it lasts")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--check", "ask each server whether it answers: a connection and the list of its tools, 15 s at most")
    .option("--exit-code", "with --check: 1 if a server fails, 3 if one needs a sign-in, 4 if guards refuse, 0 if all answer")
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ postern list\n  $ postern list --check --exit-code\n  $ postern list --json | jq -r '.servers[].name'",
    )
    .action(async (options: ListOptions) => {
      if (options.exitCode && !options.check) {
        const problem = "The exit code tells what --check has found, and --check is missing."
        throw new PosternError(usageWrong({ problem, help: "postern list --check --exit-code" }))
      }
      const { describeServers } = await import("../inspect/servers.ts")
      const configuration = await context.configuration(options)
      const servers = await describeServers(configuration, await context.tools())
      if (!options.check) {
        context.print({ servers }, options.json, (result) => tellServers(result.servers, context))
        return
      }
      const checked = await checkListed(servers, configuration, context)
      context.print({ servers: checked.servers }, options.json, (result) => tellChecked(result.servers, context))
      if (options.exitCode) context.exitWith(checked.exitCode)
    })

const HEADING = ["NAME", "TRANSPORT", "METHOD", "WHO", "WHERE THE SECRET IS", "HOW LONG", "ENVIRONMENT", "STATE"]
const NOTHING = "No server is configured here.\n  next: postern add NAME --transport http URL"

function tellServers(servers: readonly ServerFacts[], { clock, stdout }: Context): string {
  const nowMs = clock.now()
  return servers.length === 0 ? NOTHING : table([HEADING, ...servers.map((server) => toRow(server, nowMs))], stdout.columns)
}

function tellChecked(servers: readonly CheckedServer[], { clock, stdout }: Context): string {
  const nowMs = clock.now()
  if (servers.length === 0) return NOTHING
  const rows = servers.map((server) => [...toRow(server, nowMs), checkCell(server.check)])
  const faults = tellChecks(servers)
  return [table([[...HEADING, "CHECK"], ...rows], stdout.columns), ...(faults.length === 0 ? [] : ["", ...faults])].join("\n")
}

function toRow(server: ServerFacts, nowMs: number): string[] {
  const { name, transport, method, identity, storedIn, environment } = server
  return [
    name,
    transport,
    method,
    identity?.subject ?? "-",
    storedIn.join(", ") || "-",
    howLong(server, nowMs),
    environment ?? "-",
    stateOf(server),
  ]
}

/** How long a proof lasts: until when, or that it has no end, and how old it is. */
export function howLong({ storedIn, expiresAt, since, renewsItself }: ServerFacts, nowMs: number): string {
  if (renewsItself === true) return `renews itself${expiresAt === null ? "" : ` (token until ${expiresAt})`}`
  if (expiresAt !== null) return `until ${expiresAt}`
  if (storedIn.length === 0) return "-"
  if (storedIn.includes("command")) return "as the command mints"
  if (since === null) return "no end known"
  const days = Math.floor((nowMs - Date.parse(since)) / 86_400_000)
  return `no end known (${days === 0 ? "set today" : `${days} days old`})`
}

function stateOf({ name, method, enabled, trusted, needsSignIn, problem }: ServerFacts): string {
  if (!trusted) return "not trusted: postern trust"
  if (problem !== null && method === "oauth" && needsSignIn) return `needs a sign-in: ${posternCommand("auth", name)}`
  if (problem !== null) return needsSignIn ? "needs its secret" : problem.code
  return enabled ? "ready" : "disabled"
}
