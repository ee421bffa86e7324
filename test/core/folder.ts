/** Folders and disks of a test's own; `await using` removes them. */
import { spawnSync } from "node:child_process"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

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
  makeReadOnly(): void
  makeWritable(): void
}

/** A real file system of `kib` KiB, where what is full is full for root too. Undefined where this user may not mount one. */
export async function mountSmallDisk(kib: number): Promise<SmallDisk | undefined> {
  const folder = await makeFolder()
  const mounted = spawnSync("sh", ["-c", `mount -t tmpfs -o size=${kib}k,mode=700 tmpfs "$0"`, folder.path])
  if (mounted.status !== 0) {
    await folder[Symbol.asyncDispose]()
    return undefined
  }
  const remount = (how: "ro" | "rw"): void => void spawnSync("sh", ["-c", `mount -o remount,${how} "$0"`, folder.path])
  return {
    ...folder,
    makeReadOnly: () => remount("ro"),
    makeWritable: () => remount("rw"),
    async [Symbol.asyncDispose]() {
      spawnSync("sh", ["-c", 'umount "$0"', folder.path])
      await folder[Symbol.asyncDispose]()
    },
  }
}
