/** Two clients with one face: one speaks to a bridge over stdio, the other to the server over HTTP, with no bridge between. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { Agent, request as httpRequest } from "node:http"
import { processTree } from "./process-facts.mjs"

const initialize = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "1.0.0" } }
const graceMs = 1500

/** Splits a byte stream into lines, without copying a line that came in one piece. */
function splitLines(stream, onLine) {
  let parts = []
  stream.on("data", (chunk) => {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end))
      onLine(parts.length === 1 ? parts[0] : Buffer.concat(parts))
      parts = []
      from = end + 1
    }
    if (from < chunk.length) parts.push(chunk.subarray(from))
  })
}

/** Starts a bridge; `close` ends it as a client does, by closing its stdin. */
export function startBridge({ program, args, env, cwd }) {
  const child = spawn(program, args, { env, cwd, stdio: ["pipe", "pipe", "pipe"] })
  const ended = once(child, "exit")
  const pending = new Map()
  let complaint = ""
  let lastId = 0
  child.stderr.setEncoding("utf8").on("data", (chunk) => (complaint = (complaint + chunk).slice(-2000)))
  child.stdin.on("error", () => {}) // told by `exit`
  child.on("exit", (code) => {
    for (const { reject } of pending.values()) reject(new Error(`the bridge ended with exit code ${code}: ${complaint}`))
  })
  splitLines(child.stdout, (line) => {
    const message = JSON.parse(line)
    pending.get(message.id)?.resolve(message)
    pending.delete(message.id)
  })
  const send = (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
  const request = (method, params) =>
    new Promise((resolve, reject) => {
      const id = ++lastId
      pending.set(id, { resolve, reject })
      send({ id, method, params })
    })
  return {
    request,
    async open() {
      const answer = await request("initialize", initialize)
      send({ method: "notifications/initialized" })
      return answer
    },
    processes: () => processTree(child.pid),
    async close() {
      child.stdin.end()
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs)
      await ended
      clearTimeout(timer)
    },
  }
}

/** Speaks to the server itself, over kept-alive connections. */
export function connectDirectly(url) {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" }
  let lastId = 0
  const post = (message) =>
    new Promise((resolve, reject) => {
      const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }))
      const request = httpRequest(url, { method: "POST", agent, headers: { ...headers, "content-length": body.length } })
      request.on("error", reject).on("response", (response) => {
        const chunks = []
        response.on("data", (chunk) => chunks.push(chunk))
        response.on("end", () => {
          if (response.headers["mcp-session-id"]) headers["mcp-session-id"] = response.headers["mcp-session-id"]
          resolve(chunks.length > 0 ? JSON.parse(Buffer.concat(chunks)) : undefined)
        })
      })
      request.end(body)
    })
  const request = (method, params) => post({ id: ++lastId, method, params })
  return {
    request,
    async open() {
      const answer = await request("initialize", initialize)
      headers["mcp-protocol-version"] = answer.result.protocolVersion
      await post({ method: "notifications/initialized" })
      return answer
    },
    processes: () => undefined, // there is none between
    close: async () => agent.destroy(),
  }
}
