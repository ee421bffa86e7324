/** What killed writers leave: of no use to anybody, and beside a secret at best encrypted. */
import { lstat, readdir, unlink } from "node:fs/promises"
import { basename, dirname, join } from "node:path"

/** Where no lock says that a writer has ended, in milliseconds: none takes this long. */
export const ABANDONED_AGE_MS = 60 * 60_000

/** Temporary files of `atomic-file.ts`, and of `file-lock.ts` locks that were passed on; of the file itself and of its lock. */
const LEFTOVER = /^(\.lock(\.[0-9a-f]{16})+|(\.lock)?(\.[0-9a-f]{16})*\.[0-9a-f]{12}\.tmp)$/

/**
 * Removes what was left beside a file that is about to be written. A link of such a name is none of ours, and stays. Never fails:
 * tidying is no reason to fail what it is done for.
 *
 * @param olderThanMs - what is younger may be a writer's that still lives. A clock that was set back makes a file come from the
 *   future: that is no reason to keep it
 */
export async function removeLeftovers(path: string, olderThanMs: number): Promise<void> {
  const [folder, name] = [dirname(path), basename(path)]
  try {
    const entries = await readdir(folder)
    for (const entry of entries.filter((other) => other.startsWith(name) && LEFTOVER.test(other.slice(name.length)))) {
      const leftover = join(folder, entry)
      const facts = await lstat(leftover)
      if (facts.isFile() && Math.abs(Date.now() - facts.mtimeMs) > olderThanMs) await unlink(leftover)
    }
  } catch {
    // Another process was faster, or the folder cannot be read: whoever writes next tries again, or is told why not.
  }
}
