/** Turns a long run into a Markdown page, and judges it. */
import { median } from "../statistics.mjs"

/** The first part of a run fills caches and heaps: it says nothing about growth. */
const warmUpShare = 0.25
/** What an hour may add to memory, as a share of it. */
const mostGrowthShare = 0.1

/** A shorter run is warm-up from end to end: memory is shown, and not judged. */
const fewestMinutes = 30

/** The least-squares line through these points. @returns how much y changes for 1 of x */
function slope(points) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))]
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  return points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread
}

function judgeGrowth(samples, minutes) {
  const settled = samples.filter(({ minute }) => minute > minutes * warmUpShare)
  const third = Math.floor(settled.length / 3)
  const middleOf = (part) => median(part.map(({ residentMB }) => residentMB))
  const levelMB = middleOf(settled)
  const slopeMB = slope(settled.map(({ minute, residentMB }) => [minute / 60, residentMB]))
  return {
    levelMB,
    slopeMB,
    firstMB: middleOf(settled.slice(0, third)),
    lastMB: middleOf(settled.slice(-third)),
    mostMB: Math.max(...samples.map(({ residentMB }) => residentMB)),
    openFiles: [Math.min(...settled.map(({ open }) => open)), Math.max(...settled.map(({ open }) => open))],
    held: minutes < fewestMinutes || slopeMB <= levelMB * mostGrowthShare,
  }
}

/** Some twenty points of the way that memory took. */
function wayOf(samples) {
  const step = Math.max(1, Math.floor(samples.length / 20))
  return samples
    .filter((_, at) => at % step === 0)
    .map(({ minute, residentMB, open }) => `| ${minute.toFixed(1)} | ${residentMB.toFixed(1)} | ${open} |`)
}

/** @returns the page, and whether everything held */
export function renderLongRun({ begun, minutes, restarts, counts, wrong, mistakes, samples, load }) {
  const growth = judgeGrowth(samples, minutes)
  const all = Object.values(counts)
  const right = all.reduce((sum, one) => sum + one.right, 0)
  const told = all.reduce((sum, one) => sum + one.told, 0)
  const faults = [...wrong, ...mistakes]
  const mb = (value) => value.toFixed(1)
  const page = `# Long run of ${begun.toISOString().slice(0, 16).replace("T", " ")}

\`npm run bench:long -- --minutes ${minutes}\`: one \`postern run\` (header method, the secret in the vault) on Node.js ${process.version},
mixed calls from eight workers, and a server that was killed and started again ${restarts} times. It ran at the lowest priority beside
other work on a machine with two cores (load ${load.toFixed(1)} at its end): times say nothing here, answers and memory do.

| what | seen | bar | |
| --- | --- | --- | --- |
| right answers | ${right.toLocaleString("en")} | | |
| failures told while the server was away | ${told.toLocaleString("en")} | only then | |
| wrong, missing, foreign or second answers | ${faults.length} | 0 | ${faults.length === 0 ? "held" : "**missed**"} |
| memory after warm-up (the first quarter), slope | ${mb(growth.slopeMB)} MB an hour, at ${mb(growth.levelMB)} MB | at most ${mb(growth.levelMB * mostGrowthShare)} MB an hour | ${minutes < fewestMinutes ? "too short to tell" : growth.held ? "held" : "**missed**"} |
| memory, median of the first and of the last third after warm-up | ${mb(growth.firstMB)} and ${mb(growth.lastMB)} MB | | |
| memory, most | ${mb(growth.mostMB)} MB | | |
| open files and sockets, after warm-up | ${growth.openFiles.join(" to ")} | | |

| kind of call | right | told |
| --- | --- | --- |
${Object.entries(counts)
  .map(([kind, one]) => `| ${kind} | ${one.right.toLocaleString("en")} | ${one.told} |`)
  .join("\n")}

| minute | resident MB | open files |
| --- | --- | --- |
${wayOf(samples).join("\n")}
${
  faults.length === 0
    ? ""
    : `\n${faults
        .slice(0, 20)
        .map((fault) => `- ${fault}`)
        .join("\n")}\n`
}`
  return { page: page.trimEnd(), held: faults.length === 0 && growth.held }
}
