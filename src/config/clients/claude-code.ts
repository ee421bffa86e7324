/** Claude Code (documentation of 2026-08-22). */
import { basename, dirname, resolve } from "node:path"
import type { Environment } from "../../core/places.ts"
import type { ForeignClient } from "./client.ts"

/** Servers in these are ignored without a word (anthropics/claude-code#24477). They lie in `.claude`, or where CLAUDE_CONFIG_DIR says. */
const IGNORED = new Set(["settings.json", "settings.local.json", ".mcp.json", "mcp.json"])

/** Keys and files of Claude Code. */
export const claudeCode: ForeignClient = {
  name: "Claude Code",
  harmlessKeys: ["alwaysLoad"],
  unusedKeys: {},
  readsInstead(file, env) {
    const folder = dirname(file)
    const moved = env["CLAUDE_CONFIG_DIR"]
    const isClaudeFolder = basename(folder) === ".claude" || (moved !== undefined && moved !== "" && resolve(moved) === folder)
    return isClaudeFolder && IGNORED.has(basename(file)) ? ".mcp.json in the project folder, or ~/.claude.json" : undefined
  },
}

/**
 * Says whether Claude Code has thinned out the variables that this process got.
 *
 * @returns one line of evidence for each setting that does so
 */
export function strippedVariablesHints(env: Environment): readonly string[] {
  const hints: readonly (readonly [string, string])[] = [
    ["CLAUDE_CODE_MCP_ALLOWLIST_ENV", "hands only a safe few of its variables to servers; name the variable in the entry's env"],
    ["CLAUDE_CODE_SUBPROCESS_ENV_SCRUB", "takes cloud credentials out of what it hands to servers"],
  ]
  return hints.filter(([name]) => env[name] === "1").map(([name, what]) => `${name}=1: Claude Code ${what}`)
}
