import { execFile } from "node:child_process"
import { lstat, mkdir, readdir, stat, symlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { editConfigFile, findTarget, removeServer, setServer, type Target } from "../../src/config/edit.ts"
import { loadConfiguration } from "../../src/config/files.ts"
import { systemClock as clock } from "../../src/core/clock.ts"
import { compile } from "../harness/compile.ts"
import { makeFolder, type TestFolder } from "./folder.ts"

const run = promisify(execFile)

const user = (file: string): Target => ({ scope: "user", file })
const added = { name: "new", entry: { url: "https://new/" } }

const COMMENTED = `{
    // the servers of my work
    "mcpServers": {
        "zeta": {"url": "https://z/", "later": {"kept": [1, 2]}}, // first, on purpose
        /* old one */
        "alpha": {
            "command": "node", "args": [ "s.js" ],
        },
    },
    "ours": 12345678901234567890
}
`

test("a server is added without changing another character: comments, order, indentation, numbers, unknown keys", async ({ signal }) => {
  await using folder = await makeFolder()
  const file = await folder.write("c.json", COMMENTED)

  await setServer(user(file), added, clock, signal)

  const text = await folder.read(file)
  expect(text).toBe(
    COMMENTED.replace('"s.js" ],\n        },', '"s.js" ],\n        },\n        "new": {\n            "url": "https://new/"\n        },'),
  )
})

test("a server that was added and removed again leaves the file as it was", async ({ signal }) => {
  await using folder = await makeFolder()
  const file = await folder.write("c.json", COMMENTED)

  await setServer(user(file), added, clock, signal)

  expect(await removeServer(user(file), "new", clock, signal)).toBe(true)
  expect(await removeServer(user(file), "new", clock, signal)).toBe(false)
  expect(await folder.read(file)).toBe(COMMENTED)
})

test("line ends, tabs and a byte order mark stay", async ({ signal }) => {
  await using folder = await makeFolder()
  const file = await folder.write("c.json", '\uFEFF{\r\n\t"mcpServers": {\r\n\t\t"a": {"url": "https://a/"}\r\n\t}\r\n}\r\n')

  await setServer(user(file), added, clock, signal)

  expect(await folder.read(file)).toBe(
    '\uFEFF{\r\n\t"mcpServers": {\r\n\t\t"a": {"url": "https://a/"},\r\n\t\t"new": {\r\n\t\t\t"url": "https://new/"\r\n\t\t}\r\n\t}\r\n}\r\n',
  )
})

test("a missing file is made for its owner alone, with its folder, and no lock is left", async ({ signal }) => {
  await using folder = await makeFolder()
  const { config } = folder.places

  await setServer(user(config), added, clock, signal)

  expect(JSON.parse(await folder.read(config))).toEqual({ mcpServers: { new: { url: "https://new/" } } })
  expect((await stat(config)).mode & 0o777).toBe(0o600)
  expect((await stat(dirname(config))).mode & 0o777).toBe(0o700)
  expect(await readdir(dirname(config))).toEqual(["config.json"])
})

test("a name that is taken in the scope is an error; another scope is free", async ({ signal }) => {
  await using folder = await makeFolder()
  const { project, env, places } = folder
  const local = await findTarget("local", { cwd: project, env, places })
  const shared = await findTarget("project", { cwd: project, env, places })
  await setServer(user(places.config), added, clock, signal)

  await expect(setServer(user(places.config), { name: "new", entry: { url: "https://b/" } }, clock, signal)).rejects.toMatchObject({
    diagnosis: { code: "server-exists", cause: 'A server named "new" is already there in the scope user.' },
  })
  await setServer(local, added, clock, signal)
  await setServer(shared, added, clock, signal)

  expect(JSON.parse(await folder.read(places.config))).toEqual({
    mcpServers: { new: { url: "https://new/" } },
    projects: { [project]: { mcpServers: { new: { url: "https://new/" } } } },
  })
  expect(JSON.parse(await folder.read(join(project, ".postern.json")))).toEqual({ mcpServers: { new: { url: "https://new/" } } })
  const { servers, shadowed } = await loadConfiguration({ cwd: project, env, places })
  expect([...servers, ...shadowed].map(({ scope }) => scope)).toEqual(["local", "project", "user"])
})

test("local and project servers of a subfolder are written for the root of the repository", async ({ signal }) => {
  await using folder = await makeFolder()
  const { project, env, places } = folder
  const cwd = join(project, "a", "b")
  await mkdir(cwd, { recursive: true })
  const [local, shared] = [await findTarget("local", { cwd, env, places }), await findTarget("project", { cwd, env, places })]

  await setServer(local, added, clock, signal)

  expect(local).toEqual({ scope: "local", file: places.config, folder: project })
  expect(shared).toEqual({ scope: "project", file: join(project, ".postern.json") })
  expect((await loadConfiguration({ cwd, env, places })).servers).toMatchObject([{ name: "new", scope: "local" }])
})

test.each(["", "-x", "a b", "a/b", "../x", "a\0b", "__proto__", "é", "x".repeat(65)])(
  "%j cannot be the name of a new server",
  async (name) => {
    await using folder = await makeFolder()

    const add = setServer(user(folder.places.config), { name, entry: added.entry }, clock, AbortSignal.timeout(5000))

    await expect(add).rejects.toMatchObject({ diagnosis: { code: "server-name-invalid", kind: "usage" } })
  },
)

test("an entry that could not be read again is not written", async ({ signal }) => {
  await using folder = await makeFolder()
  const { config } = folder.places

  const add = setServer(user(config), { name: "a", entry: { url: "https://a/", command: "x" } }, clock, signal)

  await expect(add).rejects.toMatchObject({ diagnosis: { code: "config-invalid" } })
  await expect(stat(config)).rejects.toMatchObject({ code: "ENOENT" })
})

test.each(['{"mcpServers": {', "", "[]", "{} {}", '{"mcpServers": []}'])("a file that holds %j is never touched", async (text) => {
  await using folder = await makeFolder()
  const file = await folder.write("c.json", text)

  const add = setServer(user(file), added, clock, AbortSignal.timeout(5000))

  await expect(add).rejects.toMatchObject({ diagnosis: { code: expect.stringMatching(/^config-(unreadable|invalid)$/) as string } })
  expect(await folder.read(file)).toBe(text)
  expect(await readdir(folder.project)).toEqual([".git", "c.json"])
})

test("a key that stands twice is not edited: readers use the last and editors the first", async ({ signal }) => {
  await using folder = await makeFolder()
  const text = '{"mcpServers": {"a": {"url": "https://1/"}, "a": {"url": "https://2/"}}}'
  const file = await folder.write("c.json", text)

  await expect(removeServer(user(file), "a", clock, signal)).rejects.toMatchObject({ diagnosis: { code: "config-invalid" } })
  expect(await folder.read(file)).toBe(text)
})

test("a user's file that is a link stays a link, with the mode of the real file; a project's file that is a link is refused", async ({
  signal,
}) => {
  await using folder = await makeFolder()
  const real = await folder.write(join(folder.home, "dotfiles", "c.json"), "{}")
  await mkdir(dirname(folder.places.config), { recursive: true })
  await symlink(real, folder.places.config)
  const link = join(folder.project, ".postern.json")
  await symlink(real, link)

  await setServer(user(folder.places.config), added, clock, signal)
  const throughProject = setServer({ scope: "project", file: link }, { ...added, name: "other" }, clock, signal)

  await expect(throughProject).rejects.toMatchObject({ diagnosis: { code: "file-not-private" } })
  expect((await lstat(folder.places.config)).isSymbolicLink()).toBe(true)
  expect((await stat(real)).mode & 0o777).toBe(0o644)
  expect(JSON.parse(await folder.read(real))).toEqual({ mcpServers: { new: added.entry } })
})

test("what the decision throws leaves the file and no lock", async ({ signal }) => {
  await using folder = await makeFolder()
  const file = await folder.write("c.json", "{}")

  const edit = editConfigFile(file, refuse, { clock }, signal)

  await expect(edit).rejects.toThrow("no")
  expect(await readdir(folder.project)).toEqual([".git", "c.json"])
})

test("a home that cannot be written is told, and nothing is lost", async ({ signal }) => {
  await using folder = await makeFolder()
  const blocked = await folder.write("a-file", "x")

  const add = setServer(user(join(blocked, "postern", "c.json")), added, clock, signal)

  await expect(add).rejects.toMatchObject({ diagnosis: { code: "not-writable" } })
  expect(await folder.read(blocked)).toBe("x")
})

test("a full disk is told, and the file stays as it was", async ({ signal, skip }) => {
  await using folder = await makeFolder()
  const small = join(folder.home, "small")
  await mkdir(small)
  const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", small]).then(
    () => true,
    () => false,
  )
  if (!mounted) skip("a small file system cannot be mounted here")
  try {
    const file = await folder.write(join(small, "c.json"), COMMENTED)
    await run("sh", ["-c", `head -c 200000 /dev/zero > '${join(small, "rest")}' || true`])

    await expect(setServer(user(file), added, clock, signal)).rejects.toMatchObject({ diagnosis: { code: "disk-full" } })
    expect(await folder.read(file)).toBe(COMMENTED)
    expect(await readdir(small)).toEqual(["c.json", "rest"])
  } finally {
    await run("umount", [small])
  }
})

