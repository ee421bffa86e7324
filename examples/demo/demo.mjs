/**
 * `npm run demo`: an MCP server that lets nobody in without its token, and a client that has no token, brought together
 * by Postern. Nothing here is a mock: the server is server-everything, the client is MCP Inspector's command line. It
 * needs no account, writes into one temporary folder only, and ends with exit code 0 only if the client got the expected
 * answer and the server saw the token.
 */
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runProgram, show, startGuardedServer } from "./stage.mjs"

const root = join(import.meta.dirname, "../..")
const postern = join(root, "dist/bin/postern.js")
const inspector = join(root, ".ci/judges/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js")

/** Inspector asks for Node.js 22.19; Postern itself runs on the Node.js that is here. */
function nodeOfInspector() {
  const [major, minor] = process.versions.node.split(".").map(Number)
  return major > 22 || (major === 22 && minor >= 19) ? process.execPath : join(root, ".ci/node22/node_modules/node/bin/node")
}

/** Builds Postern, and installs the foreign programs that are not there yet; progress goes to stderr. */
async function prepare() {
  const needed = nodeOfInspector() === process.execPath ? ["judges"] : ["judges", "node22"]
  await runProgram(process.execPath, [join(root, ".ci/install.mjs"), ...needed])
  await runProgram("npm", ["run", "--silent", "build", "--", "--logLevel", "error"], { cwd: root, shell: process.platform === "win32" })
}

async function filesThatHold(text, folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  const contents = await Promise.all(files.map((file) => readFile(file, "utf8")))
  return files.filter((_, index) => contents[index].includes(text))
}

async function main(home) {
  const token = randomBytes(16).toString("hex")
  const server = await startGuardedServer(token)
  const env = { ...process.env, HOME: home, POSTERN_HOME: join(home, "postern") }
  const type = (...args) => runProgram(process.execPath, [postern, ...args], { env, shownAs: ["postern", ...args] })
  try {
    show(`An MCP server runs at ${server.url}. Asked without its token, it answers:`)
    const refusal = await fetch(server.url, { method: "POST", body: "{}" })
    show(`  HTTP ${refusal.status}, WWW-Authenticate: ${refusal.headers.get("www-authenticate")}`)
    assert.equal(refusal.status, 401)

    show("\n1. Add the server. The token goes into the vault.")
    await type("add", "everything", "--transport", "http", "--header", `Authorization: Bearer ${token}`, server.url)

    show("\n2. The configuration holds a reference, and no file holds the token in clear.")
    show(await readFile(join(env.POSTERN_HOME, "config.json"), "utf8"))
    assert.deepEqual(await filesThatHold(token, env.POSTERN_HOME), [])
    await type("list")

    show("\n3. A client that is not ours, MCP Inspector, starts `postern run everything` as its local server. It knows no token:")
    const client = { command: process.execPath, args: [postern, "run", "everything"], env: { POSTERN_HOME: env.POSTERN_HOME } }
    const clientFile = join(home, "client.json")
    await writeFile(clientFile, JSON.stringify({ mcpServers: { everything: client } }, null, 2))
    show(await readFile(clientFile, "utf8"))
    const inspect = async (...args) => {
      const target = ["--cli", "--config", clientFile, "--server", "everything"]
      const shownAs = ["mcp-inspector", ...target, ...args]
      return JSON.parse(await runProgram(nodeOfInspector(), [inspector, ...target, ...args], { env, shownAs, quiet: true }))
    }
    const { tools } = await inspect("--method", "tools/list")
    show(`  ${tools.length} tools: ${tools.map(({ name }) => name).join(", ")}`)
    const sum = await inspect("--method", "tools/call", "--tool-name", "get-sum", "--tool-arg", "a=2", "b=40")
    show(`  ${sum.content[0].text}`)
    assert.equal(sum.content[0].text, "The sum of 2 and 40 is 42.")

    const calls = server.seen.filter(({ rpc, token: shown }) => rpc === "tools/call" && shown === "right")
    assert.equal(calls.length, 1, "the server did not see the token on the call")
    show("\nThe server saw the token on that call; the client never had it.")
  } finally {
    await server.stop()
  }
}

await prepare()
const home = await mkdtemp(join(tmpdir(), "postern-demo-"))
try {
  await main(home)
} finally {
  await rm(home, { recursive: true, force: true })
  show(`Everything stood in ${home}, which is removed.`)
}
