/**
 * The foreign programs that judge us: packages of their own below `.ci`, each with its lockfile. As vitest's global set-up
 * of the end-to-end tests, this module installs what is missing.
 */
import { execFileSync } from "node:child_process"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

const inRepository = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** A Node.js 22, for judges that do not run on ours. */
export const node22 = inRepository(".ci/node22/node_modules/node/bin/node")

/** MCP Inspector's command line (asks for Node.js 22.19). */
export const inspector = inRepository(".ci/judges/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js")

const judges = createRequire(inRepository(".ci/judges/package.json"))

/** Loads a module of a judge. What comes back is foreign: the caller says which part of its face it uses. */
export const requireJudge: (specifier: string) => unknown = judges

/** Finds a module of a judge that has to be imported, not required. */
export const resolveJudge = (specifier: string): string => judges.resolve(specifier)

export default function installJudges(): void {
  execFileSync(process.execPath, [inRepository(".ci/install.mjs"), "judges", "node22"], { stdio: ["ignore", "ignore", "inherit"] })
}
