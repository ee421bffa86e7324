/**
 * `npm run bench [-- --quick]`: measures Postern beside a floor, a direct connection and its peers, prints the page and
 * writes it to `bench/results` (`--quick`: fewer rounds, prints only). README.md says what is measured, and how.
 */
import { execFileSync } from "node:child_process"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { arch, cpus, loadavg, platform, release } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { makeContenders, startServer, token } from "./contenders.mjs"
import { makeKeySources } from "./key-sources.mjs"
import { measureSession, measureStart } from "./measure.mjs"
import { judgeBars, renderReport } from "./report.mjs"

const root = join(import.meta.dirname, "..")
const { quick } = parseArgs({ options: { quick: { type: "boolean" } } }).values

const calls = { sequential: 1000, total: 10_000 }
const longCalls = { ...calls, longTotal: 50_000 }

/** Who is compared with Postern, by which measurement, in how many pairs. */
const plan = ({ floor, direct, remote, gateway, bare, keychain, passphrase }) => [
  { other: floor, measure: measureStart, pairs: quick ? 5 : 20 },
  { other: remote, measure: measureStart, pairs: quick ? 2 : 10 },
  { other: gateway, measure: measureStart, pairs: quick ? 2 : 10 },
  { other: bare, measure: measureStart, pairs: quick ? 2 : 10 },
  { other: floor, measure: (contender) => measureSession(contender, quick ? calls : longCalls), pairs: quick ? 2 : 10 },
  ...(keychain ? [{ ours: keychain, other: floor, measure: measureStart, pairs: quick ? 2 : 20 }] : []),
  { ours: passphrase, other: floor, measure: measureStart, pairs: quick ? 2 : 10 },
  { other: direct, measure: (contender) => measureSession(contender, calls), pairs: quick ? 1 : 5 },
  { other: remote, measure: (contender) => measureSession(contender, calls), pairs: quick ? 1 : 5 },
  { other: gateway, measure: (contender) => measureSession(contender, calls), pairs: quick ? 1 : 5 },
]

/** Measures ours, then the other, then ours again: what the machine does meanwhile hits both of a pair. */
async function compare({ ours: postern, other, measure, pairs: count }) {
  const pairs = []
  for (let i = 0; i < count; i++) {
    process.stderr.write(`\rbench: ${postern.name} and ${other.name}, ${i + 1} of ${count}     `)
    const ours = await measure(postern)
    try {
      pairs.push([ours, await measure(other)])
    } catch (error) {
      return { ours: postern.name, name: other.name, pairs, failure: String(error) } // a peer that cannot do it does not end the run
    }
  }
  return { ours: postern.name, name: other.name, pairs }
}

async function describeMachine() {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"))
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    version,
    node: process.version,
    cpus: cpus().length,
    cpu: cpus()[0]?.model.trim() ?? "unknown processor",
    os: `${platform()} ${arch()} ${release()}`,
    load: loadavg()[0].toFixed(1),
  }
}

async function writeResults(result, page) {
  const name = `${result.machine.date.slice(0, 10)}-node${process.versions.node.split(".")[0]}`
  const folder = join(root, "bench/results")
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, `${name}.md`), `${page}\n`)
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(result, null, 1)}\n`)
  process.stderr.write(`written to bench/results/${name}.md and .json\n`)
}

execFileSync(process.execPath, [join(root, ".ci/install.mjs"), "judges"], { stdio: ["ignore", 2, 2] })
const machine = await describeMachine()
const server = await startServer()
const contenders = makeContenders(server.url)
const keySources = await makeKeySources(server.url)
try {
  const comparisons = []
  const steps = plan({ ...contenders, ...keySources })
  for (const step of steps) comparisons.push(await compare({ ours: contenders.postern, ...step }))
  process.stderr.write("\n")
  const seen = await server.readSeen()
  if (!seen[`Bearer ${token}`]) throw new Error("the server never saw the token: this was not the header method")

  const result = { machine, comparisons, judged: judgeBars(comparisons) }
  const page = renderReport(result)
  console.log(page)
  if (!quick) await writeResults(result, page)
} finally {
  keySources.close()
  contenders.close()
  server.stop()
}
