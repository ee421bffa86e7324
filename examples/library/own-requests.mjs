// Sends a request of one's own: Postern gives the headers that prove who asks, and carries nothing.
//   node own-requests.mjs NAME
import { loadServers } from "postern"
import { openTools, proofHeaders } from "postern/auth"

const [name = ""] = process.argv.slice(2)
const { servers } = await loadServers()
const server = servers.find((one) => one.name === name)
if (server === undefined || server.transport === "stdio") throw new Error(`"${name}" is no server with an address`)

const proof = await proofHeaders(server, openTools(), AbortSignal.timeout(10_000))
const clientInfo = { name: "own-requests", version: "1.0.0" }
const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo }
const answer = await fetch(server.url, {
  method: "POST",
  headers: { ...proof, "content-type": "application/json", accept: "application/json, text/event-stream" },
  body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params }),
  redirect: "error", // headers are credentials: they do not follow to another origin
})
console.log(answer.status)
