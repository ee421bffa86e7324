import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { renameSync } from "node:fs"
import { readFile, readdir, utimes, writeFile } from "node:fs/promises"
import { Worker } from "node:worker_threads"
import { expect, test } from "vitest"
import { type Clock, systemClock } from "../../src/core/clock.ts"
import { type LockOwner, lockFile } from "../../src/core/file-lock.ts"
import { ownFacts } from "../../src/core/liveness.ts"
import { compile } from "../harness/compile.ts"
import { makeFolder } from "./folder.ts"

const child = new URL("./lock-pid.child.ts", import.meta.url)
const clock = systemClock

const at = (nowMs: number): Clock => ({ ...clock, now: () => nowMs })

/** A lock as its holder has left it. */
async function leaveLock(lock: string, changes: Partial<LockOwner> = {}): Promise<LockOwner> {
  const owner = { ...(await ownFacts()), nonce: "00112233aabbccdd", takenAtMs: Date.now(), holdMs: 60_000, ...changes }
  await writeFile(lock, JSON.stringify(owner), { mode: 0o600 })
  return owner
}

/** A process id that is not in use: that of a process which has ended. */
async function endedPid(): Promise<number> {
  const ended = spawn(process.execPath, ["--version"], { stdio: "ignore" })
  await once(ended, "exit")
  return ended.pid ?? 0
}

async function startHolder(program: string, file: string): Promise<ChildProcess> {
  const holder = spawn(process.execPath, [program, file, "1", "hold"], { stdio: ["ignore", "pipe", "inherit"] })
  await once(holder.stdout, "data")
  return holder
}

async function killHard(holder: ChildProcess): Promise<void> {
  holder.kill("SIGKILL")
  await once(holder, "exit")
}

test("six processes that change one file at once never overlap, and lose no change", async () => {
  await using folder = await makeFolder()
  await using program = await compile(child)
  const file = folder.at("sum")
  await writeFile(file, "0")

  const racers = Array.from({ length: 6 }, () => spawn(process.execPath, [program.path, file, "5"], { stdio: "inherit" }))
  const exits = await Promise.all(racers.map(async (racer) => (await once(racer, "exit"))[0]))

  expect(exits).toEqual(Array(6).fill(0))
  expect(await readFile(file, "utf8")).toBe("30")
  const log = (await readFile(`${file}.log`, "utf8")).trim().split("\n")
  for (let n = 0; n < log.length; n += 2) expect(log[n + 1]).toBe(log[n]?.replace("<", ">"))
  expect(log).toHaveLength(60)
  expect(await readdir(folder.path)).toEqual(["sum", "sum.log"]) // no lock, no temporary file
})

test("promises and threads of one process take turns too", async () => {
  await using folder = await makeFolder()
  await using program = await compile(child)
  const file = folder.at("sum")
  await writeFile(file, "0")
  let inside = 0

  const threads = [1, 2].map(() => new Worker(program.path, { argv: [file, "3"] }))
  const turns = Array.from({ length: 4 }, async () => {
    await using lock = await lockFile(file, { clock, waitMs: 60_000 })
    expect(++inside).toBe(1)
    const sum = Number(await readFile(file, "utf8"))
    await clock.sleep(2)
    await lock.assertHeld()
    await writeFile(file, String(sum + 1))
    inside--
  })
  await Promise.all([...turns, ...threads.map((thread) => once(thread, "exit"))])

  expect(await readFile(file, "utf8")).toBe("10")
})

test("the lock of a killed holder is taken over at once, by one of several takers", async () => {
  await using folder = await makeFolder()
  await using program = await compile(child)
  const file = folder.at("sum")
  await writeFile(file, "0")
  const holder = await startHolder(program.path, file)
  const { pid } = JSON.parse(await readFile(`${file}.lock`, "utf8")) as LockOwner
  expect(pid).toBe(holder.pid)
  await killHard(holder)

  const takers = Array.from({ length: 3 }, () => spawn(process.execPath, [program.path, file, "3"], { stdio: "inherit" }))
  await Promise.all(takers.map((taker) => once(taker, "exit")))

  expect(await readFile(file, "utf8")).toBe("9")
  expect(await readdir(folder.path)).toEqual(["sum", "sum.log"])
})

