/** The races, each as a function from a number of processes to what became of it. */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import type { Client } from "../../../harness/client.ts"
import { mountSmallDisk } from "../../../core/folder.ts"
import { json } from "../../../servers/mcp-server.ts"
import { type RaceResult, type RaceSettings, type RaceStage, setRaceStage } from "./stage.ts"

export interface RaceCase {
  readonly title: string
  run(processes: number): Promise<RaceResult>
}

/** How long the slow token endpoint of a race takes, in milliseconds. */
const SLOW_MS = 10_000

export const races: Readonly<Record<string, RaceCase>> = {
  a: {
    title: "the token is known to have ended",
    async run(processes) {
      await using stage = await setRaceStage({ processes, accessTokenSeconds: 1 })
      await past(Date.now() + 1000)
      return stage.tell(await stage.callAll(await stage.open(processes)))
    },
  },
  b: {
    title: "the token is refused before its time",
    run: (processes) => together({ processes }, (stage) => stage.server.authorization.tokens.expireAccessTokens()),
  },
  c: {
    title: "no `expires_in` was said",
    run: (processes) => together({ processes, tellsLifetime: false }, (stage) => stage.server.authorization.tokens.expireAccessTokens()),
  },
  d1: { title: "killed before the note that an exchange begins", run: (processes) => killedAtRename(processes, "before", 1) },
  d2: { title: "killed after that note", run: (processes) => killedAtRename(processes, "after", 1) },
  d3: { title: "killed while the server has not begun", run: killedBeforeServer },
  d4: { title: "killed when the new token is stored, and the lease still held", run: (processes) => killedAtRename(processes, "after", 2) },
  e: {
    title: "the token endpoint takes 10 s",
    run: (processes) =>
      together({ processes }, ({ server: { authorization } }) => {
        authorization.tokens.expireAccessTokens()
        authorization.handler = async ({ path }) => {
          if (path === "/token") await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
        }
      }),
  },
  f: {
    title: "the token endpoint answers 503 twice",
    run: (processes) =>
      together({ processes }, ({ server: { authorization } }) => {
        let faults = 2
        authorization.tokens.expireAccessTokens()
        authorization.handler = ({ path }, response) => path === "/token" && faults-- > 0 && json(response, { error: "busy" }, 503)
      }),
  },
  g1: { title: "killed after the server has rotated", run: killedAfterServer },
  g2: { title: "killed with the new token in hand, not stored", run: (processes) => killedAtRename(processes, "before", 2) },
  h1: { title: "the disk is full between exchange and write", run: (processes) => diskGone(processes, "full") },
  h2: { title: "the home is read-only between exchange and write", run: (processes) => diskGone(processes, "read-only") },
}

/** Sessions are open and the token works; then something happens, and all call at once. */
async function together(settings: RaceSettings, happens: (stage: RaceStage) => void): Promise<RaceResult> {
  await using stage = await setRaceStage(settings)
  const clients = await stage.open(settings.processes)
  happens(stage)
  return stage.tell(await stage.callAll(clients))
}

/** One process takes the lease and dies at a rename of the vault; the others call meanwhile. */
async function killedAtRename(processes: number, when: "before" | "after", rename: number): Promise<RaceResult> {
  await using stage = await setRaceStage({ processes })
  const others = await stage.open(processes - 1)
  const victim = await stage.openVictim(when, rename)
  stage.server.authorization.tokens.expireAccessTokens()
  await stage.arm()
  const [dead, ...endings] = await Promise.all([stage.callAll([victim]), victim.exited.then(() => stage.callAll(others))])
  return stage.tell([...dead, ...endings.flat()])
}

/** The server holds the first refresh without doing anything, and the process that sent it is killed. */
async function killedBeforeServer(processes: number): Promise<RaceResult> {
  await using stage = await setRaceStage({ processes })
  const clients = await stage.open(processes)
  const arrived = firstRefresh()
  const { authorization } = stage.server
  authorization.tokens.expireAccessTokens()
  authorization.handler = async ({ path }, response) => {
    if (path !== "/token" || arrived.seen) return false
    arrived.tell()
    await new Promise((resolve) => response.on("close", resolve)) // the sender is gone
    return true
  }
  const calls = stage.callAll(clients)
  await arrived.first
  await killHolder(stage, clients)
  return stage.tell(await calls)
}

/** The server rotates, and the process that would hear of it is killed before the answer. */
async function killedAfterServer(processes: number): Promise<RaceResult> {
  await using stage = await setRaceStage({ processes })
  const clients = await stage.open(processes)
  const arrived = firstRefresh()
  const { authorization } = stage.server
  authorization.tokens.expireAccessTokens()
  authorization.beforeAnswer = async () => {
    if (arrived.seen) return
    arrived.tell()
    await killHolder(stage, clients)
  }
  return stage.tell(await stage.callAll(clients))
}

/** The disk goes between exchange and write; the first who is answered all the same shows that the session goes on, then it comes back. */
async function diskGone(processes: number, how: "full" | "read-only"): Promise<RaceResult> {
  await using disk = await mountSmallDisk(2048)
  if (!disk) throw new Error("this user may not mount a disk")
  await using stage = await setRaceStage({ processes, folder: disk.path })
  const clients = await stage.open(processes)
  const { authorization } = stage.server
  const vault = disk.at("vault.json")
  let before: string | undefined
  authorization.tokens.expireAccessTokens()
  authorization.beforeAnswer = async () => {
    if (how === "read-only") await disk.makeReadOnly()
    else disk.fill()
    before = await readFile(vault, "utf8")
  }
  const calls = clients.map(async (client) => (await stage.callAll([client]))[0] ?? "killed")
  const first = await Promise.race(calls)
  if ((await readFile(vault, "utf8")) !== before) throw new Error(`the disk was still there when one was ${first}`)
  if (how === "read-only") await disk.makeWritable()
  else disk.makeRoom()
  return stage.tell(await Promise.all(calls))
}

function firstRefresh(): { seen: boolean; readonly first: Promise<void>; tell(): void } {
  let resolve: () => void
  const first = new Promise<void>((done) => (resolve = done))
  const state = {
    seen: false,
    first,
    tell() {
      state.seen = true
      resolve()
    },
  }
  return state
}

/** Kills the process that holds a lease: its pid stands in the lock. */
async function killHolder({ home }: RaceStage, clients: readonly Client[]): Promise<void> {
  const folder = join(home.env["POSTERN_HOME"] ?? "")
  for (const path of (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".lock"))) {
    const { pid } = JSON.parse(await readFile(join(folder, path), "utf8")) as { readonly pid: number }
    const holder = clients.find(({ child }) => child.pid === pid)
    if (!holder) continue
    holder.child.kill("SIGKILL")
    await holder.exited
    return
  }
  throw new Error("nobody holds a lease")
}

async function past(momentMs: number): Promise<void> {
  while (Date.now() <= momentMs) await new Promise((resolve) => setTimeout(resolve, 10))
}
