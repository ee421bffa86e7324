/**
 * `node .ci/install.mjs FOLDER...`: makes sure that the packages in `.ci/FOLDER` are installed as their lockfile says.
 * Progress goes to stderr. Does nothing, fast, where they are.
 *
 * They are packages of their own: `node` as a dependency of the root would shadow the user's Node.js in every script,
 * and npm on an old Node.js silently takes years-old versions of the judges.
 */
import { spawnSync } from "node:child_process"
import { statSync } from "node:fs"
import { join } from "node:path"

const changedAtMs = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

for (const name of process.argv.slice(2)) {
  const folder = join(import.meta.dirname, name)
  const installed = join(folder, "node_modules/.package-lock.json") // npm writes it last
  if (changedAtMs(installed) > changedAtMs(join(folder, "package-lock.json"))) continue

  process.stderr.write(`installing .ci/${name} ...\n`)
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: folder,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32", // npm is a .cmd there
  })
  if (npm.status !== 0) {
    process.stderr.write(`npm ci failed in .ci/${name}.\n`)
    process.exit(1)
  }
}
