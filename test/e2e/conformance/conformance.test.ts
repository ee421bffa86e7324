/** The official conformance suite judges the built bridge: `npm run conformance` prints the same as a table. */
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { runsOnNode } from "../../harness/node-version.ts"

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

/** What `run.mjs --json` prints of a scenario; these are the parts that are used here. */
interface ScenarioResult {
  readonly scenario: string
  readonly asExpected: boolean
}

async function runConformance(...words: readonly string[]): Promise<readonly ScenarioResult[]> {
  const run = promisify(execFile)(process.execPath, [here("run.mjs"), "--json", ...words])
  // Exit code 1 comes with the same JSON: what was not as expected.
  const { stdout } = await run.catch((failure: { readonly stdout: string }) => failure)
  return JSON.parse(stdout) as readonly ScenarioResult[]
}

test.for(["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"])(
  "the scenario %s passes through the bridge",
  async (scenario) => {
    const results = await runConformance(`stable:${scenario}`)

    expect(results).toEqual([expect.objectContaining({ scenario, verdict: "passes", failed: 0, asExpected: true })])
  },
)

test("the transport of revision 2026-07-28 passes through the bridge, headers of parameters and invalid tools included", async () => {
  const results = await runConformance("modern")

  expect(results).toHaveLength(8)
  expect(results).toEqual(Array.from({ length: 8 }, () => expect.objectContaining({ verdict: "passes", failed: 0, warnings: 0 })))
}, 180_000)

test.runIf(runsOnNode(22))(
  "every scenario with a person of the newest stable release and of the newest alpha is as expected",
  async () => {
    const results = await runConformance("stable", "alpha")

    expect(results.length).toBe(23 + 32)
    expect(results.filter(({ asExpected }) => !asExpected)).toEqual([])
  },
  900_000,
)

test("a known failure that has begun to pass fails the run", async () => {
  const folder = await mkdtemp(join(tmpdir(), "postern-conformance-"))
  const file = join(folder, "expected-failures.json")
  await writeFile(file, JSON.stringify({ "stable:initialize": "A reason that is no longer true." }))

  const results = await runConformance("--expected-failures", file, "stable:initialize")

  expect(results).toEqual([expect.objectContaining({ scenario: "initialize", asExpected: false })])
  await rm(folder, { recursive: true })
})
