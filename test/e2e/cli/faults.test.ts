/** Faults around the files: many writers, broken files, full and read-only disks, a writer that is killed. */
import { execFile } from "node:child_process"
import { once } from "node:events"
import { watch } from "node:fs"
import { mkdir, readFile, readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { type Person, type RunOptions, makePerson, newSecret, whereIs } from "../../harness/postern.ts"
import { mountSmallDisk } from "../../core/folder.ts"

const DIST = process.env["POSTERN_DIST"] ?? fileURLToPath(new globalThis.URL("../../../dist", import.meta.url))
const URL = "https://api.example/mcp"
const add = (person: Person, name: string, secret: string, options: RunOptions = {}) =>
  person.postern(["add", name, "--header", "X-Api-Key: -", URL], { stdin: secret, ...options })
const keyOf = async (person: Person, name: string): Promise<unknown> =>
  (await person.postern(["headers", name])).json<Record<string, string>>()["x-api-key"]

test.concurrent("ten adds at once lose no server and no secret", async () => {
  await using person = await makePerson()
  const secrets = Array.from({ length: 10 }, newSecret)

  const added = await Promise.all(secrets.map((secret, at) => add(person, `server-${at}`, secret)))
  const { servers } = (await person.postern(["list", "--json"])).json<{ servers: object[] }>()

  expect(added.map(({ code }) => code)).toEqual(secrets.map(() => 0))
  expect(servers).toHaveLength(10)
  expect(await Promise.all(secrets.map((_, at) => keyOf(person, `server-${at}`)))).toEqual(secrets)
})

test.concurrent("of six adds of one name at once one wins, with its own secret, and the others leave nothing", async () => {
  await using person = await makePerson()
  const secrets = Array.from({ length: 6 }, newSecret)

  const added = await Promise.all(secrets.map((secret) => add(person, "weather", secret)))
  const status = await person.postern(["vault", "status", "--json"])

  const winners = added.flatMap(({ code }, at) => (code === 0 ? [at] : []))
  expect(winners).toHaveLength(1)
  expect(await keyOf(person, "weather")).toBe(secrets[winners[0] ?? -1])
  expect(status.json<{ entries: object[] }>().entries).toHaveLength(1)
})

test.concurrent.each([
  ["half-written", '{"mcpServers": {"weather": {"url": "https://api.ex'],
  ["empty", ""],
  ["no JSON at all", "[mcp]\nweather = 1\n"],
  ["a list", "[]"],
])("a configuration that is %s is told with its place, and is neither used nor written to", async (_name, text) => {
  await using person = await makePerson()
  const file = await person.write(`${person.folder}/config.json`, text)

  const outcomes = await Promise.all([
    add(person, "new", newSecret()),
    ...[["list"], ["headers", "weather"], ["remove", "weather"]].map((args) => person.postern(args)),
  ])
  const status = await person.postern(["vault", "status", "--json"])

  expect(outcomes.map(({ code, stdout }) => [code, stdout])).toEqual(outcomes.map(() => [1, ""]))
  for (const { stderr } of outcomes) expect(stderr).toContain(`${file}, line 1, column`)
  expect(await readFile(file, "utf8")).toBe(text)
  expect(status.json<{ entries: object[] }>().entries).toEqual([]) // the new secret was taken out again
})

test.concurrent("comments, order, unknown keys, line ends and a byte order mark outlive add and remove", async () => {
  await using person = await makePerson()
  const text =
    '\uFEFF// mine\r\n{\r\n  "theirs": [1, 2], // kept\r\n  "mcpServers": {\r\n    /* first */ "zebra": {"url": "https://z.example/mcp", "futureKey": 1.0}\r\n  }\r\n}\r\n'
  const file = await person.write(`${person.folder}/config.json`, text)

  const added = await add(person, "new", newSecret())
  const between = await readFile(file, "utf8")
  const removed = await person.postern(["remove", "new"])

  expect([added.code, removed.code]).toEqual([0, 0])
  for (const piece of [
    "\uFEFF// mine\r\n",
    '"theirs": [1, 2], // kept\r\n',
    '/* first */ "zebra": {"url": "https://z.example/mcp", "futureKey": 1.0}',
  ]) {
    expect(between).toContain(piece)
  }
  expect(between.replaceAll("\r\n", "")).not.toContain("\n")
  expect(await readFile(file, "utf8")).toBe(text)
})

test.concurrent("a home that cannot be written is told with its path, for each command that writes", async () => {
  await using person = await makePerson()
  const file = await person.write("a-file", "")
  const options = { env: { POSTERN_HOME: `${file}/postern` }, stdin: newSecret() }

  const writers = [
    ["add", "x", "--header", "X-Api-Key: -", URL],
    ["add", "x", URL],
  ]
  const outcomes = await Promise.all(writers.map((args) => person.postern(args, options)))
  const listed = await person.postern(["list"], options)

  expect(outcomes.map(({ code, stdout }) => [code, stdout])).toEqual(writers.map(() => [1, ""]))
  for (const { stderr } of outcomes) {
    expect(stderr).toContain(file)
    expect(stderr).toContain("not a folder")
    expect(stderr).not.toContain("a fault of Postern itself")
  }
  expect(listed.stderr).not.toContain("a fault of Postern itself")
})

test.concurrent("on a read-only disk what is there is read, and a change is refused and leaves everything as it was", async ({ skip }) => {
  await using disk = await mountSmallDisk(256)
  if (disk === undefined) return skip("mounting a small disk is not permitted here")
  await using person = await makePerson()
  const env = { POSTERN_HOME: disk.at("postern") }
  const secret = newSecret()
  await add(person, "weather", secret, { env })
  await disk.makeReadOnly()
  const before = await contentsOf(disk.at("postern"))

  const changes = [
    ["add", "new", URL],
    ["remove", "weather"],
    ["vault", "remove", "weather.x-api-key"],
  ]
  const refused = [
    await add(person, "other", newSecret(), { env }),
    await person.postern(["rotate", "weather", "-"], { env, stdin: newSecret() }),
    ...(await Promise.all(changes.map((args) => person.postern(args, { env })))),
  ]
  const listed = await person.postern(["list"], { env })
  const headers = await person.postern(["headers", "weather"], { env })

  expect(refused.map(({ code, stdout }) => [code, stdout])).toEqual(refused.map(() => [1, ""]))
  for (const { stderr } of refused) expect(stderr).toContain("read-only")
  expect(listed).toMatchObject({ code: 0, stderr: "" })
  expect(headers.json()).toEqual({ "x-api-key": secret })
  expect(await contentsOf(disk.at("postern"))).toEqual(before)
})

test.concurrent("on a full disk a change is refused and leaves everything as it was", async ({ skip }) => {
  await using disk = await mountSmallDisk(64)
  if (disk === undefined) return skip("mounting a small disk is not permitted here")
  await using person = await makePerson()
  const env = { POSTERN_HOME: disk.at("postern") }
  const secret = newSecret()
  await add(person, "weather", secret, { env })
  await fill(person, disk.at("ballast"))
  const before = await contentsOf(disk.at("postern"))

  const refused = [
    await add(person, "other", newSecret(), { env }),
    await person.postern(["add", "open", URL], { env }),
    await person.postern(["rotate", "weather", "-"], { env, stdin: newSecret() }),
  ]
  const listed = await person.postern(["list", "--json"], { env })
  const headers = await person.postern(["headers", "weather"], { env })

  expect(refused.map(({ code, stdout }) => [code, stdout])).toEqual(refused.map(() => [1, ""]))
  for (const { stderr } of refused) expect(stderr).toContain("disk is full")
  expect(listed.json()).toMatchObject({ servers: [{ name: "weather", problem: null }] })
  expect(headers.json()).toEqual({ "x-api-key": secret })
  expect(await contentsOf(disk.at("postern"))).toEqual(before)
})

test("an add that is killed at any step of its writing leaves files that can be read, and the next add goes on", async () => {
  await using person = await makePerson()
  const [secret, killed] = [newSecret(), newSecret()]
  await add(person, "weather", secret)

  const signals: unknown[] = []
  for (let step = 1; step <= 27; step += 2) {
    const child = person.start(["add", `killed-${step}`, "--header", "X-Api-Key: -", URL])
    let steps = 0
    // Locks, temporary files and renames each are a step.
    const watcher = watch(person.folder, () => ++steps === step && child.kill("SIGKILL"))
    child.stdin.end(killed)
    signals.push((await once(child, "close"))[1])
    watcher.close()
  }
  const next = await add(person, "next", secret)
  const listed = await person.postern(["list", "--json"])
  const status = await person.postern(["vault", "status", "--json"])

  expect(next).toMatchObject({ code: 0, stderr: "" })
  expect([await keyOf(person, "weather"), await keyOf(person, "next")]).toEqual([secret, secret])
  expect(signals.filter((signal) => signal === "SIGKILL").length).toBeGreaterThan(5)
  // Whoever got as far as the file has its secret in the vault: the file comes last.
  for (const server of listed.json<{ servers: { problem: unknown }[] }>().servers) expect(server.problem).toBeNull()
  expect(status).toMatchObject({ code: 0, stderr: "" })
  expect([...(await whereIs(secret, person)), ...(await whereIs(killed, person))]).toEqual([])
})

test.concurrent("a vault whose key is gone is never taken for one without secrets", async () => {
  await using person = await makePerson()
  await add(person, "weather", newSecret())
  await person.added(["add", "open", URL])
  await rm(`${person.folder}/vault.key`)
  const before = await person.read("vault.json")

  const refused = [
    await person.postern(["headers", "weather"]),
    await add(person, "other", newSecret()),
    await person.postern(["rotate", "weather", "-"], { stdin: newSecret() }),
    await person.postern(["vault", "remove", "weather.x-api-key"]),
  ]
  const status = await person.postern(["vault", "status"])
  const statusJson = await person.postern(["vault", "status", "--json"])
  const got = await person.postern(["get", "weather"])
  const open = await person.postern(["headers", "open"])
  const listed = await person.postern(["list"])

  expect(refused.map(({ code, stdout }) => [code, stdout])).toEqual(refused.map(() => [1, ""]))
  for (const { stderr } of [...refused, { stderr: status.stdout }, { stderr: got.stdout }])
    expect(stderr).toMatch(/key of the vault .* is missing/)
  expect(status.code).toBe(1)
  expect(statusJson.json()).toMatchObject({ fault: { code: "vault-key-missing" }, entries: [{ name: "weather.x-api-key" }] })
  expect(open.code).toBe(0)
  expect(listed.code).toBe(0)
  expect(await person.read("vault.json")).toBe(before)
  await expect(person.read("vault.key")).rejects.toThrow("ENOENT") // none was made
})

test.concurrent("with a damaged vault list still lists and says so, and remove says what it has left", async () => {
  await using person = await makePerson()
  await add(person, "weather", newSecret())
  await person.added(["add", "open", URL])
  const damaged = (await person.read("vault.json")).slice(0, 300)
  await person.write(`${person.folder}/vault.json`, damaged)

  const listed = await person.postern(["list"])
  const got = await person.postern(["get", "weather"])
  const headers = await person.postern(["headers", "weather"])
  const removed = await person.postern(["remove", "weather"])

  expect(listed).toMatchObject({ code: 0, stderr: "" })
  expect(listed.stdout).toMatch(/^weather .* vault-corrupt$/m)
  expect(listed.stdout).toMatch(/^open .* vault-corrupt$/m) // somebody may have signed in to it: who can tell
  expect(got.code).toBe(0)
  expect(got.stdout).toMatch(/^problem +The vault .* is damaged/m)
  expect(headers).toMatchObject({ code: 1, stdout: "" })
  expect(removed).toMatchObject({ code: 1, stderr: "" })
  expect(removed.stdout).toContain('Removed "weather"')
  expect(removed.stdout).toContain("could not forget weather.x-api-key")
  expect(await person.read("vault.json")).toBe(damaged)
})

test.concurrent("an add that is interrupted at its prompt leaves nothing", async () => {
  await using person = await makePerson()
  const half = newSecret()

  const terminal = person.terminal(["add", "weather", "--header", "Authorization: Bearer -", URL])
  await terminal.shows("Authorization (it is not shown)")
  terminal.type(`${half}\u0003`)

  expect(await terminal.exited).toBe(1)
  expect(terminal.seen()).toContain("Interrupted")
  expect(terminal.seen()).not.toContain(half)
  expect([...(await person.files()).keys()]).toEqual([])
})

test.concurrent("an add that is told to end while it waits for its pipe ends, and leaves nothing", async () => {
  await using person = await makePerson()
  const child = person.start(["add", "weather", "--header", "Authorization: Bearer -", URL])
  child.stdin.write(newSecret())
  await once(child, "spawn")
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")))
  const killer = setInterval(() => child.kill("SIGTERM"), 300) // it may not listen yet
  const [code, signal] = await once(child, "close")
  clearInterval(killer)

  expect([code, signal, said]).toEqual(signal === null ? [1, null, expect.stringContaining("Interrupted")] : [null, "SIGTERM", ""])
  expect([...(await person.files()).keys()]).toEqual([])
})

async function contentsOf(folder: string): Promise<readonly string[]> {
  return Promise.all(["config.json", "vault.json", "vault.key"].map((name) => readFile(`${folder}/${name}`, "utf8")))
}

/** Writes until nothing more fits. */
async function fill(person: Person, path: string): Promise<void> {
  await expect(person.write(path, "x".repeat(1024 * 1024))).rejects.toThrow("ENOSPC")
}

test.concurrent("in a folder that was removed under the shell, a command does its work all the same", async () => {
  await using person = await makePerson()
  await person.added(["add", "weather", "https://api.example/mcp"])
  const folder = join(person.project, "gone")
  await mkdir(folder)
  const script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
  const list = [process.execPath, join(DIST, "bin/postern.js"), "list", "--json"]

  const { stdout, stderr } = await promisify(execFile)("sh", ["-c", script, "sh", folder, ...list], { env: person.env })

  expect(await readdir(person.project)).toEqual([".git"])
  expect([JSON.parse(stdout), stderr]).toEqual([{ servers: [expect.objectContaining({ name: "weather" })] }, ""])
})
