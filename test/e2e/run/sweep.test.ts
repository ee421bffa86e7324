/** Every secret that a person has given, in every form, is looked for in every place that somebody else may read. */
import { readFile, readdir, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { makeFolder } from "../../core/folder.ts"
import { makeHome, startClient } from "../../harness/client.ts"
import { formsOf, newSecret } from "../../harness/postern.ts"
import { sse, startMcpServer } from "../../servers/mcp-server.ts"

const STDIO_SERVER = fileURLToPath(new URL("../../servers/stdio-server.mjs", import.meta.url))

test("no secret stands in a file, a temporary file, a log, an error, an output, an argument or a variable that did not ask for it", async () => {
  const secrets = {
    header: newSecret(),
    rotated: newSecret(),
    minted: newSecret(),
    local: newSecret(),
    passing: newSecret(),
    address: newSecret(),
  }
  await using server = await startMcpServer({ key: secrets.header })
  await using home = await makeHome({ TMPDIR: tmpdir() })
  await using mint = await makeFolder()
  await writeFile(mint.at("token"), secrets.minted) // another tool has it; that is not our file
  const before = new Set(await readdir(tmpdir()))
  const said: string[] = []
  const visible: string[] = []
  const postern = async (args: readonly string[], input?: string): Promise<void> => {
    const { stdout, stderr } = await home.postern(args, input)
    said.push(stdout, stderr)
  }
  const bridge = async (name: string, act: (client: ReturnType<typeof startClient>) => Promise<unknown>): Promise<void> => {
    await using client = startClient(home, ["run", name, "--log", join(home.path, `${name}.log`)])
    await client.open()
    await act(client)
    visible.push(await readFile(`/proc/${client.child.pid}/cmdline`, "utf8"))
    visible.push(await readFile(`/proc/${client.child.pid}/environ`, "utf8"))
    client.child.stdin.end()
    await client.exited
    said.push(client.stderr(), JSON.stringify(client.messages))
  }

  await postern(["add", "weather", "--header", "Authorization: Bearer -", server.url], `${secrets.header}\n`)
  await postern(["add", "minted", "--headers-command", `printf '{"Authorization":"Bearer %s"}' "$(cat ${mint.at("token")})"`, server.url])
  await postern(["add", "local", "--env", "API_TOKEN=-", "--", process.execPath, STDIO_SERVER], `${secrets.local}\n`)
  await postern(["add", "address", `${server.url}?api_key=${secrets.address}`])
  server.handler = ({ headers, message }, response) => {
    // One that answers what nobody asked, with what it was sent as the id.
    if (message?.method !== "tools/list") return false
    const send = sse(response)
    send({ jsonrpc: "2.0", id: headers.authorization, result: {} })
    send({ jsonrpc: "2.0", id: message.id, result: { tools: [] } })
    response.end()
    return true
  }
  await bridge("weather", (client) => client.request("tools/list"))
  expect(await readFile(join(home.path, "weather.log"), "utf8")).toContain('"claims":"\\"[redacted]')
  server.handler = ({ headers }, response) => {
    // A server that repeats what it was sent, in its refusal.
    response.writeHead(401, { "www-authenticate": `Bearer error="${headers.authorization}"` }).end(`you sent ${headers.authorization}`)
    return true
  }
  for (const name of ["weather", "minted", "address"]) await bridge(name, (client) => client.request("tools/call", { name: "echo" }))
  await bridge("local", (client) => client.request("tools/list"))
  await postern(["rotate", "weather", "-"], `${secrets.rotated}\n`)
  await postern(["vault", "set", "spare", "--server", "weather", "-"], `${secrets.passing}\n`)
  for (const args of [
    ["list"],
    ["list", "--json"],
    ["get", "weather"],
    ["vault", "status"],
    ["tools", "weather"],
    ["tools", "minted", "--json"],
  ])
    await postern(args)

  const files = await readdir(home.path, { recursive: true, withFileTypes: true })
  const own = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name))
  const left = (await readdir(tmpdir())).filter(
    (name) => !before.has(name) && name.startsWith("postern-") && join(tmpdir(), name) !== home.path,
  )
  const contents = await Promise.all(own.map(async (file) => `${file}\n${await readFile(file, "latin1")}`))

  expect(server.seen.some(({ headers }) => headers.authorization === `Bearer ${secrets.header}`)).toBe(true) // they were used
  expect(server.seen.some(({ headers }) => headers.authorization === `Bearer ${secrets.minted}`)).toBe(true)
  expect(server.seen.some(({ path }) => path.includes(secrets.address))).toBe(true)
  expect(said.join("\n")).toContain("[redacted]")
  expect(contents.length).toBeGreaterThan(5)
  for (const [name, secret] of Object.entries(secrets)) {
    const where = [...contents, ...said, ...visible].filter((text) => formsOf(secret).some((form) => text.includes(form)))
    expect(
      where.map((text) => text.slice(0, 300)),
      name,
    ).toEqual([])
  }
  expect(left.filter((name) => name.includes("vault"))).toEqual([])
})
