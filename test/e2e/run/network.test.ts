/** Proxies, authorities, the client's certificate and the rule on addresses, through the built program (issue: one HTTP layer). */
import { randomBytes } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { makeHome, startClient } from "../../harness/client.ts"
import { type ErrorObject, makePerson, type Person } from "../../harness/postern.ts"
import { makeAuthority } from "../../servers/authority.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"
import { startProxy } from "../../servers/proxy.ts"

const RESOLVER = fileURLToPath(new URL("../../servers/resolver.mjs", import.meta.url))
const portOf = (url: string): string => new URL(url).port

/** A password that a URL has to escape, and that stands nowhere else. */
const newPassword = (): string => `p@ss/${randomBytes(8).toString("hex")}`

async function codeOf(
  person: Person,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ exit: number | null; code: string; all: string }> {
  const { code: exit, stdout, stderr, json } = await person.postern([...args, "--json"], { env })
  return { exit, code: json<ErrorObject>().error.code, all: stdout + stderr }
}

test("a server behind a company's proxy and authority is reached by name, and the proxy's password stays with the proxy", async () => {
  await using authority = await makeAuthority()
  await using server = await startMcpServer({ tls: await authority.issue("mcp.example"), key: "right-key-123456" })
  const password = newPassword()
  await using proxy = await startProxy({ credentials: `person:${password}` })
  await using person = await makePerson()
  const env = { HTTPS_PROXY: proxy.url.replace("://", `://person:${encodeURIComponent(password)}@`) }
  const target = `mcp.example:${portOf(server.url)}`

  const added = await person.postern(
    ["add", "corp", "--ca", authority.caFile, "--header", "Authorization: Bearer -", `https://${target}/mcp`],
    { stdin: "right-key-123456\n" },
  )
  const listed = await person.postern(["tools", "corp"], { env })
  const wrong = await codeOf(person, ["tools", "corp"], { HTTPS_PROXY: proxy.url.replace("://", "://person:wrong-password@") })

  expect(added).toMatchObject({ code: 0, stderr: "" })
  expect(listed).toMatchObject({ code: 0, stderr: "" })
  expect(proxy.seen.map(({ method, target: host }) => [method, host])).toEqual(proxy.seen.map(() => ["CONNECT", target]))
  expect(server.seen.length).toBeGreaterThan(0)
  expect(JSON.stringify(server.seen)).not.toMatch(/proxy/i)
  expect(wrong).toMatchObject({ exit: 1, code: "proxy-refused" })
  expect(wrong.all).toContain(proxy.url)
  expect(wrong.all).not.toMatch(/wrong-password|person:/)
  for (const [path, bytes] of await person.files()) expect([path, bytes.includes(password)]).toEqual([path, false])
})

test.each(["http", "https"])("what a proxy repeats of our credentials stands in no error and no log (%s)", async (scheme) => {
  await using proxy = await startProxy({ credentials: "another:one", echoes: true })
  await using person = await makePerson()
  const password = newPassword()
  const env = { [`${scheme}_proxy`]: proxy.url.replace("://", `://person:${encodeURIComponent(password)}@`) }
  await person.added(["add", "corp", `${scheme}://mcp.example/mcp`])
  const log = join(person.home, "bridge.log")
  const initialize = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {} } }

  const told = await person.postern(["tools", "corp"], { env })
  const asJson = await person.postern(["tools", "corp", "--json"], { env })
  const run = await person.postern(["run", "corp", "--log", log], { env, stdin: `${JSON.stringify(initialize)}\n` })

  const sent = Buffer.from(`person:${password}`).toString("base64")
  expect(proxy.seen[0]?.headers["proxy-authorization"]).toBe(`Basic ${sent}`) // the trap was reached
  expect(asJson.json<ErrorObject>().error.code).toBe("proxy-refused")
  expect(run.stdout).toContain("proxy-refused")
  const all = [told, asJson, run].flatMap(({ stdout, stderr }) => [stdout, stderr])
  for (const text of [...all, await readFile(log, "utf8")]) {
    for (const form of [password, encodeURIComponent(password), sent.slice(2, -4)]) expect(text).not.toContain(form)
  }
})

test("a client works through a forwarding proxy, and one that is down is told in the client as the proxy", async () => {
  await using server = await startMcpServer()
  await using proxy = await startProxy()
  await using home = await makeHome({ HTTP_PROXY: proxy.url })
  await home.postern(["add", "corp", `http://mcp.example:${portOf(server.url)}/mcp`])
  await using client = startClient(home, ["run", "corp"])

  await client.open()
  const called = await client.request("tools/call", { name: "echo", arguments: { text: "here" } })
  await proxy[Symbol.asyncDispose]()
  const refused = await client.request("ping") // it may be repeated, so it does not end at the connection that has died

  expect(called.result).toEqual({ content: [{ type: "text", text: "here" }] })
  expect(proxy.seen.every(({ target }) => target === `http://mcp.example:${portOf(server.url)}/mcp`)).toBe(true)
  expect(refused.error?.data).toMatchObject({ code: "proxy-unreachable" })
})

