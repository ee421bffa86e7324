/** docs/races.md: what became of the races, as a run wrote it. */
import { fileURLToPath } from "node:url"
import { races } from "./cases.ts"
import type { RaceResult } from "./stage.ts"

export const pageFile = fileURLToPath(new URL("../../../../docs/races.md", import.meta.url))

const HEAD = "| | what happens | calls answered | refresh requests | renewed | tokens used twice | grants lost | browsers opened |"

function rowOf(id: string, title: string, result: RaceResult | undefined, processes: number): string {
  if (result === undefined) return `| ${id} | ${title} | failed |`
  const { answered, killed, refreshRequests, refreshes, reuses, familiesLost, tabs } = result
  const refused = [...new Set(result.refused)].join(", ")
  const calls = `${answered} of ${processes - killed}${refused === "" ? "" : ` (others were told ${refused})`}`
  return `| ${id} | ${title} | ${[calls, refreshRequests, refreshes, reuses, familiesLost, tabs].join(" | ")} |`
}

/** @returns the page; `results` by the name of the race */
export function racesPage(results: ReadonlyMap<string, RaceResult>, processes: number): string {
  const rows = Object.entries(races).map(([id, { title }]) => rowOf(id, title, results.get(id), processes))
  return `# Races for one grant

Written by \`npm run race\`. ${processes} bridges (\`postern run\`) share one home and one grant, before an authorization server whose refresh
tokens may be used once: one that comes a second time ends the whole grant. All of them call at the same moment, and something
happens. A process that was killed is not counted among the calls: nobody is left to hear an answer.

${[HEAD, "|---|---|---|---|---|---|---|---|", ...rows].join("\n")}

In g1 and g2 the new token is gone with the process that had been given it, and the old one is used up: no client can know whether
it was. The next process tries once, is told no, and says so; one person signs in once, and all calls are answered.

In h1 and h2 the process that renewed goes on with the new token from memory and keeps the lease until the token is stored, so that
nobody uses the old one; the others wait, and go on when there is room again.

How it is kept to one refresh: [the lease](architecture.md#the-lease). With five processes this runs in CI (\`test/e2e/oauth/race\`).
`
}
