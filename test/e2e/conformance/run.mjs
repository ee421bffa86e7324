/**
 * `node run.mjs [--json] [--expected-failures FILE] [SCENARIO...]`: runs client scenarios of the official conformance suite
 * through the bridge, and prints a table (or JSON). Known failures stand in `expected-failures.json`, `{SCENARIO: REASON}`;
 * one that has begun to pass fails the run, so that the list stays true. Exit code 1 if anything was not as expected.
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, relative } from "node:path"
import { parseArgs } from "node:util"

const root = join(import.meta.dirname, "../../..")
const all = ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"]

async function run(program, args, env) {
  const child = spawn(program, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk) => (output += chunk))
  const [exitCode] = await once(child, "close")
  return { exitCode, output }
}

async function readChecks(folder) {
  const [results] = await readdir(folder)
  return results ? JSON.parse(await readFile(join(folder, results, "checks.json"), "utf8")) : []
}

/** Runs one scenario: the suite on the Node.js that it asks for, the driver and the bridge on the one that runs this. */
async function runScenario(scenario) {
  const folder = await mkdtemp(join(tmpdir(), "postern-conformance-"))
  const suite = ".ci/judges/node_modules/@modelcontextprotocol/conformance/dist/index.js"
  const driver = `node ${relative(root, join(import.meta.dirname, "driver.mjs"))}` // the suite splits it at spaces
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` }
  try {
    const words = [suite, "client", "--command", driver, "--scenario", scenario, "--output-dir", folder]
    const { exitCode, output } = await run(join(root, ".ci/node22/node_modules/node/bin/node"), words, env)
    const checks = await readChecks(folder)
    const count = (status) => checks.filter((check) => check.status === status).length
    return { scenario, ok: exitCode === 0, passed: count("SUCCESS"), failed: count("FAILURE"), warnings: count("WARNING"), output }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function judge({ ok, ...result }, reason) {
  if (reason === undefined) return { ...result, asExpected: ok, verdict: ok ? "passes" : "fails" }
  return { ...result, asExpected: !ok, verdict: ok ? "passes: take it out of the expected failures" : `fails as expected: ${reason}` }
}

const { values, positionals } = parseArgs({
  options: {
    json: { type: "boolean" },
    "expected-failures": { type: "string", default: join(import.meta.dirname, "expected-failures.json") },
  },
  allowPositionals: true,
})
execFileSync(process.execPath, [".ci/install.mjs", "judges", "node22"], { cwd: root, stdio: ["ignore", 2, 2] })
const expected = JSON.parse(await readFile(values["expected-failures"], "utf8"))
const results = []
for (const scenario of positionals.length > 0 ? positionals : all) results.push(judge(await runScenario(scenario), expected[scenario]))

if (values.json) console.log(JSON.stringify(results))
else {
  console.log("| scenario | checks passed | failed | warnings | verdict |\n|---|---|---|---|---|")
  for (const { scenario, passed, failed, warnings, verdict } of results)
    console.log(`| ${scenario} | ${passed} | ${failed} | ${warnings} | ${verdict} |`)
  for (const { asExpected, scenario, output } of results) if (!asExpected) console.log(`\n${scenario}:\n${output}`)
}
process.exitCode = results.every(({ asExpected }) => asExpected) ? 0 : 1
