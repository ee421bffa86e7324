/** What a process and its descendants cost, from /proc. On other systems than Linux every fact is `undefined`. */
import { existsSync, readdirSync, readFileSync } from "node:fs"

const tickMs = 10 // USER_HZ is 100 on every Linux that Node.js runs on

/** The fields of /proc/PID/stat after the command's name, which may itself hold spaces and brackets. */
function readStat(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")
}

function tryEach(pids, read) {
  return pids.flatMap((pid) => {
    try {
      return [read(pid)]
    } catch {
      return [] // it has ended meanwhile
    }
  })
}

/** The process and all its descendants. */
export function processTree(root) {
  if (!existsSync("/proc/self/stat")) return undefined
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name))
  const parents = new Map(tryEach(pids, (pid) => [Number(pid), Number(readStat(pid)[1])]))
  const belongs = (pid) => pid === root || (parents.has(pid) && belongs(parents.get(pid)))
  return [...parents.keys()].filter(belongs)
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)

/** Resident memory of these processes, in MB. */
export const residentMB = (pids) =>
  pids && sum(tryEach(pids, (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024))

/** Processor time that these processes have used, in ms. */
export const processorMs = (pids) => pids && sum(tryEach(pids, (pid) => (Number(readStat(pid)[11]) + Number(readStat(pid)[12])) * tickMs))
