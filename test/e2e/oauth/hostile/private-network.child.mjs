/**
 * `node private-network.child.mjs POSTERN HOME AUTHORITY CERTIFICATE KEY`, in a network of its own (see private-network.test.ts): an MCP server at a
 * public address that names authorization servers at private ones, one after the other, and listeners there that count who comes. Prints
 * one line of JSON a case.
 */
import { execFile } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import https from "node:https"
import { join } from "node:path"

const [postern, home, authority, certificate, keyFile] = process.argv.slice(2)
const credentials = { cert: readFileSync(certificate), key: readFileSync(keyFile) }
const PUBLIC = "93.184.216.34"
const PORT = 8443

/** What the public server names as its authorization server. */
let named = ""
let metadataAsked = 0
let trapped = 0

async function listen(host, port, onRequest, onConnection) {
  const server = https.createServer(credentials, onRequest)
  server.on("connection", onConnection)
  server.listen(port, host)
  await once(server, "listening")
  return server
}

const json = (response, value, status = 200, headers = {}) =>
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value))

const own = `https://${PUBLIC}:${PORT}`
const servers = [
  await listen(
    PUBLIC,
    PORT,
    (request, response) => {
      if (request.url === "/mcp")
        json(response, {}, 401, { "www-authenticate": `Bearer resource_metadata="${own}/.well-known/oauth-protected-resource/mcp"` })
      else if (request.url.startsWith("/.well-known/oauth-protected-resource")) {
        metadataAsked++
        json(response, { resource: `${own}/mcp`, authorization_servers: [named] })
      } else json(response, {}, 404)
    },
    () => {},
  ),
]
for (const host of ["10.1.2.3", "127.0.0.1", "::1", "169.254.169.254"]) {
  servers.push(
    await listen(
      host,
      PORT,
      (_, response) => json(response, {}, 404),
      () => trapped++,
    ),
  )
}

/** Signs in at an entry. @returns the code of its diagnosis */
async function signIn(entry) {
  const folder = join(home, "case")
  mkdirSync(folder, { mode: 0o700 })
  writeFileSync(join(folder, "config.json"), JSON.stringify({ mcpServers: { far: { type: "http", url: `${own}/mcp`, ...entry } } }))
  const env = { PATH: process.env.PATH, HOME: home, POSTERN_HOME: folder, NODE_EXTRA_CA_CERTS: authority, BROWSER: "/bin/true" }
  const stdout = await new Promise((resolve) =>
    execFile(process.execPath, [postern, "auth", "far", "--json"], { env, cwd: home }, (_, text) => resolve(text)),
  )
  rmSync(folder, { recursive: true })
  return JSON.parse(stdout).error?.code
}

const names = [
  `https://10.1.2.3:${PORT}`,
  `https://127.0.0.1:${PORT}`,
  `https://localhost:${PORT}`,
  `https://[::1]:${PORT}`,
  `https://[::ffff:10.1.2.3]:${PORT}`,
  `https://0xa.0x010203:${PORT}`,
  `https://167838211:${PORT}`,
  `https://inside.example.com:${PORT}`,
  `https://loopback.example.com:${PORT}`,
  `https://169.254.169.254:${PORT}`,
]
for (named of names) {
  metadataAsked = trapped = 0
  console.log(JSON.stringify({ named, allowed: false, code: await signIn({}), metadataAsked, trapped }))
}
for (named of [names[0], names[9]]) {
  metadataAsked = trapped = 0
  console.log(JSON.stringify({ named, allowed: true, code: await signIn({ allowPrivate: true }), metadataAsked, trapped }))
}
for (const server of servers) {
  server.closeAllConnections()
  server.close()
}