test("of many takers of many dead locks, exactly one is in at any time", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  const pid = await endedPid()
  let inside = 0

  for (let round = 0; round < 10; round++) {
    await leaveLock(`${file}.lock`, { pid, nonce: `00112233aabbcc${String(round).padStart(2, "0")}` })
    const takers = Array.from({ length: 6 }, async (_, n) => {
      await clock.sleep(n % 3) // the slower ones look while the faster ones act
      await using lock = await lockFile(file, { clock: { ...clock, sleep: () => clock.sleep(1) }, waitMs: 60_000 })
      expect(++inside).toBe(1)
      await clock.sleep(1)
      await lock.assertHeld()
      inside--
    })
    await Promise.all(takers)
  }

  expect(await readdir(folder.path)).toEqual([])
})

test("a slow taker does not remove the lock that a faster one has made meanwhile", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  await leaveLock(`${file}.lock`, { host: "another", takenAtMs: 0 })
  const living = await leaveLock(folder.at("living"), { nonce: "ffeeddccbbaa9988" })
  let looks = 0
  const now = (): number => {
    // The slow one asks for the time when it judges the dead lock: at this moment the faster one is done.
    if (++looks === 1) renameSync(folder.at("living"), `${file}.lock`)
    return Date.now()
  }

  const taking = lockFile(file, { clock: { ...clock, now }, waitMs: 20 })

  await expect(taking).rejects.toMatchObject({ diagnosis: { code: "lock-timeout" } })
  expect(JSON.parse(await readFile(`${file}.lock`, "utf8"))).toEqual(living)
})

test("a taker that died in the middle is taken over in its turn", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  const pid = await endedPid()
  const dead = await leaveLock(`${file}.lock`, { pid })
  await leaveLock(`${file}.lock.${dead.nonce}`, { pid, nonce: "ffeeddccbbaa9988" })

  await using lock = await lockFile(file, { clock, waitMs: 0 })

  await lock.assertHeld()
  expect(await readdir(folder.path)).toEqual(["file.lock"])
})

test("a dead lock is left alone while a living taker is at it", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  const dead = await leaveLock(`${file}.lock`, { pid: await endedPid() })
  await leaveLock(`${file}.lock.${dead.nonce}`, { nonce: "ffeeddccbbaa9988" })

  const taking = lockFile(file, { clock, waitMs: 50 })

  await expect(taking).rejects.toMatchObject({ diagnosis: { code: "lock-timeout" } })
  expect(JSON.parse(await readFile(`${file}.lock`, "utf8"))).toEqual(dead)
})

test("a pid that another process uses now does not keep a lock alive", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  await leaveLock(`${file}.lock`, { started: "1" })

  await using lock = await lockFile(file, { clock, waitMs: 0 })

  await lock.assertHeld()
})

test.skipIf(process.platform !== "linux")("a holder that was killed and whose parent has not looked yet is dead", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  const parent = spawn("sh", ["-c", "sleep 10 & echo $!; exec sleep 10"], { stdio: ["ignore", "pipe", "inherit"] })
  const pid = Number(String((await once(parent.stdout, "data"))[0]))
  const readFields = async (): Promise<string[]> => (await readFile(`/proc/${pid}/stat`, "utf8")).split(" ")
  // A shell would look after its child; a sleep does not.
  while ((await readFile(`/proc/${parent.pid}/comm`, "utf8")) !== "sleep\n") await clock.sleep(5)
  process.kill(pid, "SIGKILL")
  while ((await readFields())[2] !== "Z") await clock.sleep(5)
  await leaveLock(`${file}.lock`, { pid, started: (await readFields())[21] ?? "" })

  await using lock = await lockFile(file, { clock, waitMs: 0 })

  await lock.assertHeld()
  await killHard(parent)
})

test("a lock from before the last boot is dead, whoever has its pid now", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  await leaveLock(`${file}.lock`, { boot: "another" })

  await using lock = await lockFile(file, { clock, waitMs: 0 })

  await lock.assertHeld()
})

