/** Asks servers whether they answer, by a real call that changes nothing: through the bridge, as a client would. */
import { connect } from "../bridge/connect.ts"
import { diagnosisOf } from "../bridge/error-answer.ts"
import type { AuthTools } from "../auth/tools.ts"
import { projectNotTrusted, serverDisabled } from "../config/diagnoses.ts"
import type { Configuration } from "../config/files.ts"
import { type Findable, serverCommand } from "../config/server-command.ts"
import type { Server } from "../config/server.ts"
import { limited } from "../core/abort.ts"
import { type Diagnosis, defineDiagnosis } from "../core/diagnosis.ts"
import { quote } from "../core/redact.ts"
import { silentLog } from "../core/log.ts"

/** A server that did not answer within the time of a check. */
export const checkTimeout = defineDiagnosis({
  code: "check-timeout",
  about: "`postern list --check` gives each server 15 s for a connection and the list of its tools. This one needed longer.",
  tell: ({ server, limitMs }: { server: Findable; limitMs: number }) => ({
    cause: `The server "${quote(server.name)}" did not answer within ${limitMs / 1000} s.`,
    evidence: ["asked for: initialize, then its tools"],
    next: serverCommand("tools", server),
  }),
})

/** What came of it: `failed` was asked, or cannot be; `skipped` was not asked, on purpose. */
export type Verdict = { readonly is: "ok" } | { readonly is: "failed" | "skipped"; readonly diagnosis: Diagnosis }

/** What a check works with. */
export interface CheckSettings {
  readonly tools: AuthTools
  /** Of Postern, as servers are told it. */
  readonly version: string
  /** For each server, in milliseconds. */
  readonly limitMs?: number
  /** Hears how far it is. */
  onProgress?(done: number, total: number): void
}

const LIMIT_MS = 15_000
const MOST_AT_ONCE = 8

/**
 * Asks all servers of a configuration, at most eight at a time. One that is switched off, and one of a project file that nobody has
 * approved, is not asked; nothing of it is sent, started or expanded.
 *
 * @returns a verdict for each name
 * @throws the signal's reason when it aborts first
 */
export async function checkServers(
  { servers, invalid }: Pick<Configuration, "servers" | "invalid">,
  settings: CheckSettings,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Verdict>> {
  const verdicts = new Map<string, Verdict>(invalid.map(({ name, diagnosis }) => [name, { is: "failed", diagnosis }]))
  const waiting = servers.values()
  let done = 0
  const work = async (): Promise<void> => {
    for (const server of waiting) {
      verdicts.set(server.name, await checkServer(server, settings, signal))
      settings.onProgress?.(++done, servers.length)
    }
  }
  settings.onProgress?.(0, servers.length)
  await Promise.all(Array.from({ length: MOST_AT_ONCE }, work))
  return verdicts
}

async function checkServer(server: Server, settings: CheckSettings, signal: AbortSignal): Promise<Verdict> {
  const { name, file, scope, trusted, enabled, changedSinceApproval = false } = server
  if (!trusted) return { is: "skipped", diagnosis: projectNotTrusted({ server: name, file, changed: changedSinceApproval }) }
  if (!enabled) return { is: "skipped", diagnosis: serverDisabled({ name, file, scope }) }
  const limitMs = settings.limitMs ?? LIMIT_MS
  const limit = limited(signal, limitMs)
  try {
    await askServer(server, settings, limit)
    return { is: "ok" }
  } catch (error) {
    signal.throwIfAborted()
    return { is: "failed", diagnosis: limit.aborted ? checkTimeout({ server, limitMs }) : diagnosisOf(error) }
  }
}

async function askServer(server: Server, { tools, version }: CheckSettings, signal: AbortSignal): Promise<void> {
  await using bridge = await connect({
    name: server.name,
    clientInfo: { name: "postern", version },
    findServer: () => Promise.resolve(server),
    tools,
    log: silentLog,
    stderr: () => undefined, // what matters of it stands in the diagnosis
    signal,
  })
  // Some servers ask for no proof before the first call; some have no tools to list.
  await bridge.request(bridge.welcome.capabilities?.["tools"] === undefined ? "ping" : "tools/list")
}
