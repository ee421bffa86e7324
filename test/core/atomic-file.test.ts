import { execFileSync, spawnSync } from "node:child_process"
import { chmod, chown, lstat, mkdir, readFile, readdir, readlink, stat, symlink, truncate, utimes, writeFile } from "node:fs/promises"
import { describe, expect, test } from "vitest"
import { createFileExclusive, ensurePrivateFolder, writeFileAtomic } from "../../src/core/atomic-file.ts"
import { fileStamp, readPrivateFile, readTextFile } from "../../src/core/read-file.ts"
import { compile } from "../harness/compile.ts"
import { makeFolder, mountSmallDisk } from "./folder.ts"

const isRoot = process.geteuid?.() === 0
const failsWith = (code: string): { diagnosis: { code: string } } => ({ diagnosis: { code } })
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777

async function withUmask(umask: number, work: () => Promise<void>): Promise<void> {
  const before = process.umask(umask)
  try {
    await work()
  } finally {
    process.umask(before)
  }
}

describe("reading a file of secrets", () => {
  test("gives its bytes, and undefined only where there is none", async () => {
    await using folder = await makeFolder()
    await writeFile(folder.at("file"), "bytes", { mode: 0o600 })

    expect(await readPrivateFile(folder.at("file"))).toEqual(Buffer.from("bytes"))
    expect(await readPrivateFile(folder.at("none"))).toBeUndefined()
    await expect(readPrivateFile(folder.at("file", "below"))).rejects.toMatchObject(failsWith("file-unreadable"))
  })

  test("refuses a symbolic link, also one that leads nowhere", async () => {
    await using folder = await makeFolder()
    await writeFile(folder.at("file"), "bytes", { mode: 0o600 })
    await symlink("file", folder.at("link"))
    await symlink("nothing", folder.at("dangling"))

    for (const name of ["link", "dangling"]) {
      await expect(readPrivateFile(folder.at(name))).rejects.toMatchObject(failsWith("file-not-private"))
    }
  })

  test("refuses a FIFO without waiting for its writer, and a folder", async () => {
    await using folder = await makeFolder()
    execFileSync("sh", ["-c", 'mkfifo -m 600 "$0"', folder.at("fifo")])

    await expect(readPrivateFile(folder.at("fifo"))).rejects.toMatchObject(failsWith("file-not-private"))
    await expect(readPrivateFile(folder.path)).rejects.toMatchObject(failsWith("file-not-private"))
  })

  test.each(["640", "604", "620", "601"])("refuses mode %s, and tells the command that mends it", async (mode) => {
    await using folder = await makeFolder()
    const path = folder.at("it's a file")
    await writeFile(path, "bytes")
    await chmod(path, Number.parseInt(mode, 8))

    const reading = readPrivateFile(path)

    await expect(reading).rejects.toMatchObject({ diagnosis: { code: "file-not-private", kind: "guard" } })
    const next: string = await reading.catch((error) => error.diagnosis.next)
    execFileSync("sh", ["-c", next])
    expect(await readPrivateFile(path)).toEqual(Buffer.from("bytes"))
  })

  test.skipIf(!isRoot)("refuses a file of another user", async () => {
    await using folder = await makeFolder()
    await writeFile(folder.at("file"), "bytes", { mode: 0o600 })
    await chown(folder.at("file"), 4242, 4242)

    await expect(readPrivateFile(folder.at("file"))).rejects.toMatchObject(failsWith("file-not-private"))
  })

  test.skipIf(!isRoot)("tells a file that this user may not read, and a folder that it may not write", async () => {
    await using folder = await makeFolder()
    await using reader = await compile(new URL("../../src/core/read-file.ts", import.meta.url))
    await using writer = await compile(new URL("../../src/core/atomic-file.ts", import.meta.url))
    await writeFile(folder.at("file"), "bytes", { mode: 0o600 })
    await chmod(folder.path, 0o755)
    const program = `
      const { readPrivateFile } = await import(${JSON.stringify(`file://${reader.path}`)})
      const { writeFileAtomic } = await import(${JSON.stringify(`file://${writer.path}`)})
      process.seteuid(65534) // once all is loaded: the sources may lie in a folder of root's
      const tell = (work) => work.then(() => "done", (error) => error.diagnosis.code)
      console.log(await tell(readPrivateFile(process.argv[1])), await tell(writeFileAtomic(process.argv[1], "new")))`

    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program, folder.at("file")], { encoding: "utf8" })

    expect(stdout).toBe("file-unreadable not-writable\n")
    expect(await readFile(folder.at("file"), "utf8")).toBe("bytes")
  })
})

describe("reading a text file of a user", () => {
  test("follows a symbolic link, and leaves the text as it stands", async () => {
    await using folder = await makeFolder()
    await writeFile(folder.at("file"), "\ufefftext\r\n")
    await symlink("file", folder.at("link"))

    expect(await readTextFile(folder.at("link"))).toBe("\ufefftext\r\n")
    expect(await readTextFile(folder.at("none"))).toBeUndefined()
  })

  test("refuses what is no text file of a sensible size, without waiting", async () => {
    await using folder = await makeFolder()
    execFileSync("sh", ["-c", 'mkfifo "$0"', folder.at("fifo")])
    await writeFile(folder.at("huge"), "")
    await truncate(folder.at("huge"), 16 * 1024 * 1024 + 1)
    await writeFile(folder.at("utf16"), Buffer.from("\ufefftext", "utf16le"))
    await writeFile(folder.at("file"), "text")

    for (const name of ["fifo", "huge", "utf16", ".", "file/below"]) {
      await expect(readTextFile(folder.at(name)), name).rejects.toMatchObject(failsWith("file-unreadable"))
    }
  })
})

describe("writing a file", () => {
  test("a reader sees the old content or the new one, never a part", async () => {
    await using folder = await makeFolder()
    const path = folder.at("file")
    await writeFileAtomic(path, "0".repeat(200_000))
    const written = new AbortController()
    const seen = new Set<string>()

    const writing = (async () => {
      for (let n = 1; n <= 15; n++) await writeFileAtomic(path, String(n % 10).repeat(200_000))
      written.abort()
    })()
    while (!written.signal.aborted) seen.add(await readFile(path, "utf8"))
    await writing

    for (const content of seen) expect(content).toBe(content.slice(0, 1).repeat(200_000))
    expect(seen.size).toBeGreaterThan(1)
    expect(await readdir(folder.path)).toEqual(["file"])
  })

  test("a new file is 0600 or as asked, whatever the umask; a configuration keeps its mode", async () => {
    await using folder = await makeFolder()
    await writeFile(folder.at("config"), "old")
    await chmod(folder.at("config"), 0o664)

    for (const umask of [0, 0o777]) {
      await withUmask(umask, async () => {
        await writeFileAtomic(folder.at(`secret-${umask}`), "new")
        await writeFileAtomic(folder.at(`open-${umask}`), "new", { mode: 0o644 })
      })
      expect(await modeOf(folder.at(`secret-${umask}`))).toBe(0o600)
      expect(await modeOf(folder.at(`open-${umask}`))).toBe(0o644)
    }
    await writeFileAtomic(folder.at("config"), "new", { followSymlink: true, mode: 0o600 })
    expect(await modeOf(folder.at("config"))).toBe(0o664)
  })

  test("a symbolic link is refused, or followed on request: the link stays and the file behind it is replaced", async () => {
    await using folder = await makeFolder()
    await mkdir(folder.at("dotfiles"))
    await writeFile(folder.at("dotfiles", "file"), "old")
    await symlink("dotfiles/file", folder.at("link"))
    await symlink("nothing", folder.at("dangling"))

    await expect(writeFileAtomic(folder.at("link"), "new")).rejects.toMatchObject(failsWith("file-not-private"))
    expect(await readFile(folder.at("dotfiles", "file"), "utf8")).toBe("old")
    await writeFileAtomic(folder.at("link"), "new", { followSymlink: true })
    await expect(writeFileAtomic(folder.at("dangling"), "new", { followSymlink: true })).rejects.toMatchObject(failsWith("not-writable"))

    expect(await readFile(folder.at("dotfiles", "file"), "utf8")).toBe("new")
    expect(await readlink(folder.at("link"))).toBe("dotfiles/file")
    expect(await readdir(folder.at("dotfiles"))).toEqual(["file"])
  })

  test("a last look that fails keeps the old file, and leaves nothing else", async () => {
    await using folder = await makeFolder()
    await writeFileAtomic(folder.at("file"), "old")

    const writing = writeFileAtomic(folder.at("file"), "new", { beforeRename: () => Promise.reject(new RangeError("not mine")) })

    await expect(writing).rejects.toThrow(RangeError)

    expect(await readFile(folder.at("file"), "utf8")).toBe("old")
    expect(await readdir(folder.path)).toEqual(["file"])
  })

  test("a full disk keeps the old file, leaves nothing else, and is told as that", async ({ skip }) => {
    await using disk = await mountSmallDisk(64)
    if (disk === undefined) return skip("mounting a small disk is not permitted here")
    await writeFileAtomic(disk.at("file"), "old")

    const writing = writeFileAtomic(disk.at("file"), "x".repeat(100_000))

    await expect(writing).rejects.toMatchObject(failsWith("disk-full"))
    expect(await readFile(disk.at("file"), "utf8")).toBe("old")
    expect(await readdir(disk.path)).toEqual(["file"])
  })

  test("a file that is in its place is written, whatever the system says of its folder after that", async () => {
    await using folder = await makeFolder()
    await using writer = await compile(new URL("../../src/core/atomic-file.ts", import.meta.url))
    await writeFileAtomic(folder.at("file"), "old")
    const program = `
      const { openSync } = await import("node:fs")
      const { writeFileAtomic } = await import(${JSON.stringify(`file://${writer.path}`)})
      const beforeRename = async () => {
        for (;;) try { openSync("/dev/null") } catch (error) { return console.log(error.code) } // nothing more can be opened
      }
      console.log(await writeFileAtomic(process.argv[1], "new", { beforeRename }).then(() => "done", (error) => error.diagnosis.cause))`

    const command = 'ulimit -n 64; exec "$0" --input-type=module -e "$1" "$2"'
    const { stdout } = spawnSync("sh", ["-c", command, process.execPath, program, folder.at("file")], { encoding: "utf8" })

    expect(stdout).toBe("EMFILE\ndone\n")
    expect(await readFile(folder.at("file"), "utf8")).toBe("new")
    expect(await readdir(folder.path)).toEqual(["file"])
  })

  test("a read-only disk, a missing folder and a path below a file are told as not writable", async ({ skip }) => {
    await using folder = await makeFolder()
    await writeFile(folder.at("file"), "")
    for (const path of [folder.at("none", "file"), folder.at("file", "below"), "/proc/postern-file"]) {
      await expect(writeFileAtomic(path, "new"), path).rejects.toMatchObject(failsWith("not-writable"))
    }
    await using disk = await mountSmallDisk(64)
    if (disk === undefined) return skip("mounting a small disk is not permitted here")
    disk.makeReadOnly()

    await expect(writeFileAtomic(disk.at("file"), "new")).rejects.toMatchObject(failsWith("not-writable"))
  })

  test("of ten makers of one file at once, exactly one makes it", async () => {
    await using folder = await makeFolder()
    const path = folder.at("file")

    const made = await Promise.all(Array.from({ length: 10 }, (_, n) => createFileExclusive(path, `maker ${n}`, { durable: true })))

    expect(made.filter(Boolean)).toHaveLength(1)
    expect(await readFile(path, "utf8")).toBe(`maker ${made.indexOf(true)}`)
    expect(await modeOf(path)).toBe(0o600)
    expect(await readdir(folder.path)).toEqual(["file"])
  })
})

describe("a private folder", () => {
  test("is made with those above it, 0700 whatever the umask", async () => {
    await using folder = await makeFolder()

    await withUmask(0, () => ensurePrivateFolder(folder.at("a", "b", "c")))
    await ensurePrivateFolder(folder.at("a", "b", "c"))

    for (const path of [folder.at("a"), folder.at("a", "b"), folder.at("a", "b", "c")]) expect(await modeOf(path)).toBe(0o700)
  })

  test("is refused when it is open to others, a symbolic link or a file, and is left as it is", async () => {
    await using folder = await makeFolder()
    await mkdir(folder.at("open"))
    await chmod(folder.at("open"), 0o750)
    await mkdir(folder.at("private"), { mode: 0o700 })
    await symlink("private", folder.at("link"))
    await symlink("nothing", folder.at("dangling"))
    await writeFile(folder.at("file"), "")

    await expect(ensurePrivateFolder(folder.at("open"))).rejects.toMatchObject({
      diagnosis: { code: "file-not-private", next: `chmod 700 ${folder.at("open")}` },
    })
    for (const name of ["link", "dangling", "file"]) {
      await expect(ensurePrivateFolder(folder.at(name)), name).rejects.toMatchObject(failsWith("file-not-private"))
    }

    expect(await modeOf(folder.at("open"))).toBe(0o750)
    expect((await lstat(folder.at("link"))).isSymbolicLink()).toBe(true)
  })

  test("that cannot be made is told as not writable", async () => {
    await using folder = await makeFolder()
    await writeFile(folder.at("file"), "")

    for (const path of [folder.at("file", "below"), "/proc/postern-folder"]) {
      await expect(ensurePrivateFolder(path)).rejects.toMatchObject(failsWith("not-writable"))
    }
  })
})

test.skipIf(!isRoot)("root makes nothing in a folder of somebody else: with sudo, HOME may still be the person's own", async () => {
  await using home = await makeFolder()
  await chown(home.path, 4242, 4242)

  const attempts = [
    () => ensurePrivateFolder(home.at(".config", "postern")),
    () => writeFileAtomic(home.at("config.json"), "{}"),
    () => createFileExclusive(home.at("vault.key"), "key", { durable: false }),
  ]

  for (const attempt of attempts) {
    await expect(attempt()).rejects.toMatchObject({
      diagnosis: { code: "file-not-private", kind: "guard", next: expect.stringContaining("without sudo") },
    })
  }
  expect(await readdir(home.path)).toEqual([])
})

test("a new file is newer than the one it replaces, also where the clock stands still or was set back", async () => {
  await using folder = await makeFolder()
  const path = folder.at("file")
  await writeFileAtomic(path, "old")
  const future = new Date(Date.now() + 3_600_000)
  await utimes(path, future, future)
  const old = await stat(path, { bigint: true })

  await writeFileAtomic(path, "new")

  expect((await stat(path, { bigint: true })).mtimeNs).toBeGreaterThan(old.mtimeNs)
})

test("the stamp of a file stays while the file stays, and is another after each write, however quick", async () => {
  await using folder = await makeFolder()
  const path = folder.at("file")
  const stamps = new Set<string | undefined>()

  for (let n = 10; n < 60; n++) {
    await writeFileAtomic(path, String(n))
    stamps.add(fileStamp(path))
    expect(fileStamp(path)).toBe([...stamps].at(-1))
  }

  expect(stamps.size).toBe(50)
})

test("there is no stamp only where there is no file", async () => {
  await using folder = await makeFolder()
  await writeFile(folder.at("file"), "")

  expect(fileStamp(folder.at("none"))).toBeUndefined()
  expect(() => fileStamp(folder.at("file", "below"))).toThrow(/not a folder/)
})