test("thirty writers of one process lose nothing", async () => {
  await using folder = await makeFolder()
  const { config } = folder.places
  const names = Array.from({ length: 30 }, (_, index) => `s${index}`)

  await Promise.all(names.map((name) => setServer(user(config), { name, entry: added.entry }, clock, AbortSignal.timeout(30_000))))

  expect(await namesIn(folder)).toEqual(names.toSorted())
})

test("ten processes that add at once lose nothing", async () => {
  await using folder = await makeFolder()
  await using child = await compile(new URL("./add-server.child.ts", import.meta.url))
  const names = Array.from({ length: 10 }, (_, index) => `s${index}`)

  await Promise.all(names.map((name) => run(process.execPath, [child.path, folder.places.config, name])))

  expect(await namesIn(folder)).toEqual(names.toSorted())
  expect(await readdir(dirname(folder.places.config))).toEqual(["config.json"])
})

test("of ten processes that add the same name, one succeeds and nine are told that it is there", async () => {
  await using folder = await makeFolder()
  await using child = await compile(new URL("./add-server.child.ts", import.meta.url))

  const results = await Promise.allSettled(
    Array.from({ length: 10 }, () => run(process.execPath, [child.path, folder.places.config, "same"])),
  )

  const failures = results.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []))
  expect(failures).toHaveLength(9)
  for (const failure of failures) expect(failure).toContain("server-exists")
})

function refuse(): never {
  throw new RangeError("no")
}

async function namesIn({ places, project, env }: TestFolder): Promise<readonly string[]> {
  const { servers } = await loadConfiguration({ cwd: project, env, places })
  return servers.map(({ name }) => name).toSorted()
}
