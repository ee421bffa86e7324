/** Folders and disks of a test's own; `await using` removes them. */
import { spawnSync } from "node:child_process"
import { appendFileSync, rmSync } from "node:fs"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { hasErrno } from "../../src/core/file-diagnoses.ts"

export interface TestFolder extends AsyncDisposable {
  readonly path: string
  /** A path in the folder. */
  at(...names: readonly string[]): string
}

/** A folder, private as the vault wants it. */
export async function makeFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), "postern-test-"))
  return {
    path,
    at: (...names) => join(path, ...names),
    async [Symbol.asyncDispose]() {
      await chmod(path, 0o700)
      await rm(path, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

export interface SmallDisk extends TestFolder {
  /** Once nobody has a file open for writing: until then the system refuses it. */
  makeReadOnly(): Promise<void>
  makeWritable(): Promise<void>
  /** Takes all the room there is, and what others give back while it is full, until `makeRoom`. */
  fill(): void
  makeRoom(): void
}

const BUSY_TRIES = 1000
const PAGE_BYTES = 4096

/** Appends until nothing more fits. */
function takeAll(path: string): void {
  try {
    for (;;) appendFileSync(path, Buffer.alloc(PAGE_BYTES))
  } catch (error) {
    if (!hasErrno(error, "ENOSPC")) throw error
  }
}

/** A real file system of `kib` KiB, where what is full is full for root too. Undefined where this user may not mount one. */
export async function mountSmallDisk(kib: number): Promise<SmallDisk | undefined> {
  const folder = await makeFolder()
  const mounted = spawnSync("sh", ["-c", `mount -t tmpfs -o size=${kib}k,mode=700 tmpfs "$0"`, folder.path])
  if (mounted.status !== 0) {
    await folder[Symbol.asyncDispose]()
    return undefined
  }
  const remount = async (how: "ro" | "rw"): Promise<void> => {
    for (let tries = 0; ; tries++) {
      const { status, stderr } = spawnSync("sh", ["-c", `mount -o remount,${how} "$0"`, folder.path], { encoding: "utf8" })
      if (status === 0) return
      if (tries === BUSY_TRIES) throw new Error(`remounting ${folder.path} as ${how}: ${stderr}`)
      await sleep(10)
    }
  }
  const filler = folder.at("filler")
  let filling: NodeJS.Timeout | undefined
  return {
    ...folder,
    makeReadOnly: () => remount("ro"),
    makeWritable: () => remount("rw"),
    fill() {
      takeAll(filler)
      filling ??= setInterval(takeAll, 1, filler)
    },
    makeRoom() {
      clearInterval(filling)
      filling = undefined
      rmSync(filler)
    },
    async [Symbol.asyncDispose]() {
      clearInterval(filling)
      spawnSync("sh", ["-c", 'umount "$0"', folder.path])
      await folder[Symbol.asyncDispose]()
    },
  }
}
