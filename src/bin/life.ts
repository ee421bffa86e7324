/** The life of a program's process: it ends when it is told to, or when its client has gone, and not before its last word is out. */
import { readFileSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { Process } from "../cli/context.ts"
import { thisProcess } from "../cli/create-context.ts"

const PARENT_CHECK_MS = 2_000
const LAST_WORDS_MS = 1_000
/** How long a start takes at most, generously, in milliseconds. */
const START_MS = 500

/**
 * @param manifest - the package's own `package.json`, seen from the program's file
 * @param main - the program; what it returns is the exit code
 */
export async function live(manifest: URL, main: (process: Process) => Promise<number>): Promise<void> {
  let isLong = false
  setTimeout(() => {
    isLong = true
    holdMemory()
  }, START_MS).unref()
  const end = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => end.abort())
  // Ctrl-D at a question leaves nothing that could still happen: that is an interruption, and no success.
  process.exitCode = 1
  process.once("beforeExit", () => end.abort())
  // A client that was killed takes its pipes with it; where something else holds them, its absence still shows.
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && end.abort(), PARENT_CHECK_MS).unref()

  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string } // our own file
  const exitCode = await main(thisProcess(version, end.signal))
  // What a client holds open must not keep us alive: the result is out, or nobody reads it.
  const exit = (): void => {
    if (isLong) collectGarbage()
    process.exit(exitCode)
  }
  process.stdout.write("", exit)
  setTimeout(exit, LAST_WORDS_MS)
}

/**
 * Keeps the young space of the heap as small as it is after the start, and the old one collected often: a bridge lives as long as its
 * client, and there is one for each server and client (docs/architecture.md, decision 10).
 */
function holdMemory(): void {
  setFlagsFromString("--semi-space-growth-factor=1")
  setFlagsFromString("--heap-growing-percent=10")
}

/**
 * Node.js 24 compiles on threads of its own, and one that lacks room waits for a garbage collection. `process.exit` collects nothing any
 * more and waits for that thread, both for ever (nodejs/node issue 54918). Three in a hundred bridges with a full backlog never ended;
 * after a collection there is room (docs/architecture.md, decision 10).
 */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("globalThis.gc") as (() => void) | undefined // what the flag exposes
  collect?.()
}
