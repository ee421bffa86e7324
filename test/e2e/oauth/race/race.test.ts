/**
 * Many processes, one grant, a server whose refresh tokens may be used once. `npm run race` runs the same with 20 processes and writes
 * docs/races.md; `POSTERN_RACE` is the number of processes.
 */
import { writeFile } from "node:fs/promises"
import { afterAll, expect, test } from "vitest"
import { races } from "./cases.ts"
import { pageFile, racesPage } from "./page.ts"
import type { RaceResult } from "./stage.ts"

const processes = Number(process.env["POSTERN_RACE"] ?? 5)
const results = new Map<string, RaceResult>()

/** The one who was killed does not count: there is nobody left to answer. */
const survivors = { one: processes - 1, all: processes }

const renewedOnce = { refused: [], refreshes: 1, reuses: 0, familiesLost: 0, tabs: 0 }
const oneKilled = { ...renewedOnce, answered: survivors.one, killed: 1 }

const expected: Readonly<Record<string, Partial<RaceResult>>> = {
  a: { ...renewedOnce, answered: survivors.all, refreshRequests: 1 },
  b: { ...renewedOnce, answered: survivors.all, refreshRequests: 1 },
  c: { ...renewedOnce, answered: survivors.all, refreshRequests: 1 },
  d1: { ...oneKilled, refreshRequests: 1 },
  d2: { ...oneKilled, refreshRequests: 1 },
  d3: { ...oneKilled, refreshRequests: 2 },
  d4: { ...oneKilled, refreshRequests: 1 },
  e: { ...renewedOnce, answered: survivors.all, refreshRequests: 1 },
  f: { ...renewedOnce, answered: survivors.all, refreshRequests: 3 },
  // The token is gone with the process: it was used, and what it was exchanged for is unknown. One person has to come once.
  g1: { answered: survivors.one, refused: [], killed: 1, refreshRequests: 2, tabs: 1 },
  g2: { answered: survivors.one, refused: [], killed: 1, refreshRequests: 2, tabs: 1 },
  h1: { ...renewedOnce, answered: survivors.all, refreshRequests: 1 },
  h2: { ...renewedOnce, answered: survivors.all, refreshRequests: 1 },
}

test.for(Object.entries(races))("3.4: race %s", async ([id, race]) => {
  const result = await race.run(processes)
  results.set(id, result)

  expect(result).toMatchObject(expected[id] ?? {})
})

afterAll(async () => {
  if (process.env["POSTERN_RACE"] === undefined) return
  const page = racesPage(results, processes)
  await writeFile(pageFile, page)
  console.log(page)
})
