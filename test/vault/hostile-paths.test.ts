/** What a hostile neighbour may put in the place of each file that Postern trusts. */
import { execFileSync } from "node:child_process"
import { chmod, chown, link, mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { array, assert, asyncProperty, constantFrom, oneof, string } from "fast-check"
import { expect, test } from "vitest"
import { memoryFile } from "../../src/bridge/memory-file.ts"
import type { HttpServer } from "../../src/config/server.ts"
import { openTrustStore } from "../../src/config/trust.ts"
import { writeFileAtomic } from "../../src/core/atomic-file.ts"
import { systemClock } from "../../src/core/clock.ts"
import { lockFile } from "../../src/core/file-lock.ts"
import { silentLog } from "../../src/core/log.ts"
import { readPrivateFile } from "../../src/core/read-file.ts"
import { makeFolder } from "../core/folder.ts"

const isRoot = process.geteuid?.() === 0
const never = new AbortController().signal

/** Puts something else in the place of a file; the right content lies where a link would lead. */
const swaps: Readonly<Record<string, (path: string, content: Buffer) => Promise<void>>> = {
  async "a symbolic link"(path, content) {
    await writeFile(`${path}.elsewhere`, content, { mode: 0o600 })
    await symlink(`${path}.elsewhere`, path)
  },
  async "a FIFO"(path) {
    execFileSync("mkfifo", ["-m", "600", path])
  },
  async "a folder"(path) {
    await mkdir(path)
  },
  async "a file that others can read"(path, content) {
    await writeFile(path, content)
    await chmod(path, 0o644)
  },
  async "a file that others can write"(path, content) {
    await writeFile(path, content)
    await chmod(path, 0o602)
  },
  ...(isRoot && {
    async "a file of another user"(path: string, content: Buffer) {
      await writeFile(path, content, { mode: 0o600 })
      await chown(path, 4242, 4242)
    },
  }),
}

const memoryServer = { name: "m", file: "f", transport: "http", url: "https://m.example/", headers: {} } as unknown as HttpServer // all that is read of it

/** Each file that is trusted: how it is made, and how it is used. */
const places: Readonly<Record<string, { file: string; use(folder: string): Promise<unknown> }>> = {
  "the list of approvals": {
    file: "trust.json",
    use: (folder) => openTrustStore(join(folder, "trust.json"), systemClock).revoke(join(folder, ".postern.json"), never),
  },
  "a lock": {
    file: "config.json.lock",
    use: (folder) => lockFile(join(folder, "config.json"), { clock: systemClock, waitMs: 200 }),
  },
  "a private file": { file: "secret", use: (folder) => readPrivateFile(join(folder, "secret")) },
}

const cases = Object.keys(places).flatMap((place) => Object.keys(swaps).map((swap) => [swap, place] as const))

test.each(cases)("%s in the place of %s is refused without waiting, and what lies elsewhere stays as it was", async (swap, place) => {
  await using folder = await makeFolder()
  const { file, use } = places[place]!
  const path = folder.at(file)
  await writeFile(folder.at(".postern.json"), "{}") // the project that the approvals are about
  await swaps[swap]!(path, Buffer.from("{}\n"))
  const before = await contentsOf(folder.path)

  const using = use(folder.path)

  await expect(using).rejects.toMatchObject({ diagnosis: { code: "file-not-private", kind: "guard" } })
  expect(await contentsOf(folder.path)).toEqual(before)
})

test("a hard link to a file of ours keeps the old content: a write makes a new file under the name", async () => {
  await using folder = await makeFolder()
  await writeFileAtomic(folder.at("vault.json"), "old")
  await link(folder.at("vault.json"), folder.at("neighbour"))

  await writeFileAtomic(folder.at("vault.json"), "new")

  expect(await readFile(folder.at("neighbour"), "utf8")).toBe("old")
  expect(await readFile(folder.at("vault.json"), "utf8")).toBe("new")
})

test("a memory that is something else, or that others can write, is not believed and does not stop the bridge", async () => {
  for (const swap of Object.values(swaps)) {
    await using folder = await makeFolder()
    const store = memoryFile(folder.at("memory"), memoryServer, silentLog)
    store.keep("initialize", '{"capabilities":{}}')
    await store.written()
    const [name = ""] = await readdir(folder.at("memory"))
    const content = await readFile(folder.at("memory", name))
    await rm(folder.at("memory", name))
    await swap(folder.at("memory", name), content)

    expect(await memoryFile(folder.at("memory"), memoryServer, silentLog).recall()).toEqual({})
  }
})

test("whatever a server is named, its memory is one file of the folder, named by a hash", async () => {
  const nasty = constantFrom("../../x", "con", "a\0b", "/etc/passwd", "..", "NUL.txt", "a".repeat(5_000), "A", "a")
  await assert(
    asyncProperty(array(oneof(nasty, string()), { minLength: 1, maxLength: 4 }), async (names) => {
      await using folder = await makeFolder()
      const memory = folder.at("state", "memory") // what two steps up would make is still in a folder of our own
      for (const name of names) {
        const store = memoryFile(memory, { ...memoryServer, name }, silentLog)
        store.keep("initialize", "{}")
        await store.written()
      }

      const files = await readdir(memory)
      expect(files).toHaveLength(new Set(names).size)
      expect(files.every((file) => /^[0-9a-f]{32}\.json$/.test(file))).toBe(true)
      expect(await readdir(folder.at("state"))).toEqual(["memory"])
      expect(await readdir(folder.path)).toEqual(["state"])
    }),
    { numRuns: 30 },
  )
})

/** What each name in a folder is, without opening what would block. */
async function contentsOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  return Promise.all(
    entries.map(async (entry) => `${entry.name}: ${entry.isFile() ? await readFile(join(folder, entry.name), "utf8") : "no file"}`),
  )
}
