/** Keeps what is remembered of a server in one private file. It holds what any client of the server sees, and no secret of ours. */
import { createHash } from "node:crypto"
import { dirname, join } from "node:path"
import type { Server } from "../config/server.ts"
import { ensurePrivateFolder, readPrivateFile, writeFileAtomic } from "../core/atomic-file.ts"
import type { Log } from "../core/log.ts"
import type { MemoryStore, Remembered } from "./memory.ts"

/**
 * @param folder - where the files lie (`Places.memory`)
 * @param server - the entry: another address, command or proof is another server, with nothing remembered
 */
export function memoryFile(folder: string, server: Server, log: Log): MemoryStore {
  const path = join(folder, `${digest(server)}.json`)
  return {
    async recall() {
      try {
        const bytes = await readPrivateFile(path)
        return bytes ? parse(bytes) : {}
      } catch (error) {
        log.info("memory not read", { error: String(error) })
        return {}
      }
    },
    async remember(results) {
      try {
        await ensurePrivateFolder(dirname(path))
        await writeFileAtomic(path, JSON.stringify(results))
      } catch (error) {
        log.info("memory not written", { error: String(error) })
      }
    },
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
