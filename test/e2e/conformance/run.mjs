/**
 * `node run.mjs [--json] [--at-once N] [--expected-failures FILE] [SUITE | SCENARIO | SUITE:SCENARIO]...`: runs client scenarios of the
 * official conformance suite through the bridge, and prints a table (or JSON). Known failures stand in `expected-failures.json`,
 * `{"SUITE:SCENARIO": REASON}`; one that has begun to pass fails the run, so that the list stays true. Exit code 1 if anything was not as
 * expected.
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, relative } from "node:path"
import { parseArgs } from "node:util"
import { chosen, suites } from "./suites.mjs"

const root = join(import.meta.dirname, "../../..")

async function run(program, args, env) {
  const child = spawn(program, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk) => (output += chunk))
  const [exitCode] = await once(child, "close")
  return { exitCode, output }
}

/** The checks of the one scenario that was written to a folder; scenarios with a slash in their name lie one folder deeper. */
async function readChecks(folder) {
  const file = (await readdir(folder, { recursive: true })).find((path) => path.endsWith("checks.json"))
  return file === undefined ? [] : JSON.parse(await readFile(join(folder, file), "utf8"))
}

/** Runs one scenario: the suite on the Node.js that it asks for, the driver and the bridge on the one that runs this. */
async function runScenario([suite, scenario]) {
  const folder = await mkdtemp(join(tmpdir(), "postern-conformance-"))
  const { package: judgePackage, flags } = suites[suite]
  const driver = `node ${relative(root, join(import.meta.dirname, "driver.mjs"))}` // the suite splits it at spaces
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` }
  try {
    const program = `.ci/judges/node_modules/${judgePackage}/dist/index.js`
    const words = [program, "client", "--command", driver, "--scenario", scenario, "--output-dir", folder, ...flags]
    const { exitCode, output } = await run(join(root, ".ci/node22/node_modules/node/bin/node"), words, env)
    const checks = await readChecks(folder)
    const count = (status) => checks.filter((check) => check.status === status).length
    return { suite, scenario, ok: exitCode === 0, passed: count("SUCCESS"), failed: count("FAILURE"), warnings: count("WARNING"), output }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

function judge({ ok, ...result }, reason) {
  if (reason === undefined) return { ...result, asExpected: ok, verdict: ok ? "passes" : "fails" }
  return { ...result, asExpected: !ok, verdict: ok ? "passes: take it out of the expected failures" : `fails as expected: ${reason}` }
}

/** Works through a list, so many at a time; the results come in the list's order. */
async function inParallel(list, atOnce, work) {
  const results = []
  let next = 0
  const worker = async () => {
    while (next < list.length) {
      const index = next++
      results[index] = await work(list[index])
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return results
}

const { values, positionals } = parseArgs({
  options: {
    json: { type: "boolean" },
    "at-once": { type: "string", default: "3" },
    "expected-failures": { type: "string", default: join(import.meta.dirname, "expected-failures.json") },
  },
  allowPositionals: true,
})
execFileSync(process.execPath, [".ci/install.mjs", "judges", "node22"], { cwd: root, stdio: ["ignore", 2, 2] })
const expected = JSON.parse(await readFile(values["expected-failures"], "utf8"))
const results = await inParallel(chosen(positionals), Number(values["at-once"]), async ([suite, scenario]) =>
  judge(await runScenario([suite, scenario]), expected[`${suite}:${scenario}`]),
)

if (values.json) console.log(JSON.stringify(results))
else {
  console.log("| suite | scenario | checks passed | failed | warnings | verdict |\n|---|---|---|---|---|---|")
  for (const { suite, scenario, passed, failed, warnings, verdict } of results)
    console.log(`| ${suite} | ${scenario} | ${passed} | ${failed} | ${warnings} | ${verdict} |`)
  for (const { asExpected, suite, scenario, output } of results) if (!asExpected) console.log(`\n${suite}:${scenario}:\n${output}`)
}
process.exitCode = results.length > 0 && results.every(({ asExpected }) => asExpected) ? 0 : 1
