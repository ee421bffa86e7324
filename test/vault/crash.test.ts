import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { expect, test } from "vitest"
import { systemClock } from "../../src/core/clock.ts"
import { makeFolder, mountSmallDisk } from "../core/folder.ts"
import { compile } from "../harness/compile.ts"
import { makeVaultFolder, placesIn } from "./vault-folder.ts"

const origin = "https://example.com"
const writerSource = new URL("./write.child.ts", import.meta.url)
/** Without the keychain of whoever runs the tests. */
const alone = (folder: { readonly path: string }) => ({ XDG_RUNTIME_DIR: folder.path })

test("ten processes that write the first secrets at once make one key, and lose none of them", async () => {
  await using folder = await makeVaultFolder()
  await using program = await compile(writerSource)
  const names = Array.from({ length: 10 }, (_, n) => `name-${n}`)

  const writers = names.map((name) =>
    spawn(process.execPath, [program.path, folder.path, name], { env: alone(folder), stdio: ["ignore", "ignore", "inherit"] }),
  )
  const exits = await Promise.all(writers.map(async (writer) => (await once(writer, "exit"))[0]))

  expect(exits).toEqual(names.map(() => 0))
  const vault = folder.open()
  for (const name of names) expect(await vault.read(name, origin)).toBe(`${name}-1`)
  expect(Object.keys(await folder.contents())).toEqual(["data/vault.json", "state/vault.key"])
})

test("a writer killed at any moment leaves the old vault or the new one, and the next writer goes on at once", async () => {
  await using folder = await makeVaultFolder()
  await using program = await compile(writerSource)
  await folder.open().write("other", origin, "stays")

  for (let round = 0; round < 6; round++) {
    const writer = spawn(process.execPath, [program.path, folder.path, "key", "100000"], {
      env: alone(folder),
      stdio: ["ignore", "pipe", "inherit"],
    })
    let stored = 0
    writer.stdout.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.trim().split("\n")) stored = Number(line)
    })
    await once(writer.stdout, "data")
    await systemClock.sleep(Math.random() * 40)
    writer.kill("SIGKILL")
    await once(writer, "close")

    const vault = folder.open()
    const found = Number((await vault.read("key", origin))?.slice("key-".length))
    expect(found === stored || found === stored + 1).toBe(true) // what was said to be stored is there
    expect(await vault.read("other", origin)).toBe("stays")
    await vault.write("key", origin, "key-0")
  }
})

test("a process killed during the very first write leaves no vault or a whole one", async () => {
  await using program = await compile(writerSource)

  for (const afterMs of [40, 55, 70, 85]) {
    await using folder = await makeVaultFolder()
    const writer = spawn(process.execPath, [program.path, folder.path, "key", "100000"], { env: alone(folder), stdio: "ignore" })
    await systemClock.sleep(afterMs + Math.random() * 15)
    writer.kill("SIGKILL")
    await once(writer, "close")

    expect((await folder.open().read("key", origin)) ?? "key-0").toMatch(/^key-\d+$/)
    await folder.open().write("key", origin, "mine")
    expect(await folder.open().read("key", origin)).toBe("mine")
  }
})

test("a full disk leaves the old vault, is told as that, and is no harm once there is room", async ({ skip }) => {
  await using disk = await mountSmallDisk(64)
  if (disk === undefined) return skip("mounting a small disk is not permitted here")
  const folder = placesIn(disk)
  await folder.open().write("key", origin, "old")
  const before = await folder.contents()

  const writing = folder.open().write("key", origin, "x".repeat(100_000))

  await expect(writing).rejects.toMatchObject({ diagnosis: { code: "disk-full" } })
  expect(await folder.contents()).toEqual(before)
  await folder.open().write("key", origin, "new")
  expect(await folder.open().read("key", origin)).toBe("new")
})

test("a disk without room for a first vault is told as full, and holds no half of one", async ({ skip }) => {
  await using disk = await mountSmallDisk(64)
  if (disk === undefined) return skip("mounting a small disk is not permitted here")
  const folder = placesIn(disk)
  await mkdir(disk.at("data"), { mode: 0o700 })
  disk.fill()

  const writing = folder.open().write("key", origin, "secret")

  await expect(writing).rejects.toMatchObject({ diagnosis: { code: "disk-full" } })
  expect(Object.keys(await folder.contents())).toEqual(["filler"])
  expect(await folder.open().read("key", origin)).toBeUndefined()
})

test("on a read-only disk a vault is read as ever, and a write is told as not writable", async ({ skip }) => {
  await using disk = await mountSmallDisk(64)
  if (disk === undefined) return skip("mounting a small disk is not permitted here")
  const folder = placesIn(disk)
  await folder.open().write("key", origin, "secret")
  await disk.makeReadOnly()

  expect(await folder.open().read("key", origin)).toBe("secret")
  await expect(folder.open().write("key", origin, "new")).rejects.toMatchObject({ diagnosis: { code: "not-writable" } })
})

test("a home that is no folder is told as not writable, and not as an empty vault", async () => {
  await using home = await makeFolder()
  await writeFile(home.at("data"), "a file where a folder should be")
  const folder = placesIn(home)

  await expect(folder.open().write("key", origin, "secret")).rejects.toMatchObject({ diagnosis: { code: "file-not-private" } })
  await expect(folder.open().read("key", origin)).rejects.toMatchObject({ diagnosis: { code: "file-unreadable" } })
  expect(await readFile(home.at("data"), "utf8")).toBe("a file where a folder should be")
})
