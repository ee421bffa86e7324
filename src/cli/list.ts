/** `postern list`: every server, with who, where and how long. */
import { Command } from "commander"
import type { ServerFacts } from "../inspect/servers.ts"
import type { Context } from "./context.ts"
import { table } from "./table.ts"

export const listCommand = (context: Context): Command =>
  new Command("list")
    .description("show every server: who one is there, where the secret is kept, how long it lasts")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern list\n  $ postern list --json | jq -r '.servers[].name'")
    .action(async (options: { config?: string; json?: true }) => {
      const { describeServers } = await import("../inspect/servers.ts")
      const servers = await describeServers(await context.configuration(options), await context.tools())
      context.print({ servers }, options.json, (result) => tellServers(result.servers, context.clock.now()))
    })

function tellServers(servers: readonly ServerFacts[], nowMs: number): string {
  if (servers.length === 0) return "No server is configured here.\n  next: postern add NAME --transport http URL"
  const heading = ["NAME", "TRANSPORT", "METHOD", "WHO", "WHERE THE SECRET IS", "HOW LONG", "ENVIRONMENT", "STATE"]
  return table([heading, ...servers.map((server) => toRow(server, nowMs))])
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
export function howLong({ storedIn, expiresAt, since }: ServerFacts, nowMs: number): string {
  if (expiresAt !== null) return `until ${expiresAt}`
  if (storedIn.length === 0) return "-"
  if (storedIn.includes("command")) return "as the command mints"
  if (since === null) return "no end known"
  const days = Math.floor((nowMs - Date.parse(since)) / 86_400_000)
  return `no end known (${days === 0 ? "set today" : `${days} days old`})`
}

function stateOf({ enabled, trusted, needsSignIn, problem }: ServerFacts): string {
  if (!trusted) return "not trusted: postern trust"
  if (problem !== null) return needsSignIn ? "needs its secret" : problem.code
  return enabled ? "ready" : "disabled"
}
