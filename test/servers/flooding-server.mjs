// A local MCP server whose answers are as long as it is asked for, and that can stop to read. Methods:
// x/big {bytes}, x/chatter {bytes} (notifications; stderr counts them), x/mutter {bytes} (on stderr) and x/muttered (how much of that has
// left, once it does not go on for a second), x/deaf; whatever else is answered with the length of its line.
const say = (text) => new Promise((done) => process.stdout.write(text, done))
const chunk = "x".repeat(1 << 20)
let parts = []
let muttered = 0

async function mutter(bytes) {
  const words = chunk.slice(0, 1 << 14)
  while (muttered < bytes) {
    await new Promise((done) => process.stderr.write(words, done))
    muttered += words.length
  }
}

/** @returns how much has left, once it has not changed for a second */
async function settled() {
  for (let before = -1; before !== muttered;) {
    before = muttered
    await new Promise((done) => setTimeout(done, 1_000))
  }
  return muttered
}

async function answer(line) {
  const { id, method, params } = JSON.parse(line)
  if (method === "x/big") {
    await say(`{"jsonrpc":"2.0","id":${id},"result":{"text":"`)
    for (let left = params.bytes; left > 0; left -= chunk.length) await say(chunk.slice(0, Math.min(left, chunk.length)))
    return say('"}}\n')
  }
  if (method === "initialize") {
    const result = { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo: { name: "flood", version: "1" } }
    return say(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`)
  }
  if (method === "x/chatter") {
    const note = `${JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: chunk } })}\n`
    for (let sent = 0; sent < params.bytes; sent += note.length) {
      await say(note)
      process.stderr.write(`said ${sent + note.length}\n`)
    }
  }
  if (method === "x/mutter") await mutter(params.bytes)
  if (method === "x/muttered") return say(`{"jsonrpc":"2.0","id":${id},"result":{"muttered":${await settled()}}}\n`)
  if (method === "x/deaf") {
    process.stdin.pause()
    setInterval(() => undefined, 1_000) // nothing else keeps it alive
  }
  if (id !== undefined) await say(`${JSON.stringify({ jsonrpc: "2.0", id, result: { bytes: line.length } })}\n`)
}

process.stdin.on("data", (data) => {
  let from = 0
  for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, from)) {
    parts.push(data.subarray(from, at))
    void answer(Buffer.concat(parts).toString())
    parts = []
    from = at + 1
  }
  if (from < data.length) parts.push(data.subarray(from))
})
