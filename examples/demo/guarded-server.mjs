/**
 * `TOKEN=... node guarded-server.mjs`: a real MCP server (server-everything over Streamable HTTP) on loopback, behind a
 * door that asks for one bearer token. stdout: `{"url": ...}` first, then one JSON line for each HTTP request:
 * `{"http": "POST", "rpc": "tools/call", "token": "right" | "wrong" | "none", "status": 200}`. Ends when stdin ends.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createServer, request as httpRequest } from "node:http"
import { join } from "node:path"

const everythingProgram = join(import.meta.dirname, "../../.ci/judges/node_modules/@modelcontextprotocol/server-everything/dist/index.js")

if (!existsSync(everythingProgram)) {
  console.error("The server behind the door is not installed yet; `npm run demo` does that.")
  process.exit(1)
}

const tell = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)

/** Starts server-everything on a free port, with nothing of our environment, since one of its tools prints what it has. */
async function startEverything() {
  const preload = new URL("loopback-only.mjs", import.meta.url).href
  const child = spawn(process.execPath, ["--import", preload, everythingProgram, "streamableHttp"], {
    env: { PORT: "0" },
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  })
  const port = await new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message.port))
    child.once("exit", (code) => reject(new Error(`server-everything ended with exit code ${code}`)))
  })
  return { port, stop: () => child.kill() }
}

async function readBody(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function judgeToken(authorization) {
  if (authorization === undefined) return "none"
  return authorization === `Bearer ${process.env.TOKEN}` ? "right" : "wrong"
}

function refuse(response) {
  response.writeHead(401, { "www-authenticate": 'Bearer realm="demo"', "content-type": "text/plain" })
  response.end("This server asks for a bearer token.\n")
}

/** Hands one request on to the server behind the door. The credential stays at the door. */
async function passOn(request, body, response) {
  const { authorization: _, ...headers } = request.headers
  const upstream = httpRequest({ host: "127.0.0.1", port: everything.port, path: request.url, method: request.method, headers })
  response.on("close", () => upstream.destroy())
  const answer = await new Promise((resolve, reject) => upstream.on("response", resolve).on("error", reject).end(body))
  response.writeHead(answer.statusCode, answer.headers)
  response.flushHeaders() // an event stream may stay silent for long
  answer.pipe(response)
}

function methodOf(body) {
  try {
    return JSON.parse(body).method
  } catch {
    return undefined // not JSON, so not a call; the server behind will say so
  }
}

const everything = await startEverything()

const door = createServer(async (request, response) => {
  try {
    const body = await readBody(request)
    const token = judgeToken(request.headers.authorization)
    if (token === "right") await passOn(request, body, response)
    else refuse(response)
    tell({ http: request.method, rpc: methodOf(body), token, status: response.statusCode })
  } catch {
    response.destroy() // one side has gone in mid-request
  }
})

door.listen(0, "127.0.0.1", () => tell({ url: `http://127.0.0.1:${door.address().port}/mcp` }))

process.stdin.resume().on("end", () => {
  everything.stop()
  door.close()
  door.closeAllConnections()
})
