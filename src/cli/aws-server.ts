/** The server that an `aws` command is about. */
import { findEntry } from "../config/find.ts"
import type { HttpServer } from "../config/server.ts"
import { PosternError } from "../core/diagnosis.ts"
import { posternCommand } from "../core/shell.ts"
import type { Context } from "./context.ts"
import { usageWrong } from "./diagnoses.ts"

/** Which configuration the server is looked for in. */
export interface ServerOptions {
  readonly config?: string
}

/**
 * @returns undefined if none was named
 * @throws {PosternError} `unknown-server`; `usage-wrong` if its requests are not signed for AWS
 */
export async function awsServer(name: string | undefined, options: ServerOptions, context: Context): Promise<HttpServer | undefined> {
  if (name === undefined) return undefined
  const server = findEntry(await context.configuration(options, name), name)
  if (server.transport !== "stdio" && server.aws !== undefined) return server
  throw new PosternError(usageWrong({ problem: `Requests to "${name}" are not signed for AWS.`, help: posternCommand("get", name) }))
}
