// Offers one configured server on a Unix socket: each connection is a client with a session of its own.
//   node pipe-socket.mjs NAME SOCKET        (then, for example: socat - UNIX-CONNECT:SOCKET)
import { chmodSync } from "node:fs"
import { createServer } from "node:net"
import { pipeBridge } from "postern"

const [name = "", path = ""] = process.argv.slice(2)
const end = new AbortController()

// Half open: a client that has asked all it wants to may close its side, and still gets the answers.
const listener = createServer({ allowHalfOpen: true }, async (socket) => {
  const refused = await pipeBridge(name, { input: socket, output: socket }, { signal: end.signal })
  if (refused) console.error(`${refused.code}: ${refused.cause}`)
  socket.end()
})
listener.listen(path, () => {
  chmodSync(path, 0o600) // whoever may write to it speaks with your proof of identity
  console.log("ready")
})
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    end.abort()
    listener.close()
  })
}
