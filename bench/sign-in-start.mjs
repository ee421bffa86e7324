/**
 * `node bench/sign-in-start.mjs [PAIRS]`: what a sign-in adds to the start of a bridge. Processor time from the start of the process to its
 * first answer to `initialize`, with a key in a header and with a grant that is fresh, in turn; each pair gives one ratio, and the median
 * counts. Exit code 1 if it is above 1.1. Linux only (the times come from /proc).
 */
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import http from "node:http"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { startBridge } from "./clients.mjs"
import { median } from "./statistics.mjs"

const MOST = 1.1
const KEY = "bench-token-0123456789"
const pairs = Number(process.argv[2] ?? 30)
const postern = join(process.env.POSTERN_DIST ?? join(import.meta.dirname, "../dist"), "bin/postern.js")

/** An MCP server and its authorization server in one, which lets in whoever comes. */
async function startServer() {
  const tokens = new Set([KEY])
  const listener = http.createServer(async (request, response) => {
    let body = ""
    for await (const chunk of request) body += chunk
    const { origin } = server
    const json = (value, status = 200, headers = {}) =>
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value))
    const url = new URL(request.url, origin)
    const answers = {
      "/.well-known/oauth-protected-resource/mcp": () => json({ resource: `${origin}/mcp`, authorization_servers: [origin] }),
      "/.well-known/oauth-authorization-server": () =>
        json({
          issuer: origin,
          authorization_endpoint: `${origin}/authorize`,
          token_endpoint: `${origin}/token`,
          registration_endpoint: `${origin}/register`,
          response_types_supported: ["code"],
          code_challenge_methods_supported: ["S256"],
        }),
      "/register": () => json({ ...JSON.parse(body), client_id: "bench" }, 201),
      "/authorize": () => {
        const back = new URL(url.searchParams.get("redirect_uri"))
        back.search = new URLSearchParams({ code: "code", state: url.searchParams.get("state") })
        response.writeHead(302, { location: back.href }).end()
      },
      "/token": () => {
        const token = randomUUID()
        tokens.add(token)
        json({ access_token: token, token_type: "Bearer", expires_in: 86_400, refresh_token: randomUUID() })
      },
      "/mcp": () => {
        const token = request.headers.authorization?.replace("Bearer ", "")
        const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`
        if (!tokens.has(token)) return json({}, 401, { "www-authenticate": `Bearer resource_metadata="${metadata}"` })
        const { id, params } = request.method === "POST" ? JSON.parse(body) : {}
        if (id === undefined) return response.writeHead(request.method === "POST" ? 202 : 405).end()
        const result = { protocolVersion: params?.protocolVersion, capabilities: {}, serverInfo: { name: "bench", version: "1" } }
        json({ jsonrpc: "2.0", id, result })
      },
    }
    const answer = answers[url.pathname]
    if (answer) answer()
    else json({}, 404)
  })
  listener.listen(0, "127.0.0.1")
  await once(listener, "listening")
  const server = { origin: `http://127.0.0.1:${listener.address().port}`, stop: () => (listener.closeAllConnections(), listener.close()) }
  return server
}

/** A home with two servers at one address: `header` with a key, `oauth` with a grant that has just been given. */
async function makeHome(url) {
  const home = mkdtempSync(join(tmpdir(), "postern-bench-"))
  const browser = join(home, "browser.mjs")
  writeFileSync(browser, "#!/usr/bin/env node\nawait fetch(process.argv[2])\n")
  chmodSync(browser, 0o700)
  const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: home, POSTERN_HOME: join(home, "postern"), BROWSER: browser }
  const run = async (...words) => {
    const [code] = await once(spawn(process.execPath, [postern, ...words], { env, stdio: ["ignore", "ignore", 2] }), "exit")
    if (code !== 0) throw new Error(`postern ${words[0]} ended with exit code ${code}`)
  }
  await run("add", "header", "--transport", "http", "--header", `Authorization: Bearer ${KEY}`, url)
  await run("add", "oauth", "--transport", "http", url)
  await run("auth", "oauth")
  return { home, env, remove: () => rmSync(home, { recursive: true, force: true }) }
}

/** Processor time of all threads of a process so far, in milliseconds. */
function processorMs(pid) {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.reduce((sum, id) => sum + Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[0]) / 1e6, 0)
}

async function measureStart(name, { env, home }) {
  const bridge = startBridge({ program: process.execPath, args: [postern, "run", name], env, cwd: home })
  const answer = await bridge.open()
  if (answer.result?.serverInfo.name !== "bench") throw new Error(`${name}: not the server's answer: ${JSON.stringify(answer)}`)
  const spentMs = processorMs(bridge.processes()[0])
  await bridge.close()
  return spentMs
}

const server = await startServer()
const url = `${server.origin}/mcp`
const home = await makeHome(url)
try {
  const measured = []
  for (let i = 0; i < pairs; i++) measured.push([await measureStart("header", home), await measureStart("oauth", home)])
  const ratio = median(measured.map(([header, oauth]) => oauth / header))
  const [header, oauth] = [0, 1].map((side) => median(measured.map((pair) => pair[side])).toFixed(1))
  console.log(
    `start, processor time, median of ${pairs} pairs: header ${header} ms, fresh grant ${oauth} ms, ratio ${ratio.toFixed(3)} (at most ${MOST})`,
  )
  process.exitCode = ratio <= MOST ? 0 : 1
} finally {
  home.remove()
  server.stop()
}
