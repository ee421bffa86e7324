/** What the demo needs behind the scenes: showing a command as a person would type it, and the server it talks to. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"

/** Writes one line of the demo. */
export const show = (text) => process.stdout.write(`${text}\n`)

const quote = (word) => (/^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/**
 * Runs a program to its end, and returns what it wrote to stdout.
 *
 * @param options.shownAs - the command line to show before; without it the program runs behind the scenes (stdout to stderr)
 * @param options.quiet - do not show what it writes, unless it fails
 * @throws if it ends with another exit code than 0
 */
export async function runProgram(program, args, { shownAs, quiet, ...options } = {}) {
  if (shownAs) show(`$ ${shownAs.map(quote).join(" ")}`)
  const child = spawn(program, args, { ...options, stdio: ["ignore", shownAs ? "pipe" : 2, quiet ? "pipe" : "inherit"] })
  let output = ""
  let complaint = ""
  child.stderr?.setEncoding("utf8").on("data", (chunk) => (complaint += chunk))
  child.stdout?.setEncoding("utf8").on("data", (chunk) => (output += chunk))
  const [code] = await once(child, "close")
  if (shownAs && !quiet) show(output.trimEnd())
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with exit code ${code}\n${output}${complaint}`)
  return output
}

/** Starts `guarded-server.mjs`; `seen` grows by each request that the server saw. */
export async function startGuardedServer(token) {
  const program = join(import.meta.dirname, "guarded-server.mjs")
  const child = spawn(process.execPath, [program], { env: { ...process.env, TOKEN: token }, stdio: ["pipe", "pipe", "inherit"] })
  const lines = createInterface({ input: child.stdout })
  const [first] = await once(lines, "line")
  const seen = []
  lines.on("line", (line) => seen.push(JSON.parse(line)))
  const stop = async () => {
    child.stdin.end()
    if (child.exitCode === null) await once(child, "exit")
  }
  return { url: JSON.parse(first).url, seen, stop }
}
