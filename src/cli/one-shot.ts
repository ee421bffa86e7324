/** One connection for one question: what `tools` and `call` have in common. */
import type { OpenBridge } from "../bridge/connect.ts"
import { findServer } from "../config/find.ts"
import { silentLog } from "../core/log.ts"
import type { Context } from "./context.ts"
import { serverWords } from "./server-words.ts"

/**
 * Connects to a server through the same bridge as `run`, asks, and hangs up.
 *
 * @param ask - gets the opened session
 */
export async function askServer<Result>(
  context: Context,
  { name, config }: { readonly name: string; readonly config?: string | undefined },
  ask: (bridge: OpenBridge) => Promise<Result>,
): Promise<Result> {
  const { connect } = await import("../bridge/connect.ts")
  await using words = serverWords(context, true)
  await using bridge = await connect({
    name,
    clientInfo: { name: "postern", version: context.version },
    findServer: async () => findServer(await context.configuration({ config }, name), name),
    tools: await context.tools(),
    log: silentLog,
    stderr: words.hear,
    signal: context.signal,
  })
  return await ask(bridge)
}
