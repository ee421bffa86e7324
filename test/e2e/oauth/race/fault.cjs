/**
 * `node --require fault.cjs`: kills the process, as `kill -9` does, at one of its renames of the vault: what it writes becomes visible by a
 * rename. `POSTERN_TEST_FAULT` is `before N FILE` or `after N FILE`: the N-th rename since FILE exists. For tests only; nothing of ours
 * knows it.
 */
const fs = require("node:fs")
const { syncBuiltinESMExports } = require("node:module")

const [when, count, armed] = (process.env.POSTERN_TEST_FAULT ?? "").split(" ")
const rename = fs.promises.rename
let renames = 0

fs.promises.rename = async (from, to) => {
  const hit = String(to).endsWith("vault.json") && fs.existsSync(armed) && ++renames === Number(count)
  if (hit && when === "before") process.kill(process.pid, "SIGKILL")
  await rename(from, to)
  if (hit) process.kill(process.pid, "SIGKILL")
}
syncBuiltinESMExports()
