/** `postern vault status|set|remove`: the vault itself. What moves it as a whole has files of its own. */
import { Command } from "commander"
import { originOf } from "../auth/server-address.ts"
import { secretsOf } from "../auth/dismiss.ts"
import { findEntry } from "../config/find.ts"
import { requireTrusted } from "../config/guard.ts"
import { nearest } from "../config/nearest.ts"
import { PosternError } from "../core/diagnosis.ts"
import { posternCommand } from "../core/shell.ts"
import type { VaultStatus } from "../vault/vault.ts"
import type { Context } from "./context.ts"
import { nobodyToAsk } from "../auth/diagnoses.ts"
import { usageWrong } from "./diagnoses.ts"
import { EXIT_CODES } from "./exit.ts"
import { keptSecret, tellLifeAndReach } from "./kept-secret.ts"
import { table } from "./table.ts"
import { refuseTyped } from "./typed-secret.ts"
import { exportCommand } from "./vault-export.ts"
import { importCommand } from "./vault-import.ts"
import { moveCommand } from "./vault-move.ts"

/** `postern vault`: the vault itself, without ever printing a secret. */
export const vaultCommand = (context: Context): Command =>
  new Command("vault")
    .description("show and change what the vault holds; no command prints a secret")
    .addHelpText("after", "\nExample:\n  $ postern vault status")
    .addCommand(statusCommand(context))
    .addCommand(setCommand(context))
    .addCommand(removeCommand(context))
    .addCommand(moveCommand(context))
    .addCommand(exportCommand(context))
    .addCommand(importCommand(context))

const statusCommand = (context: Context): Command =>
  new Command("status")
    .description("say where the vault is, what opens it, what that protects from, and what it holds")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern vault status --json")
    .action(async (options: { json?: true }) => {
      const { vault } = await context.tools()
      const status = await vault.status()
      context.print(status, options.json, (result) => tellStatus(result, context.stdout.columns))
      if (status.fault) context.exitWith(EXIT_CODES.failed)
    })

interface SetOptions {
  readonly server?: string
  readonly config?: string
  readonly json?: true
}

const setCommand = (context: Context): Command =>
  new Command("set")
    .description("store a secret that a configuration refers to as ${vault:NAME}")
    .argument("<name>", "the name of the secret")
    .argument("[dash]", "- reads the secret from standard input; without it you are asked")
    .option("--server <name>", "the server that it is for, where that cannot be told from the configuration")
    .option("--config <file>", "the file of the mcpServers shape that refers to it, where that is none of Postern's own")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern vault set weather-service.authorization -")
    .action(async (name: string, dash: string | undefined, options: SetOptions) => {
      refuseTyped(dash, `${posternCommand("vault set", name)} -`)
      const tools = await context.tools()
      const origin = await originFor(context, name, options)
      const question = `Secret ${name} (it is not shown)`
      if (dash !== "-" && !context.interactive)
        throw new PosternError(nobodyToAsk({ question, instead: `${posternCommand("vault set", name)} -` }))
      const entry = await tools.vault.write(name, origin, await context.readSecret(question))
      const kept = { ...entry, ...keptSecret(name, entry, await tools.vault.status()) }
      context.print(
        kept,
        options.json,
        (result) => `${result.storedIn} is now key ${result.fingerprint}, for ${result.origin} only. ${tellLifeAndReach(result)}`,
      )
    })

const removeCommand = (context: Context): Command =>
  new Command("remove")
    .description("forget one secret")
    .argument("<name>", "the name of the secret, as `postern vault status` shows it")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ postern vault remove weather-service.authorization")
    .action(async (name: string, options: { json?: true }) => {
      const { vault } = await context.tools()
      const { servers } = await context.configuration()
      const neededBy = servers.filter((server) => secretsOf(server).includes(name)).map((server) => server.name)
      const removed = await vault.remove(name)
      const near = removed
        ? undefined
        : nearest(
            name,
            (await vault.list()).map((entry) => entry.name),
          )
      context.print({ name, removed, neededBy, ...(near === undefined ? {} : { near }) }, options.json, tellRemoved)
      if (!removed) context.exitWith(EXIT_CODES.failed)
    })

/** A secret is bound to an origin, so it has to be known who it is for. */
async function originFor(context: Context, secret: string, { server: serverName, config }: SetOptions): Promise<string> {
  const configuration = await context.configuration({ config }, serverName)
  if (serverName !== undefined) {
    const server = findEntry(configuration, serverName)
    requireTrusted(server)
    return originOf(server, context)
  }
  const known = (await (await context.tools()).vault.list()).find(({ name }) => name === secret)
  // What a stranger's project says of a secret must not decide where it may go.
  const users = configuration.servers.filter((server) => server.trusted && secretsOf(server).includes(secret))
  const origins = [...new Set(await Promise.all(users.map((server) => originOf(server, context))))]
  const [origin] = origins
  if (origins.length === 1 && origin !== undefined) return origin
  if (origins.length === 0 && known !== undefined) return known.origin
  const problem =
    origins.length === 0
      ? `No server refers to \${vault:${secret}}, so it is not known which address it may be sent to.`
      : `Servers of several addresses refer to \${vault:${secret}}; a secret is for one address.`
  throw new PosternError(usageWrong({ problem, help: `${posternCommand("vault set", secret)} - --server NAME` }))
}

interface Removed {
  readonly name: string
  readonly removed: boolean
  /** Servers that refer to it. */
  readonly neededBy: readonly string[]
  /** The secret that was most likely meant, where there is none of that name. */
  readonly near?: string
}

function tellRemoved({ name, removed, neededBy, near }: Removed): string {
  if (!removed) {
    const meant = near === undefined ? "." : `; did you mean ${near}?`
    return `The vault had no secret named ${name}${meant}\n  next: postern vault status`
  }
  const forgotten = `The vault has forgotten ${name}. A key that is still valid can be revoked where it was issued.`
  return neededBy.length === 0 ? forgotten : `${forgotten}\n  note: ${neededBy.join(", ")} needs it: ${posternCommand("vault set", name)} -`
}

const tellOrElse = ({ keySource, keyPlace }: NonNullable<VaultStatus["orElse"]>): string =>
  `${keySource}: ${keyPlace}, where the keychain has no keyring to store it in, which the first secret shows`

function tellStatus(status: VaultStatus, columns: number | undefined): string {
  const lines = [
    `vault           ${status.path}${status.exists ? "" : " (nothing is stored yet)"}`,
    `key             ${status.keySource}: ${status.keyPlace}`,
    ...(status.orElse === undefined ? [] : [`or else         ${tellOrElse(status.orElse)}`]),
    ...(status.noKeychain === undefined ? [] : [`no keychain     ${status.noKeychain}`]),
    `protects from   ${status.protectsFrom.join(", ")}`,
    `but not from    ${status.doesNotProtectFrom.join(", ")}`,
    ...(status.fault ? [`problem         ${status.fault.cause}`, `  next: ${status.fault.next ?? ""}`] : []),
  ]
  if (status.entries.length === 0) return lines.join("\n")
  const rows = status.entries.map(({ name, origin, fingerprint, changedAtMs }) => [
    name,
    fingerprint,
    new Date(changedAtMs).toISOString(),
    origin,
  ])
  return `${lines.join("\n")}\n\n${table([["NAME", "KEY", "SINCE", "FOR"], ...rows], columns)}`
}
