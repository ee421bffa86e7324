/** One connection for one question: what `tools` and `call` have in common. */
import type { InProcessClient } from "../bridge/client/in-process.ts"
import { findServer } from "../config/find.ts"
import { silentLog } from "../core/log.ts"
import type { Context } from "./context.ts"

/**
 * Connects to a server through the same bridge as `run`, asks, and hangs up.
 *
 * @param ask - gets the opened session
 */
export async function askServer<Result>(
  context: Context,
  { name, config }: { readonly name: string; readonly config?: string | undefined },
  ask: (client: InProcessClient) => Promise<Result>,
): Promise<Result> {
  const { inProcessClient } = await import("../bridge/client/in-process.ts")
  const { runBridge } = await import("../bridge/bridge.ts")
  const client = inProcessClient({ name: "postern", version: context.version })
  const bridge = runBridge({
    name,
    findServer: async () => findServer(await context.configuration({ config }), name),
    client: client.side,
    tools: await context.tools(),
    log: silentLog,
    stderr: (chunk) => void context.stderr.write(chunk),
    onRefused: () => undefined, // the first request is answered with it
    signal: context.signal,
  })
  try {
    await client.initialize(context.signal)
    return await ask(client)
  } finally {
    client.end()
    await bridge
  }
}
