/** The official conformance suite judges the built bridge: `npm run conformance` prints the same as a table. */
import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

async function runScenario(scenario: string): Promise<unknown> {
  const run = promisify(execFile)(process.execPath, [here("run.mjs"), "--json", scenario])
  // Exit code 1 comes with the same JSON: what was not as expected.
  const { stdout } = await run.catch((failure: { readonly stdout: string }) => failure)
  return JSON.parse(stdout)
}

test.for(["initialize", "tools_call", "elicitation-sep1034-client-defaults"])(
  "the scenario %s passes through the bridge",
  async (scenario) => {
    const results = await runScenario(scenario)

    expect(results).toEqual([expect.objectContaining({ scenario, verdict: "passes", failed: 0 })])
  },
)

test("a known failure still fails, and has a reason", async () => {
  const expected: Readonly<Record<string, string>> = JSON.parse(await readFile(here("expected-failures.json"), "utf8"))

  for (const [scenario, reason] of Object.entries(expected)) {
    expect(reason).not.toBe("")
    expect(await runScenario(scenario)).toEqual([expect.objectContaining({ scenario, asExpected: true })])
  }
})
