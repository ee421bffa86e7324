/** A child process, and what it has started in its turn: one group, so that they can be ended together. */
import type { ChildProcess } from "node:child_process"

/** The option of `spawn` that makes a child the first of a group of its own. Windows has no such groups. */
export const OWN_GROUP = { detached: process.platform !== "win32" } as const

/** Signals a child that was started with `OWN_GROUP`, and its group where there is one. One that has ended is no failure. */
export function signalGroup(child: Pick<ChildProcess, "pid" | "kill">, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    if (process.platform === "win32") child.kill(signal)
    else process.kill(-child.pid, signal)
  } catch {
    // nothing of it is left
  }
}
