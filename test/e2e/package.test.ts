/** The package as a user gets it: packed, installed into an empty folder, run from there. */
import { execFile } from "node:child_process"
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, expect, test } from "vitest"
import { connectForeignClient, sdks } from "../harness/foreign-client.ts"
import { startEverything } from "../servers/everything.ts"

const run = promisify(execFile)
const root = fileURLToPath(new URL("../../", import.meta.url))
const maxPackageFolders = 70
const maxMegabytes = 30

interface Manifest {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, { readonly types: string }>>
  readonly scripts?: Readonly<Record<string, string>>
}

let folder = ""
let installed = "" // its node_modules

const inInstalled = (path: string): string => join(installed, path)

/** The names of what npm installed, as its own list says. */
async function readPackageFolders(): Promise<string[]> {
  const list: { readonly packages: object } = JSON.parse(await readFile(inInstalled(".package-lock.json"), "utf8"))
  return Object.keys(list.packages)
}

async function readManifest(path: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, path, "package.json"), "utf8"))
}

// One package serves all tests here: they only read it, and packing and installing takes seconds.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "postern-package-"))
  installed = join(folder, "node_modules")
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], { cwd: root })
  const [{ filename }] = JSON.parse(stdout)
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "a-users-folder", private: true }))
  await run("npm", ["install", "--no-audit", "--no-fund", "--omit=dev", join(folder, filename)], { cwd: folder })
})

afterAll(() => rm(folder, { recursive: true, force: true }))

test(`the installed tree has at most ${maxPackageFolders} package folders and ${maxMegabytes} MB`, async () => {
  const folders = await readPackageFolders()
  const entries = await readdir(installed, { recursive: true, withFileTypes: true })
  const sizes = entries.filter((entry) => entry.isFile()).map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size)
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)

  expect(folders).toContain("node_modules/postern")
  expect(folders.length).toBeLessThanOrEqual(maxPackageFolders)
  expect(bytes / 1e6).toBeLessThanOrEqual(maxMegabytes)
})

test("no installed package runs a script at installation", async () => {
  const manifests = await Promise.all((await readPackageFolders()).map(readManifest))

  const withScripts = manifests.filter(({ scripts = {} }) => ["preinstall", "install", "postinstall"].some((name) => name in scripts))

  expect(withScripts.map(({ name }) => name)).toEqual([])
})

test("the installed command tells its version", async () => {
  const { stdout } = await run(inInstalled(".bin/postern"), ["--version"], { cwd: folder })

  expect(stdout.trim()).toBe((await readManifest("node_modules/postern")).version)
})

test("the installed command bridges a client to a server, with nothing of the repository", async () => {
  await using server = await startEverything("secret-token-123")
  const home = join(folder, "home")
  await mkdir(home)
  const config = join(home, "servers.json")
  const entry = { type: "http", url: server.url, headers: { Authorization: "Bearer ${APP_API_TOKEN}" } }
  await writeFile(config, JSON.stringify({ mcpServers: { everything: entry } }))
  const env = { PATH: process.env["PATH"] ?? "", POSTERN_HOME: home, APP_API_TOKEN: "secret-token-123" }
  const bridge = { command: inInstalled(".bin/postern"), args: ["run", "everything", "--config", config], env }

  await using client = await connectForeignClient(sdks[1]!, bridge)

  expect(await client.call("echo", { message: "installed" })).toMatchObject({ content: [{ type: "text", text: "Echo: installed" }] })
})

test("each entry of the library loads, and has its types", async () => {
  const { exports } = await readManifest("node_modules/postern")
  const entries = Object.entries(exports).filter(([path]) => path !== "./package.json")

  for (const [path, { types }] of entries) {
    const load = `const entry = await import(${JSON.stringify(join("postern", path))}); process.stdout.write(Object.keys(entry).join())`
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", load], { cwd: folder })

    expect(stdout).not.toBe("")
    expect((await stat(inInstalled(join("postern", types)))).isFile()).toBe(true)
  }
  expect(entries).not.toHaveLength(0)
})
