/** Turns what was measured into a Markdown page: the bars first, then every paired ratio, then the plain medians. */
import { medianOf, pairedRatio } from "./statistics.mjs"

const metrics = {
  startMs: "start: spawn to first `initialize` answer, ms",
  p50Ms: "small call, one at a time, p50, ms",
  p99Ms: "small call, one at a time, p99, ms",
  callsPerSecond: "calls a second, 32 in flight",
  cpuPerCallMs: "processor time a call, ms",
  big1Ms: "1 MB result, ms",
  big10Ms: "10 MB result, ms",
  idleMB: "memory idle, MB",
  afterMB: "memory after 10,000 calls, MB",
  longMB: "memory after 50,000 calls, MB",
}

/** What Postern must hold. `most` and `least` bound the median of the paired ratios, Postern to the other. */
const bars = [
  { metric: "startMs", against: "floor-raw", most: 2 },
  { metric: "startMs", ours: "keychain", against: "floor-raw", most: 3 },
  { metric: "startMs", against: "mcp-remote", most: 0.5 },
  { metric: "p50Ms", against: "floor-raw", most: 1.3 },
  { metric: "callsPerSecond", against: "floor-raw", least: 0.6 },
  { metric: "callsPerSecond", against: "mcp-remote", least: 1 },
  { metric: "callsPerSecond", against: "supergateway", least: 1 },
  { metric: "cpuPerCallMs", against: "floor-raw", most: 1.5 },
  { metric: "big10Ms", against: "floor-raw", most: 1.3 },
  { metric: "afterMB", against: "floor-raw", most: 1.5 },
]

/** Memory from 10,000 to 50,000 calls may move with the garbage collector, but not grow. */
const growthBar = { metric: "growth", most: 1.1 }

const round = (value) => {
  if (value === undefined) return "–"
  return value >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3)
}
const showRatio = (ratio) => (ratio ? `${round(ratio.median)} (${round(ratio.min)} to ${round(ratio.max)}, ${ratio.pairs} pairs)` : "–")
const table = (head, rows) => [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")

function judgeBar({ metric, ours = "postern", against, most, least }, ratio) {
  const bar = most === undefined ? `at least ${least} ×` : `at most ${most} ×`
  const held = ratio && (most === undefined ? ratio.median >= least : ratio.median <= most)
  return { metric, ours, against, bar, ratio, held: held ?? null }
}

/** Judges the bars by what was measured: `held` is null where the machine gave no figure. */
export function judgeBars(comparisons) {
  const pairsWith = (other, metric, who = "postern") =>
    comparisons
      .filter(({ ours, name, pairs }) => ours === who && name === other && metric in (pairs[0]?.[0] ?? {}))
      .flatMap(({ pairs }) => pairs)
  const growths = pairsWith("floor-raw", "growth").map(([ours]) => [ours, { growth: 1 }])
  return [
    ...bars.map((bar) => judgeBar(bar, pairedRatio(pairsWith(bar.against, bar.metric, bar.ours), bar.metric))),
    judgeBar({ ...growthBar, against: "itself, 50,000 to 10,000 calls" }, pairedRatio(growths, "growth")),
  ]
}

/** What the key of the vault stands for in the page. */
const keyPlaces = {
  postern: "a key file",
  keychain: "the OS keychain (GNOME Keyring)",
  passphrase: "a passphrase in a file (scrypt, N = 131,072, r = 8, p = 1)",
}

/** Starts with the key of the vault in each place. */
function renderKeyPlaces(comparisons) {
  const starts = (who) => comparisons.filter(({ ours, name, pairs }) => ours === who && name === "floor-raw" && pairs[0]?.[0].startMs)
  const row = ([who, place]) => {
    const pairs = starts(who).flatMap((comparison) => comparison.pairs)
    return [
      place,
      showRatio(pairedRatio(pairs, "startMs")),
      round(
        medianOf(
          pairs.map(([ours]) => ours),
          "startMs",
        ),
      ),
    ]
  }
  return table(["the key of the vault lies in", "start, to floor-raw", "start, ms"], Object.entries(keyPlaces).map(row))
}

/** Each contender's rounds by name; Postern's own are those that it ran beside the floor. */
function roundsByName(comparisons) {
  const rounds = { postern: [] }
  for (const { name, pairs } of comparisons) {
    rounds[name] = [...(rounds[name] ?? []), ...pairs.map(([, theirs]) => theirs)]
    if (name === "floor-raw") rounds.postern.push(...pairs.map(([ours]) => ours))
  }
  return rounds
}

/** The page. */
export function renderReport({ machine, comparisons: all, judged }) {
  const comparisons = all.filter(({ ours }) => ours === "postern")
  const rounds = roundsByName(comparisons)
  const others = Object.keys(rounds).filter((name) => name !== "postern")
  const pairsOf = (other) => comparisons.filter(({ name }) => name === other).flatMap(({ pairs }) => pairs)
  const verdict = { true: "held", false: "**missed**", null: "not measured here" }
  const names = { ...metrics, growth: "growth of memory" }
  const nameOf = ({ metric, ours }) => (ours === "postern" ? names[metric] : `${names[metric]}; the vault's key in the ${ours}`)
  const failures = all.filter(({ failure }) => failure).map(({ name, failure }) => `\n${name} could not be measured: ${failure}`)
  return [
    `# Bench of ${machine.date}`,
    `Postern ${machine.version}, Node.js ${machine.node}, ${machine.cpus} × ${machine.cpu}, ${machine.os}; load ${machine.load}. What and how: bench/README.md.`,
    "## Bars: the median of the paired ratios, Postern to the other (least to greatest)",
    table(
      ["measure", "against", "ratio", "bar", ""],
      judged.map((bar) => [nameOf(bar), bar.against, showRatio(bar.ratio), bar.bar, verdict[bar.held]]),
    ),
    "## All paired ratios, Postern to the other",
    table(
      ["measure", ...others],
      Object.entries(metrics).map(([metric, title]) => [title, ...others.map((other) => showRatio(pairedRatio(pairsOf(other), metric)))]),
    ),
    "## Medians",
    table(
      ["measure", ...Object.keys(rounds)],
      Object.entries(metrics).map(([metric, title]) => [title, ...Object.values(rounds).map((theirs) => round(medianOf(theirs, metric)))]),
    ),
    "## Start, by where the key of the vault lies",
    renderKeyPlaces(all),
    ...failures,
  ].join("\n\n")
}
