/** The package as a user gets it: packed, installed into an empty folder, run from there. */
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
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
  await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", "--omit=dev", join(folder, filename)], { cwd: folder })
}, 300_000) // a registry may be slow

afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

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

/** The examples beside the installed package, and a home in which "everything" is configured. */
async function layOut(url: string, token = "secret-token-123") {
  const work = await mkdtemp(join(folder, "examples-"))
  const home = join(work, "home")
  await mkdir(home, { mode: 0o700 })
  await cp(join(root, "examples/library"), work, { recursive: true })
  const entry = { type: "http", url, headers: { Authorization: "Bearer ${APP_API_TOKEN}" } }
  await writeFile(join(home, "config.json"), JSON.stringify({ mcpServers: { everything: entry } }))
  return { cwd: work, env: { PATH: process.env["PATH"] ?? "", POSTERN_HOME: home, APP_API_TOKEN: token } }
}

test("the example call-tool calls a tool from the packed library, and tells a failure by its diagnosis", async () => {
  await using server = await startEverything("secret-token-123")
  const options = await layOut(server.url)

  const called = await run(process.execPath, ["call-tool.mjs", "everything", "get-sum", '{"a":2,"b":40}'], options)
  const slow = await run(
    process.execPath,
    ["call-tool.mjs", "everything", "trigger-long-running-operation", '{"duration":1,"steps":2}'],
    options,
  )
  const failed = await run(process.execPath, ["call-tool.mjs", "nothing", "get-sum"], options).catch((error: unknown) => error)

  expect(JSON.parse(called.stdout)).toMatchObject({ content: [{ text: "The sum of 2 and 40 is 42." }] })
  expect(slow.stderr).toContain("notifications/progress")
  expect(failed).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("unknown-server: ") })
})

test("the examples list-servers and own-requests run from the packed library", async () => {
  await using server = await startEverything("secret-token-123")
  const options = await layOut(server.url)

  const listed = await run(process.execPath, ["list-servers.mjs"], options)
  const answered = await run(process.execPath, ["own-requests.mjs", "everything"], options)

  expect(listed.stdout).toBe("everything\twhoever holds the variable APP_API_TOKEN\tvariable APP_API_TOKEN\tno known end\n")
  expect(answered.stdout).toBe("200\n")
  expect(server.seen.at(-1)).toMatchObject({ rpc: "initialize", token: "right" })
})

test("the example pipe-socket carries a client on a Unix socket, and ends when it is told to", async () => {
  await using server = await startEverything("secret-token-123")
  const options = await layOut(server.url)
  const path = join(options.cwd, "s")
  const child = spawn(process.execPath, ["pipe-socket.mjs", "everything", path], options)
  const exited = once(child, "exit")
  await once(createInterface({ input: child.stdout }), "line") // ready

  const socket = connect(path)
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "socket", version: "1" } }
  socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`)
  const [line] = await once(createInterface({ input: socket }), "line")
  const brief = connect({ path, allowHalfOpen: true })
  brief.end(`${JSON.stringify({ jsonrpc: "2.0", id: 2, method: "initialize", params })}\n`)
  const [last] = await once(createInterface({ input: brief }), "line")
  const { mode } = await stat(path)
  child.kill("SIGTERM")

  expect(JSON.parse(line)).toMatchObject({ id: 1, result: { serverInfo: { name: expect.stringContaining("everything") } } })
  expect(JSON.parse(last)).toMatchObject({ id: 2, result: { serverInfo: {} } }) // although it had closed its side
  expect(mode & 0o777).toBe(0o600)
  expect((await exited)[0]).toBe(0)
})

test("every example is named by a test above, and the types of the packed library fit them", async () => {
  const { cwd } = await layOut("http://127.0.0.1:9/mcp")
  const examples = (await readdir(cwd)).filter((name) => name.endsWith(".mjs"))
  const options = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--exactOptionalPropertyTypes", "--target", "es2023"]
  const types = [
    "--module",
    "nodenext",
    "--lib",
    "es2023,esnext.disposable",
    "--types",
    "node",
    "--typeRoots",
    join(root, "node_modules/@types"),
  ]

  const checked = await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...options, ...types, ...examples], { cwd })

  expect(checked.stdout).toBe("")
  const own = await readFile(fileURLToPath(import.meta.url), "utf8")
  expect(examples.filter((name) => !own.includes(`["${name}"`))).toEqual([])
  expect(examples).toHaveLength(4)
})
