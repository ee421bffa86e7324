/**
 * The table of `docs/transports.md`, made by a run: `npm run matrix` compares it with the page, `npm run docs` writes it. A cell says
 * "yes" only if the feature worked between a client and a server that are not ours.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { type Answers, connectForeignClient } from "../../harness/foreign-client.ts"
import { startCuttingProxy } from "../../servers/cutting-proxy.ts"
import { type Trial, answers, features } from "./features.ts"
import { type Row, rows } from "./rows.ts"

const inRepository = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url))
const page = inRepository("docs/transports.md")
const TABLE = /(<!-- matrix: made by a run -->\n)[^]*?(<!-- end of matrix -->)/

/** Tries all features of one row on one connection. */
async function tryRow(row: Row, declared: Answers = answers): Promise<readonly string[]> {
  const home = await mkdtemp(join(tmpdir(), "postern-matrix-"))
  await using server = await row.start()
  const url = server.entry["url"]
  await using proxy = typeof url === "string" && row.transport === "Streamable HTTP" ? await startCuttingProxy(url) : undefined
  const file = join(home, "servers.json")
  const entry = { ...server.entry, ...(proxy ? { url: proxy.url } : {}) }
  await writeFile(file, JSON.stringify({ mcpServers: { tried: entry } }))
  const command = {
    command: process.execPath,
    args: [inRepository("dist/bin/postern.js"), "run", "tried", "--config", file],
    env: { PATH: process.env["PATH"] ?? "", HOME: home, POSTERN_HOME: home },
  }
  try {
    await using client = await connectForeignClient(row.sdk, command, declared)
    expect(client.getNegotiatedProtocolVersion?.()).toBe(row.revision)
    return await tryFeatures(row, { client, tools: row.tools, proxy })
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function tryFeatures(row: Row, trial: Trial): Promise<readonly string[]> {
  const cells: string[] = []
  for (const feature of features) {
    if (!feature.exists(row)) cells.push("–")
    else cells.push((await worked(feature.try(trial))) ? feature.works : "NO")
  }
  return cells
}

const LIMIT_MS = 15_000

async function worked(trial: Promise<boolean>): Promise<boolean> {
  const limit = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), LIMIT_MS).unref())
  return Promise.race([trial.catch(() => false), limit])
}

test("the table of transports, revisions and features on the page is what a run shows", async () => {
  const lines: string[] = []
  for (const row of rows) lines.push(`| ${[row.transport, row.revision, ...(await tryRow(row))].join(" | ")} |`)
  const heads = ["transport", "revision", ...features.map(({ name }) => name)]
  const table = [`| ${heads.join(" | ")} |`, `|${heads.map(() => "---").join("|")}|`, ...lines].join("\n")

  expect(table).not.toContain("NO")
  const written = await readFile(page, "utf8")
  expect(written).toMatch(TABLE)
  await expect(written.replace(TABLE, `$1\n${table}\n\n$2`)).toMatchFileSnapshot(page)
}, 300_000)

test("what does not work is told in its cell, and in no other", async () => {
  const row = rows.find(({ transport, revision }) => transport === "local process" && revision === "2025-11-25")
  const { ["elicitation/create"]: _, ...others } = answers

  const cells = row && (await tryRow(row, others))

  expect(cells).toEqual(features.map(({ name, exists }) => (name === "elicitation" ? "NO" : row && exists(row) ? "yes" : "–")))
}, 60_000)
