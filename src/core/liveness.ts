/** Who a process is, in words that another process can check later: a pid alone is used again, and means nothing elsewhere. */
import { createHash } from "node:crypto"
import { readFile, readlink } from "node:fs/promises"
import { hostname } from "node:os"
import { hasErrno } from "./file-diagnoses.ts"

/** What tells one process from all others. A text is empty where the platform does not say. */
export interface ProcessFacts {
  /** The machine, hashed: its id is not for others to read. */
  readonly host: string
  /** One run of that machine: no process outlives it. */
  readonly boot: string
  /** Where the pid is counted: containers of one machine count for themselves. */
  readonly pidSpace: string
  readonly pid: number
  /** When it started, in ticks since the boot: a pid that is used again has another one. */
  readonly started: string
}

/** The facts of this process, the same in all of its threads. */
export async function ownFacts(): Promise<ProcessFacts> {
  const [machine, boot, pidSpace, self] = await Promise.all([
    readIfThere("/etc/machine-id"),
    readIfThere("/proc/sys/kernel/random/boot_id"),
    readlink("/proc/self/ns/pid").catch(() => ""), // not Linux, or hidden
    readStat(process.pid),
  ])
  const host = createHash("sha256").update(`${hostname()}\n${machine}`).digest("hex").slice(0, 16)
  return { host, boot, pidSpace, pid: process.pid, started: self?.started ?? "" }
}

/**
 * Judges from here whether a process still lives.
 *
 * @returns `unknown` for one that cannot be seen from here (another machine, another container), or whose pid is in use with
 *   no start time to compare: only time can tell then
 */
export async function judgeLiveness(other: ProcessFacts, self: ProcessFacts): Promise<"alive" | "dead" | "unknown"> {
  if (other.host !== self.host) return "unknown"
  if (other.boot !== self.boot) return "dead"
  if (other.pidSpace !== self.pidSpace) return "unknown"
  if (self.started === "" || other.started === "") return pidIsInUse(other.pid) ? "unknown" : "dead"
  const present = await readStat(other.pid)
  // A zombie does nothing any more; it only waits for its parent to look.
  return present?.started === other.started && !"ZX".includes(present.state) ? "alive" : "dead"
}

/** Reads fields 3 and 22 of `/proc/PID/stat` (proc_pid_stat(5)); field 2, in parentheses, is a name and may hold anything. */
async function readStat(pid: number): Promise<{ state: string; started: string } | undefined> {
  const stat = await readIfThere(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const [state, started] = [fields[0], fields[19]]
  return state && started ? { state, started } : undefined
}

async function readIfThere(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim()
  } catch (error) {
    // ESRCH: the process ended while we read.
    if (hasErrno(error, "ENOENT", "ENOTDIR", "EACCES", "ESRCH")) return ""
    throw error
  }
}

function pidIsInUse(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return !hasErrno(error, "ESRCH")
  }
}
