/** `postern get NAME`: all that is known of one server. Never a value, not even of a variable. */
import { Command } from "commander"
import { withoutClearText } from "../auth/literals.ts"
import { findEntry } from "../config/find.ts"
import { PosternError } from "../core/diagnosis.ts"
import type { Server } from "../config/server.ts"
import { inOneLine } from "../core/redact.ts"
import { posternCommand } from "../core/shell.ts"
import type { ServerFacts } from "../inspect/servers.ts"
import type { Vault } from "../vault/vault.ts"
import type { Context } from "./context.ts"
import { usableBy } from "./kept-secret.ts"
import { howLong } from "./list.ts"

interface Details extends ServerFacts {
  /** References as they are written, and of what stands beside them in clear the length. */
  readonly headers: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  /** The files of `tls`, by key. */
  readonly tls: readonly string[]
  readonly allowPrivate: boolean
  readonly usableBy: string
  /** Checks of a sign-in that are left out for this server. */
  readonly dialects: readonly string[]
}

/** `postern get`: one server, with the three questions answered. */
export const getCommand = (context: Context): Command =>
  new Command("get")
    .description("show one server: its entry, where its secret is, how long it lasts, who can use it")
    .argument("<name>", "the server, as `postern list` shows it")
    .option("--config <file>", "read this file of the mcpServers shape, and no other")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern get weather-service")
    .action(async (name: string, options: { config?: string; json?: true }) => {
      const { describeServer } = await import("../inspect/servers.ts")
      const server = findEntry(await context.configuration(options, name), name)
      const tools = await context.tools()
      const facts = await describeServer(server, tools)
      const dialects = server.transport === "stdio" ? [] : (server.oauth?.dialects ?? [])
      const details: Details = { ...facts, ...written(server), dialects, ...(await reachOf(facts, tools.vault)) }
      context.print(details, options.json, (result) => tell(result, context.clock.now()))
    })

/** A literal secret that somebody has left in a file is not repeated on a terminal. */
function written(server: Server): Pick<Details, "headers" | "env" | "tls" | "allowPrivate"> {
  const hide = (values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, withoutClearText(value)]))
  if (server.transport === "stdio") return { headers: {}, env: hide(server.env), tls: [], allowPrivate: false }
  const tls = Object.entries(server.tls ?? {}).map(([key, file]) => `${key}: ${file}`)
  return { headers: hide(server.headers), env: {}, tls, allowPrivate: server.allowPrivate === true }
}

/** Who can use the secret, and whether the vault gives it out: `list` asks for no key, this does. */
async function reachOf({ storedIn, problem }: ServerFacts, vault: Vault): Promise<Pick<Details, "usableBy" | "problem">> {
  if (!storedIn.some((place) => place.startsWith("vault:"))) return { usableBy: "whoever can read its source", problem }
  try {
    const status = await vault.status()
    const fault = status.fault && { code: status.fault.code, cause: status.fault.cause }
    return { usableBy: usableBy(status), problem: problem ?? fault ?? null }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    return { usableBy: "nobody: the vault cannot be read", problem: { code: error.diagnosis.code, cause: error.diagnosis.cause } }
  }
}

function tell(server: Details, nowMs: number): string {
  const lines: [string, string][] = [
    ["server", server.name],
    ["transport", server.transport],
    [server.command === null ? "address" : "command", server.url ?? (server.command ?? []).join(" ")],
    ["method", server.method],
    ...Object.entries(server.headers).map(([name, value]): [string, string] => ["header", `${name}: ${value}`]),
    ...Object.entries(server.env).map(([name, value]): [string, string] => ["variable", `${name}=${value}`]),
    ...server.tls.map((file): [string, string] => ["certificates", file]),
    ...(server.allowPrivate ? [["may lead to", "private addresses too"] as [string, string]] : []),
    ["who", server.identity?.subject ?? "-"],
    ...(server.issuer === null ? [] : [["issuer", server.issuer] as [string, string]]),
    ...(server.method === "oauth" ? [["scopes", server.scopes.join(" ") || "none named"] as [string, string]] : []),
    ["where is the secret", server.storedIn.join(", ") || "there is none"],
    ["how long does it last", howLong(server, nowMs)],
    ["who can use it", server.storedIn.length === 0 ? "-" : server.usableBy],
    ...(server.dialects.length === 0 ? [] : [["checks left out", server.dialects.join(", ")] as [string, string]]),
    ["environment", server.environment ?? "-"],
    ["entry", `${server.file} (${server.scope})`],
    ...(server.enabled
      ? []
      : [["enabled", server.scope === "file" ? "no" : `no: ${posternCommand("enable", server.name)}`] as [string, string]]),
    ...(server.trusted ? [] : [["trusted", "no: postern trust"] as [string, string]]),
    ...(server.problem === null ? [] : [["problem", server.problem.cause] as [string, string]]),
  ]
  const width = Math.max(...lines.map(([label]) => label.length))
  return lines.map(([label, value]) => `${label.padEnd(width)}  ${inOneLine(value)}`).join("\n")
}
