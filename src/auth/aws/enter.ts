/** Signing in to a server whose requests are signed for AWS: SSO, MFA, and the word that the identity at hand is meant. */
import type { HttpServer } from "../../config/server.ts"
import type { Interaction } from "../interaction.ts"
import type { AuthTools } from "../tools.ts"
import { openAccess } from "./access.ts"
import { passPins } from "./pins.ts"
import type { EnterOptions } from "./who.ts"

/** As whom a person got in; `source` says in words where the keys come from. */
export interface AwsEntered {
  readonly arn: string
  readonly account: string
  readonly source: string
  /** When the keys end, in milliseconds since 1970. */
  readonly expiresAtMs?: number
}

/** @throws {PosternError} `aws-pin-mismatch`, and what keeps the identity from being found */
export async function enterAws(
  server: HttpServer,
  options: EnterOptions,
  { tools, interaction }: { readonly tools: AuthTools; readonly interaction: Interaction },
  signal: AbortSignal,
): Promise<AwsEntered> {
  await using access = await openAccess(server, {}, tools)
  const found = await access.source.signIn(interaction, signal, options)
  const { arn, account } = await access.callerOf(found, signal)
  passPins(server, { arn, account }, found.source)
  const { expiresAtMs } = found.credentials
  return { arn, account, source: found.source, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) }
}
