/** `node … FILE TIMES [hold]`: under the lock, adds one to the number in FILE and writes `< pid` … `> pid` to FILE.log; `hold` keeps the lock until killed. */
import { appendFile, readFile } from "node:fs/promises"
import { writeFileAtomic } from "../../src/core/atomic-file.ts"
import { systemClock } from "../../src/core/clock.ts"
import { lockFile } from "../../src/core/file-lock.ts"

const [file = "", times = "1", hold] = process.argv.slice(2)
for (let n = 0; n < Number(times); n++) {
  await using lock = await lockFile(file, { clock: systemClock, waitMs: 60_000 })
  if (hold) {
    process.stdout.write("held\n")
    await systemClock.sleep(600_000)
  }
  await appendFile(`${file}.log`, `< ${process.pid}\n`)
  const sum = Number(await readFile(file, "utf8"))
  await lock.assertHeld()
  await writeFileAtomic(file, String(sum + 1))
  await appendFile(`${file}.log`, `> ${process.pid}\n`)
}
