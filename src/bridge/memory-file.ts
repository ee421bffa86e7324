/** Keeps what is remembered of a server in one private file. It holds what any client of the server sees, and no secret of ours. */
import { createHash } from "node:crypto"
import { dirname, join } from "node:path"
import type { Server } from "../config/server.ts"
import { ensurePrivateFolder, writeFileAtomic } from "../core/atomic-file.ts"
import { ABANDONED_AGE_MS, removeLeftovers } from "../core/leftovers.ts"
import type { Log } from "../core/log.ts"
import { readPrivateFile } from "../core/read-file.ts"
import type { MemoryStore, Remembered } from "./memory.ts"

/**
 * @param folder - where the files lie (`Places.memory`)
 * @param server - the entry: another address, command or proof is another server, with nothing remembered
 */
export function memoryFile(folder: string, server: Server, log: Log): MemoryStore {
  const path = join(folder, `${digest(server)}.json`)
  let known: Promise<Remembered> | undefined
  /** Writes follow each other; nobody's answer waits for one. */
  let writing = Promise.resolve()

  const recall = (): Promise<Remembered> => (known ??= read(path, log))

  const writeChange = async (written: Promise<void>, earlier: Promise<Remembered>, now: Promise<Remembered>): Promise<void> => {
    await written
    if ((await earlier) !== (await now)) await write(path, await now, log)
  }

  return {
    recall,
    keep(key, text) {
      const earlier = recall()
      known = earlier.then((remembered) => withText(remembered, key, text))
      writing = writeChange(writing, earlier, known)
    },
    written: () => writing,
  }
}

/** What is remembered of a server goes on to be remembered of it under another name. Running bridges keep the former one's. */
export async function copyMemory(folder: string, from: Server, to: Server, log: Log): Promise<void> {
  const kept = await memoryFile(folder, from, log).recall()
  const store = memoryFile(folder, to, log)
  for (const [key, text] of Object.entries(kept)) store.keep(key, text)
  await store.written()
}

/** @returns the very same where nothing changes */
function withText(remembered: Remembered, key: string, text: string | undefined): Remembered {
  if (remembered[key] === text) return remembered
  const others = Object.entries(remembered).filter(([name]) => name !== key)
  return Object.fromEntries(text === undefined ? others : [...others, [key, text]])
}

async function read(path: string, log: Log): Promise<Remembered> {
  try {
    const bytes = await readPrivateFile(path)
    return bytes ? parse(bytes) : {}
  } catch (error) {
    log.info("memory not read", { error: String(error) })
    return {}
  }
}

async function write(path: string, remembered: Remembered, log: Log): Promise<void> {
  try {
    await ensurePrivateFolder(dirname(path))
    await removeLeftovers(path, ABANDONED_AGE_MS)
    await writeFileAtomic(path, JSON.stringify(remembered))
  } catch (error) {
    log.info("memory not written", { error: String(error) })
  }
}

/** What decides which server that is, and as whom one asks it. Names are no file names: they may hold anything. */
function digest(server: Server): string {
  const { name, file, transport } = server
  const decides = transport === "stdio" ? [server.command, server.args, server.env] : [server.url, server.headers, server.headersHelper]
  return createHash("sha256")
    .update(JSON.stringify([name, file, transport, decides]))
    .digest("hex")
    .slice(0, 32)
}

function parse(bytes: Buffer): Remembered {
  const parsed = JSON.parse(bytes.toString("utf8")) as unknown
  if (typeof parsed !== "object" || parsed === null) return {}
  return Object.fromEntries(Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === "string"))
}