test("a company's authority is known by its own file or by NODE_EXTRA_CA_CERTS, and not without", async () => {
  await using authority = await makeAuthority()
  await using server = await startMcpServer({ tls: await authority.issue("127.0.0.1") })
  await using person = await makePerson()
  await person.added(["add", "bare", server.url], ["add", "named", "--ca", authority.caFile, server.url])

  expect(await codeOf(person, ["tools", "bare"])).toMatchObject({ exit: 1, code: "tls-refused" })
  expect(server.seen).toEqual([])
  expect(await person.postern(["tools", "bare"], { env: { NODE_EXTRA_CA_CERTS: authority.caFile } })).toMatchObject({ code: 0 })
  expect(await person.postern(["tools", "named"])).toMatchObject({ code: 0 })
})

test("a server that asks for a certificate gets the one of its entry, and files that do not fit are refused by `add`", async () => {
  await using authority = await makeAuthority()
  const names: unknown[] = []
  const tls = { ...(await authority.issue("127.0.0.1")), ca: authority.ca, requestCert: true, rejectUnauthorized: true }
  await using server = await startMcpServer({ tls, onSecure: (socket) => names.push(socket.getPeerCertificate().subject?.CN) })
  const [own, other] = [await authority.issue("client-17"), await authority.issue("other")]
  await using person = await makePerson()
  const add = (name: string, ...files: readonly string[]): readonly string[] => [
    "add",
    name,
    "--ca",
    authority.caFile,
    ...files,
    server.url,
  ]
  await person.added(add("bare"), add("own", "--cert", own.certFile, "--key", own.keyFile))

  expect(await codeOf(person, add("mixed", "--cert", own.certFile, "--key", other.keyFile))).toMatchObject({
    exit: 1,
    code: "certificate-unusable",
  })
  expect(await codeOf(person, ["tools", "bare"])).toMatchObject({ exit: 1, code: "client-certificate-refused" })
  expect(server.seen).toEqual([])
  expect(await person.postern(["tools", "own"])).toMatchObject({ code: 0, stderr: "" })
  expect(new Set(names)).toEqual(new Set(["client-17"]))
  expect((await person.postern(["get", "own"])).stdout).toContain(own.certFile)
})

test("a project's certificates are named from its own folder, and shown before they are used", async () => {
  await using authority = await makeAuthority()
  await using server = await startMcpServer({ tls: await authority.issue("127.0.0.1") })
  await using person = await makePerson()
  await person.write("certs/ca.pem", authority.ca)

  await person.added(["add", "shop", "--scope", "project", "--ca", "certs/ca.pem", "--allow-private", server.url])
  const used = await person.postern(["tools", "shop"])
  await person.write("certs/ca.pem", `${authority.ca}\n`)
  const changed = await codeOf(person, ["tools", "shop"])
  const shown = await person.postern(["trust", "--yes"])

  expect(JSON.parse(await readFile(join(person.project, ".postern.json"), "utf8")).mcpServers.shop).toMatchObject({
    tls: { ca: "certs/ca.pem" },
    allowPrivate: true,
  })
  expect(used).toMatchObject({ code: 0 })
  expect(changed).toMatchObject({ exit: 4, code: "project-not-trusted" })
  expect(shown.stdout).toContain('uses certificates and a key from files: {"ca":"certs/ca.pem"}')
  expect(shown.stdout).toContain("may lead to addresses in private networks")
})

test.each(["http://169.254.169.254/latest/mcp", "http://[fe80::1]/mcp", "http://metadata.example/mcp"])(
  "a server at %s is refused, literal or by its name, and nothing is sent there",
  async (url) => {
    await using person = await makePerson()
    const log = await person.write("asked.txt", "")
    await person.added(["add", "cloud", url])
    const env = { NODE_OPTIONS: `--import=${RESOLVER}`, TEST_HOSTS: '{"metadata.example":"169.254.169.254"}', TEST_HOSTS_LOG: log }

    const { exit, code, all } = await codeOf(person, ["tools", "cloud"], env)

    expect({ exit, code }).toEqual({ exit: 4, code: "address-refused" })
    expect(all).not.toContain("http://169.254")
    const asked = (await readFile(log, "utf8")).trim()
    expect(asked).toBe(url.includes("metadata.example") ? "metadata.example" : "") // the trap was reached
  },
)

test("a configured server may be in a private network: its name resolves to this machine here, and it is reached", async () => {
  await using server = await startMcpServer()
  await using person = await makePerson()
  const log = await person.write("asked.txt", "")
  await person.added(["add", "corp", `http://mcp.corp.example:${portOf(server.url)}/mcp`])

  const env = { NODE_OPTIONS: `--import=${RESOLVER}`, TEST_HOSTS: '{"mcp.corp.example":"127.0.0.1"}', TEST_HOSTS_LOG: log }
  expect(await person.postern(["tools", "corp"], { env })).toMatchObject({ code: 0 })
  expect(await readFile(log, "utf8")).toContain("mcp.corp.example")
})

test("a session behind a load balancer stays where it is: the cookie of its opening goes back with each message", async () => {
  await using server = await startMcpServer()
  server.handler = ({ message, headers }, response) => {
    if (message?.method === "initialize") response.setHeader("set-cookie", "LB=node-7; Path=/; HttpOnly")
    if (message?.method === "initialize" || headers.cookie === "LB=node-7") return false
    response.writeHead(404).end() // another node knows no such session
    return true
  }
  await using home = await makeHome()
  await home.postern(["add", "corp", server.url])
  await using client = startClient(home, ["run", "corp"])

  await client.open()
  const called = await client.request("tools/call", { name: "echo", arguments: { text: "here" } })

  expect(called.result).toEqual({ content: [{ type: "text", text: "here" }] })
  expect(server.seenOf("initialize")).toHaveLength(1)
})
