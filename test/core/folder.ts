/** A folder of a test's own, private as the vault wants it; `await using` removes it. */
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface TestFolder extends AsyncDisposable {
  readonly path: string
  /** A path in the folder. */
  at(...names: readonly string[]): string
}

export async function makeFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), "postern-test-"))
  return {
    path,
    at: (...names) => join(path, ...names),
    async [Symbol.asyncDispose]() {
      await chmod(path, 0o700)
      await rm(path, { recursive: true, force: true })
    },
  }
}
