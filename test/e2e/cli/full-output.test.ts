/** Standard output that takes nothing: /dev/full answers each write as a full disk does. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, openSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { makePerson, type Person } from "../../harness/postern.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"

const BINARY = fileURLToPath(new URL("../../../dist/bin/postern.js", import.meta.url))
const PING = `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })}\n`

/** Runs a command whose standard output is a file of this name. */
async function runInto(output: string, person: Person, args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const descriptor = openSync(output, "w")
  const child = spawn(process.execPath, [BINARY, ...args], { env: person.env, cwd: person.project, stdio: ["pipe", descriptor, "pipe"] })
  closeSync(descriptor)
  let stderr = ""
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdin?.end(args[0] === "run" ? PING : "a-secret-of-its-own\n")
  const [code] = (await once(child, "close")) as [number]
  return { code, stderr }
}

/** Each kind of a command: what prints a result, a list, JSON, help, many lines, or the protocol. */
const KINDS: readonly (readonly string[])[] = [
  ["list"],
  ["list", "--json"],
  ["list", "--check"],
  ["get", "weather", "--json"],
  ["tools", "weather"],
  ["tools", "weather", "--json"],
  ["call", "weather", "echo", "text=hello"],
  ["call", "weather", "echo", "text=hello", "--json"],
  ["headers", "weather"],
  ["vault", "status"],
  ["vault", "set", "spare", "--server", "weather", "-"],
  ["add", "other", "https://other.example/mcp"],
  ["rename", "weather", "weather2"],
  ["disable", "weather"],
  ["remove", "weather"],
  ["completion", "bash"],
  ["oauth", "client-document", "https://me.example/client"],
  ["logs", "bridge.log"],
  ["--help"],
  ["call", "--help"],
  ["--version"],
  ["run", "weather"],
]

/** A person with one server and one log. */
async function withServer(url: string): Promise<Person> {
  const person = await makePerson()
  await person.added(["add", "weather", "--header", "X-Org: acme", url])
  await person.write("bridge.log", `${JSON.stringify({ time: "2026-11-23T23:22:59.441Z", level: "info", event: "told" })}\n`)
  return person
}

test.skipIf(process.platform !== "linux").concurrent.each(KINDS.map((args) => [args.join(" "), args] as const))(
  "`%s` says that its result could not be written, and ends with 1; written to a file it ends with 0",
  async (_, args) => {
    await using server = await startMcpServer()
    await using one = await withServer(server.url)
    await using other = await withServer(server.url)

    const lost = await runInto("/dev/full", one, args)
    const written = await runInto(`${other.home}/output`, other, args)

    expect(lost.stderr).toContain("could not be written to standard output (ENOSPC)")
    expect(lost.code).toBe(1)
    expect(written).toMatchObject({ code: 0 })
  },
)

test("a failure that is told as JSON to an output that takes nothing, is told on standard error", async () => {
  await using person = await makePerson()

  const { code, stderr } = await runInto("/dev/full", person, ["get", "nobody", "--json"])

  expect(code).toBe(2) // its own
  expect(stderr).toContain("There is no server named")
})

test("a reader that has gone is no failure", async () => {
  await using person = await makePerson()
  const child = person.start(["list"])

  child.stdout.destroy()
  const [code] = (await once(child, "close")) as [number]

  expect(code).toBe(0)
})
