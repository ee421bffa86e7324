/**
 * `node .ci/sum.mjs FOLDER`: adds up what the steps of `.ci/run` left in FOLDER (`NAME.exit`, and `NAME.json` where
 * vitest ran), shows each failure again, and each test that passed only when it was tried again, and ends with one line
 * of counts. A step that failed without a failed test (a build, a check, a suite that did not load, a time limit) counts
 * as one failure. Exit code 1 if anything failed.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const folder = process.argv[2]
const total = { passed: 0, failed: 0, skipped: 0 }

const readReport = (name) => {
  const file = join(folder, `${name}.json`)
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined
}

/** A report keeps what each try of a test failed with, of one that passed in the end too. */
const showUnsteady = (name, report) => {
  for (const file of report.testResults)
    for (const test of file.assertionResults.filter(({ status, failureMessages }) => status === "passed" && failureMessages.length > 0))
      console.log(`\n${name}: ${file.name}: ${test.fullName}: PASSED ONLY WHEN IT WAS TRIED AGAIN\n${test.failureMessages.join("\n")}`)
}

const showFailures = (name, report) => {
  for (const file of report.testResults.filter(({ status }) => status === "failed")) {
    if (file.message) console.log(`\n${name}: ${file.name}\n${file.message}`)
    for (const test of file.assertionResults.filter(({ status }) => status === "failed"))
      console.log(`\n${name}: ${file.name}: ${test.fullName}\n${test.failureMessages.join("\n")}`)
  }
}

for (const entry of readdirSync(folder).filter((file) => file.endsWith(".exit"))) {
  const name = entry.replace(/\.exit$/, "")
  const exitCode = Number(readFileSync(join(folder, entry), "utf8"))
  const report = readReport(name)
  if (report) {
    total.passed += report.numPassedTests
    total.failed += report.numFailedTests
    total.skipped += report.numPendingTests + report.numTodoTests
    showUnsteady(name, report)
    showFailures(name, report)
  }
  if (exitCode !== 0 && !report?.numFailedTests) {
    total.failed += 1
    console.log(`\n${name}: ended with exit code ${exitCode}, with no failed test: see its output above`)
  }
}
if (total.passed === 0 && total.failed === 0) total.failed = 1 // a run that tested nothing proves nothing

console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed > 0 ? 1 : 0
