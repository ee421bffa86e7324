/** Who is measured: Postern, the least that a pass-through can cost, no bridge at all, and the peers from npm. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { connectDirectly, startBridge } from "./clients.mjs"

const here = import.meta.dirname
const root = join(here, "..")
const judges = createRequire(join(root, ".ci/judges/package.json"))

/** The token that Postern holds in its vault, and the peers in their arguments. */
export const token = "bench-token-0123456789"

/** Starts the server that all contenders stand before. */
export async function startServer() {
  const child = spawn(process.execPath, [join(here, "floor/server.mjs")], { stdio: ["pipe", "pipe", "inherit"] })
  const [line] = await once(child.stdout, "data")
  const { url } = JSON.parse(line)
  return {
    url,
    readSeen: async () => (await fetch(new URL("/seen", url))).json(),
    stop: () => child.stdin.end(),
  }
}

/** A home of its own, so that nobody reads or writes the user's files. */
function makeHome() {
  const home = mkdtempSync(join(tmpdir(), "postern-bench-"))
  const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: home, POSTERN_HOME: join(home, "postern") }
  return { home, env, remove: () => rmSync(home, { recursive: true, force: true }) }
}

function programOf(packageName, file) {
  return join(dirname(judges.resolve(`${packageName}/package.json`)), file)
}

/**
 * Postern in a home of its own, with the server added.
 *
 * @returns `contender`, and for whoever sets it up further: `run` runs a command there, `env` may be added to, `remove` removes it all
 */
export function makePostern(name, url) {
  const { home, env, remove } = makeHome()
  const program = join(root, "dist/bin/postern.js")
  const run = (...args) => execFileSync(process.execPath, [program, ...args], { env, stdio: ["ignore", "ignore", 2] })
  run("add", "bench", "--transport", "http", "--header", `Authorization: Bearer ${token}`, url)
  const start = () => startBridge({ program: process.execPath, args: [program, "run", "bench"], env, cwd: home })
  return { contender: { name, start }, home, env, run, remove }
}

/** Makes all contenders for one server. `close` removes what they wrote. */
export function makeContenders(url) {
  const { contender: postern, home, env, remove } = makePostern("postern", url)
  const bridge = (name, ...args) => ({ name, start: () => startBridge({ program: process.execPath, args, env, cwd: home }) })
  const bearer = `Authorization: Bearer ${token}`
  const remote = programOf("mcp-remote", "dist/proxy.js")
  const gateway = programOf("supergateway", "dist/index.js")
  return {
    postern,
    floor: bridge("floor-raw", join(here, "floor/floor-raw.mjs"), url),
    direct: { name: "direct HTTP", start: () => connectDirectly(url) },
    remote: bridge("mcp-remote", remote, url, "--transport", "http-only", "--allow-http", "--header", `Authorization:Bearer ${token}`),
    gateway: bridge("supergateway", gateway, "--streamableHttp", url, "--logLevel", "none", "--header", bearer),
    bare: { name: "bare node", start: () => ({ ended: once(spawn(process.execPath, ["-e", "0"], { stdio: "ignore" }), "exit") }) },
    close: remove,
  }
}
