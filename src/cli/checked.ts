/** What `list --check` adds to the list: whether each server answers, and why not. */
import { oauthSignInNeeded } from "../auth/oauth/diagnoses.ts"
import type { Configuration } from "../config/files.ts"
import { inOneLine } from "../core/redact.ts"
import type { CheckSettings, Verdict } from "../inspect/check.ts"
import type { ServerFacts } from "../inspect/servers.ts"
import type { Context } from "./context.ts"
import { EXIT_CODES } from "./exit.ts"

/** One server as `list --check --json` prints it. */
export interface CheckedServer extends ServerFacts {
  readonly check: {
    /** Null: it was not asked; the code says why. */
    readonly ok: boolean | null
    readonly code: string | null
    readonly cause: string | null
    readonly next: string | null
  }
}

/**
 * Asks the servers, telling how far it is where a person waits for it.
 *
 * @returns the servers, and the exit code for `--exit-code`
 */
export async function checkListed(
  servers: readonly ServerFacts[],
  configuration: Configuration,
  context: Context,
): Promise<{ readonly servers: readonly CheckedServer[]; readonly exitCode: number }> {
  const { checkServers } = await import("../inspect/check.ts")
  const { stderr, version, signal } = context
  const showProgress = (done: number, total: number): void => void stderr.write(`\r\u001B[Kasked ${done} of ${total} servers`)
  const settings: CheckSettings = {
    tools: await context.tools(),
    version,
    ...(stderr.isTTY === true ? { onProgress: showProgress } : {}),
  }
  try {
    const verdicts = await checkServers(configuration, settings, signal)
    return {
      servers: servers.map((server) => ({ ...withFound(server, verdicts.get(server.name)), check: checkOf(verdicts.get(server.name)) })),
      exitCode: exitCodeOf(servers, verdicts),
    }
  } finally {
    if (stderr.isTTY === true) stderr.write("\r\u001B[K")
  }
}

/** An entry with an address alone does not say what the server asks for; now it has said so itself. */
function withFound(server: ServerFacts, verdict: Verdict | undefined): ServerFacts {
  if (verdict?.is !== "failed" || verdict.diagnosis.code !== oauthSignInNeeded.code) return server
  const { code, cause } = verdict.diagnosis
  return { ...server, method: "oauth", identity: null, needsSignIn: true, problem: { code, cause } }
}

function checkOf(verdict: Verdict | undefined): CheckedServer["check"] {
  if (verdict === undefined || verdict.is === "ok") return { ok: verdict === undefined ? null : true, code: null, cause: null, next: null }
  const { code, cause, next = null } = verdict.diagnosis
  return { ok: verdict.is === "failed" ? false : null, code, cause, next }
}

/** A fault that no sign-in mends comes first; what a guard has refused counts where nothing else is wrong. */
function exitCodeOf(servers: readonly ServerFacts[], verdicts: ReadonlyMap<string, Verdict>): number {
  const faults = servers.flatMap((server) => {
    const verdict = verdicts.get(server.name)
    if (verdict?.is !== "failed") return []
    return server.needsSignIn ? EXIT_CODES["sign-in"] : EXIT_CODES[verdict.diagnosis.kind]
  })
  if (faults.length === 0) return 0
  if (faults.includes(EXIT_CODES.failed) || faults.includes(EXIT_CODES.usage)) return EXIT_CODES.failed
  return faults.includes(EXIT_CODES["sign-in"]) ? EXIT_CODES["sign-in"] : EXIT_CODES.guard
}

/** One cell of the table. */
export function checkCell({ ok, code }: CheckedServer["check"]): string {
  if (ok === true) return "answers"
  return ok === null ? "not asked" : (code ?? "failed")
}

/** What is behind the cells that are not "answers". */
export function tellChecks(servers: readonly CheckedServer[]): readonly string[] {
  return servers.flatMap(({ name, check: { ok, cause, next } }) => {
    if (ok === true || cause === null) return []
    const lines = [`${name}: ${ok === null ? "not asked. " : ""}${cause}`, ...(next === null ? [] : [`  next: ${next}`])]
    return lines.map(inOneLine)
  })
}
