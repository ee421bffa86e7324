/** The options of `add` for the connections of one server (the keys `tls` and `allowPrivate` of an entry). */
import { dirname, isAbsolute, relative, resolve } from "node:path"
import type { Command } from "commander"
import { findTarget } from "../config/edit.ts"
import type { Context } from "./context.ts"
import type { EnrollOptions } from "./enrolled.ts"

/** As typed: paths are relative to the folder that the command runs in. */
export interface TlsOptions {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly allowPrivate?: true
}

/** Adds the options to a command. No file is looked at yet. */
export function withTlsOptions(command: Command): Command {
  return command
    .optionsGroup("Where a connection needs more than the address:")
    .option("--ca <file>", "certificates of a company's own authority, known for this server beside those of the system")
    .option("--cert <file>", "your certificate, for a server that asks for one")
    .option("--key <file>", "its key, where the file of --cert does not hold it")
    .option("--allow-private", "what the server leads to may be on private addresses, a company's sign-in server for example")
}

/**
 * The keys of the entry that the options stand for. A path is written so that it leads to the same file from the folder of the
 * configuration file: relative within a project, so that everybody who has the project has it, else absolute.
 */
export async function tlsKeys(
  options: TlsOptions & Pick<EnrollOptions, "scope">,
  context: Context,
): Promise<{ tls?: object; allowPrivate?: true }> {
  const { file } = await findTarget(options.scope, context)
  const written = (path: string): string => {
    if (path.startsWith("${")) return path // the variable knows where it begins
    const whole = resolve(context.cwd, path)
    const inside = relative(dirname(file), whole)
    return options.scope === "project" && !inside.startsWith("..") && !isAbsolute(inside) ? inside : whole
  }
  const { ca, cert, key, allowPrivate } = options
  const files = Object.entries({ ca, cert, key }).flatMap(([name, path]) => (path === undefined ? [] : [[name, written(path)] as const]))
  return { ...(files.length === 0 ? {} : { tls: Object.fromEntries(files) }), ...(allowPrivate ? { allowPrivate } : {}) }
}