test.each([{ host: "another" }, { pidSpace: "another" }])(
  "a holder that cannot be seen from here (%o) ends by time only",
  async (where) => {
    await using folder = await makeFolder()
    const file = folder.at("file")
    const pid = await endedPid()
    const { takenAtMs } = await leaveLock(`${file}.lock`, { ...where, pid, holdMs: 30_000 })

    await expect(lockFile(file, { clock: at(takenAtMs + 29_000), waitMs: 0 })).rejects.toMatchObject({
      diagnosis: { code: "lock-timeout" },
    })
    await using lock = await lockFile(file, { clock: at(takenAtMs + 31_000), waitMs: 0 })

    await lock.assertHeld()
  },
)

test("a suspended holder keeps its lock, and the wait ends with its pid and the file named", async () => {
  await using folder = await makeFolder()
  await using program = await compile(child)
  const file = folder.at("sum")
  const holder = await startHolder(program.path, file)
  holder.kill("SIGSTOP")

  const waiting = lockFile(file, { clock, waitMs: 120 })

  await expect(waiting).rejects.toMatchObject({
    diagnosis: { code: "lock-timeout", cause: `The process ${holder.pid} holds the lock of ${file}.`, next: `ps -p ${holder.pid}` },
  })
  await killHard(holder)
})

test("a lock that cannot be read as one counts for two seconds, then no longer", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  await writeFile(`${file}.lock`, "\0\0\0\0", { mode: 0o600 })

  await expect(lockFile(file, { clock, waitMs: 20 })).rejects.toMatchObject({ diagnosis: { code: "lock-timeout" } })
  const old = new Date(Date.now() - 5_000)
  await utimes(`${file}.lock`, old, old)
  await using lock = await lockFile(file, { clock, waitMs: 20 })

  await lock.assertHeld()
})

test("a wait is ended by its signal, with the signal's reason", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  await using held = await lockFile(file, { clock })
  const stop = new AbortController()

  const waiting = lockFile(file, { clock }, stop.signal)
  setTimeout(() => stop.abort(new Error("enough")), 30)

  await expect(waiting).rejects.toThrow("enough")
  await held.assertHeld()
})

test("a lock that was taken away is noticed, and the other's lock is left alone at the release", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  const lock = await lockFile(file, { clock })
  const other = await leaveLock(`${file}.lock`)

  await expect(lock.assertHeld()).rejects.toMatchObject({ diagnosis: { code: "lock-lost" } })
  await lock.release()

  expect(JSON.parse(await readFile(`${file}.lock`, "utf8"))).toEqual(other)
})

test("what killed writers have left is removed by the next holder once it is old", async () => {
  await using folder = await makeFolder()
  const file = folder.at("file")
  const old = new Date(Date.now() - 120_000)
  const leftovers = ["file.0123456789ab.tmp", "file.lock.0123456789ab.tmp", "file.lock.0123456789abcdef"]
  const others = ["file.backup.tmp", "file2.0123456789ab.tmp", "file.lock.txt"]
  for (const name of [...leftovers, ...others]) {
    await writeFile(folder.at(name), "")
    await utimes(folder.at(name), old, old)
  }
  await writeFile(folder.at("file.ba9876543210.tmp"), "of a living writer")

  await (await lockFile(file, { clock })).release()

  expect((await readdir(folder.path)).toSorted()).toEqual([...others, "file.ba9876543210.tmp"].toSorted())
})

test("where no lock can be made, that is told as such", async () => {
  await using folder = await makeFolder()
  await writeFile(folder.at("plain"), "")

  await expect(lockFile("/proc/postern-file", { clock })).rejects.toMatchObject({ diagnosis: { code: "not-writable" } })
  await expect(lockFile(folder.at("missing", "file"), { clock })).rejects.toMatchObject({ diagnosis: { code: "not-writable" } })
  await expect(lockFile(folder.at("plain", "file"), { clock })).rejects.toMatchObject({ diagnosis: { code: "not-writable" } })
})
