/** What killed writers leave where no lock is taken: the vault's key, and what is remembered of servers. */
import { lstat, mkdir, readFile, readdir, symlink, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { memoryFile } from "../../src/bridge/memory-file.ts"
import type { HttpServer } from "../../src/config/server.ts"
import { silentLog } from "../../src/core/log.ts"
import { keyFile } from "../../src/vault/keys/key-file.ts"
import { makeFolder } from "./folder.ts"

const server = { name: "m", file: "f", transport: "http", url: "https://m.example/", headers: {} } as unknown as HttpServer // all that is read of it

/** Writes a file for the first time. @returns its path */
const writers: Readonly<Record<string, (folder: string) => Promise<string>>> = {
  async "the vault's key"(folder) {
    await keyFile(join(folder, "vault.key")).create("")
    return join(folder, "vault.key")
  },
  async "a memory"(folder) {
    const store = memoryFile(folder, server, silentLog)
    store.keep("initialize", "{}")
    await store.written()
    return join(folder, (await readdir(folder)).find((one) => one.endsWith(".json")) ?? "")
  },
}

test.each(Object.entries(writers))("old temporary files of %s are removed when it is written, and nothing else is", async (_, write) => {
  await using elsewhere = await makeFolder()
  const name = await write(elsewhere.path).then((path) => path.slice(elsewhere.path.length + 1))
  await using folder = await makeFolder()
  const old = new Date(Date.now() - 2 * 3600_000)
  const kept = [`${name}.backup.tmp`, `x${name}.0123456789ab.tmp`, `${name}.0123456789abc.tmp`]
  for (const one of [`${name}.0123456789ab.tmp`, `${name}.ba9876543210.tmp`, ...kept]) {
    await writeFile(folder.at(one), "left")
    await utimes(folder.at(one), old, old)
  }
  await writeFile(folder.at(`${name}.111111111111.tmp`), "of a writer that lives")
  await writeFile(elsewhere.at("target"), "theirs")
  await utimes(elsewhere.at("target"), old, old)
  await symlink(elsewhere.at("target"), folder.at(`${name}.222222222222.tmp`))
  await mkdir(folder.at(`${name}.333333333333.tmp`))

  await write(folder.path)

  const stay = [...kept, name, `${name}.111111111111.tmp`, `${name}.222222222222.tmp`, `${name}.333333333333.tmp`]
  expect((await readdir(folder.path)).toSorted()).toEqual(stay.toSorted())
  expect((await lstat(folder.at(`${name}.222222222222.tmp`))).isSymbolicLink()).toBe(true)
  expect(await readFile(elsewhere.at("target"), "utf8")).toBe("theirs")
})
