/**
 * `npm run bench:long -- [--minutes 60]`: one bridge, mixed calls, and a server that is killed and started again every minute.
 * Counts wrong answers and watches memory; writes the page to `bench/results`. README.md says what is looked at, and how.
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { loadavg, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { kinds } from "./long/calls.mjs"
import { startClient } from "./long/client.mjs"
import { renderLongRun } from "./long/page.mjs"
import { processTree, residentMB } from "./process-facts.mjs"

const root = join(import.meta.dirname, "..")
const { minutes: given, every } = parseArgs({
  options: { minutes: { type: "string", default: "60" }, every: { type: "string", default: "60" } },
}).values
const minutes = Number(given)
const endAt = Date.now() + minutes * 60_000

const token = "long-run-token-0123456789"
const workers = 8
/** What a worker rests between two calls, in ms, on average: the run is about time, not about load. */
const restMs = 60
/** A server that is up again is met within this time, in ms. */
const afterglowMs = 5_000
const sampleMs = Math.min(10_000, (minutes * 60_000) / 60)

/** The run's own chance, so that two runs ask the same. */
function seededRandom(seed) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

async function startServer(port = 0) {
  const child = spawn(process.execPath, [join(root, "bench/long/server.mjs"), String(port), token], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const [line] = await once(child.stdout, "data")
  return { port: Number(String(line).split(" ")[1]), kill: () => (child.kill("SIGKILL"), once(child, "exit")) }
}

/** When the server was away: only then may a call be answered with a failure. */
const outages = []
const wasAway = (fromMs, untilMs) => outages.some(({ from, until = Infinity }) => fromMs < until + afterglowMs && untilMs > from)

async function restartEvery(seconds, server, signal) {
  let present = server
  try {
    for (;;) {
      await sleep(seconds * 1000, undefined, { signal })
      const outage = { from: Date.now() }
      outages.push(outage)
      await present.kill()
      await sleep(outages.length % 3 === 0 ? 3_000 : 200) // away for a moment, or for long enough to be refused
      present = await startServer(server.port)
      outage.until = Date.now()
    }
  } catch (error) {
    if (!signal.aborted) throw error
    await present.kill()
  }
}

const counts = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, { right: 0, told: 0 }]))
const wrong = []

async function work(client, worker) {
  const random = seededRandom(worker + 1)
  const names = Object.keys(kinds)
  for (let at = 0; Date.now() < endAt; at++) {
    const kind = random() < 0.6 ? "small" : names[Math.floor(random() * names.length)]
    const begun = Date.now()
    const outcome = await kinds[kind](client, { tag: `w${worker}-${at}`, random })
    if (outcome === undefined) counts[kind].right++
    else if (outcome.told !== undefined && wasAway(begun, Date.now())) counts[kind].told++
    else wrong.push(`${kind}: ${outcome.wrong ?? `told ${outcome.told} while the server was there`}`)
    await sleep(random() * 2 * restMs)
  }
}

const samples = []
async function watch(pid, signal) {
  const begin = Date.now()
  try {
    for (;;) {
      await sleep(sampleMs, undefined, { signal })
      const open = readdirSync(`/proc/${pid}/fd`).length
      samples.push({ minute: (Date.now() - begin) / 60_000, residentMB: residentMB(processTree(pid)), open })
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

const home = mkdtempSync(join(tmpdir(), "postern-long-"))
const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: home, POSTERN_HOME: join(home, "postern") }
const postern = join(root, "dist/bin/postern.js")
const over = new AbortController()
const server = await startServer()
const header = `Authorization: Bearer ${token}`
execFileSync(process.execPath, [postern, "add", "long", "--header", header, `http://127.0.0.1:${server.port}/mcp`], {
  env,
  stdio: ["ignore", "ignore", 2],
})
const client = startClient({ args: [postern, "run", "long"], env, cwd: home })
const begun = new Date()
try {
  await client.request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "long", version: "1.0.0" } })
  client.send({ method: "notifications/initialized" })
  const background = [restartEvery(Number(every), server, over.signal), watch(client.pid, over.signal)]
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(client, worker)))
  over.abort()
  await Promise.all(background)
  await client.close()
} finally {
  over.abort()
  rmSync(home, { recursive: true, force: true })
}

const facts = { begun, minutes, restarts: outages.length, counts, wrong, mistakes: client.mistakes, samples, load: loadavg()[2] }
const { page, held } = renderLongRun(facts)
console.log(page)
if (minutes >= 30) {
  const name = `${begun.toISOString().slice(0, 10)}-node${process.versions.node.split(".")[0]}-long-run.md`
  await writeFile(join(root, "bench/results", name), `${page}\n`)
  process.stderr.write(`written to bench/results/${name}\n`)
}
process.exitCode = held ? 0 : 1
