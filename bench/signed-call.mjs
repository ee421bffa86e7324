/**
 * What a signature costs: processor time of the same calls through two bridges, one with a header and one that signs for AWS, in turns.
 * `npm run build && node bench/signed-call.mjs [rounds] [calls]`; exit code 1 if a signed call costs more than 0.3 ms more.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startBridge } from "./clients.mjs"
import { processorMs } from "./process-facts.mjs"
import { median } from "./statistics.mjs"

const MOST_MS = 0.3
const [rounds = 15, calls = 500] = process.argv.slice(2).map(Number)
const inRepository = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))

const folder = await mkdtemp(join(tmpdir(), "postern-bench-"))
const floor = spawn(process.execPath, [inRepository("bench/floor/server.mjs")], { stdio: ["pipe", "pipe", "inherit"] })
const [line] = await once(floor.stdout, "data")
const { url } = JSON.parse(line)

const config = join(folder, "servers.json")
const mcpServers = {
  header: { type: "http", url, headers: { Authorization: "Bearer ${API_TOKEN}" } },
  signed: { type: "http", url, aws: { service: "execute-api", region: "ap-southeast-1" } },
}
await writeFile(config, JSON.stringify({ mcpServers }))
const env = {
  PATH: process.env.PATH,
  HOME: folder,
  POSTERN_HOME: folder,
  API_TOKEN: "a-token-of-usual-length-123456",
  AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  AWS_SESSION_TOKEN: "t".repeat(800), // as long as that of a role
  AWS_ENDPOINT_URL_STS: new URL("/sts", url).href, // is not there, and nothing hangs on it
}
const start = (name) =>
  startBridge({ program: process.execPath, args: [inRepository("dist/bin/postern.js"), "run", name, "--config", config], env, cwd: folder })
const bridges = { header: start("header"), signed: start("signed") }

/** Processor time of one call, in ms. */
async function cost(client) {
  const before = processorMs(client.processes())
  for (let i = 0; i < calls; i++) {
    const { result } = await client.request("tools/call", { name: "echo", arguments: { text: `call ${i}` } })
    if (result?.content[0].text !== `call ${i}`) throw new Error("a wrong answer")
  }
  return (processorMs(client.processes()) - before) / calls
}

try {
  for (const client of Object.values(bridges)) {
    await client.open()
    await cost(client) // warm-up
  }
  const pairs = []
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? ["header", "signed"] : ["signed", "header"]
    const costs = {}
    for (const name of order) costs[name] = await cost(bridges[name])
    pairs.push(costs)
  }
  const differenceMs = median(pairs.map(({ header, signed }) => signed - header))
  const [headerMs, signedMs] = ["header", "signed"].map((name) => median(pairs.map((pair) => pair[name])))
  const text = (ms) => ms.toFixed(3)
  process.stdout.write(
    `${process.version}: header ${text(headerMs)} ms, signed ${text(signedMs)} ms; a signature costs ${text(differenceMs)} ms of CPU (median of ${rounds} pairs of ${calls} calls; at most ${MOST_MS})\n`,
  )
  process.exitCode = differenceMs <= MOST_MS ? 0 : 1
} finally {
  for (const client of Object.values(bridges)) await client.close()
  floor.stdin.end()
  await rm(folder, { recursive: true, force: true })
}
