/** A client on the pipes of `postern run` that takes nothing for granted: an answer that nobody waits for is kept as a mistake. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"

const graceMs = 5_000

/** @returns the client; `mistakes` fills with what should never come */
export function startClient({ args, env, cwd }) {
  const child = spawn(process.execPath, args, { env, cwd, stdio: ["pipe", "pipe", "inherit"] })
  const pending = new Map()
  const hearers = new Map()
  const mistakes = []
  let lastId = 0
  let ending = false
  child.stdin.on("error", () => {}) // told by `exit`
  const onExit = ([code, signal]) => {
    if (!ending) mistakes.push(`the bridge ended by itself: ${code ?? signal}`)
    for (const { reject } of pending.values()) reject(new Error("the bridge has ended"))
    return code
  }
  const exited = once(child, "exit").then(onExit)

  createInterface({ input: child.stdout }).on("line", (line) => {
    const message = JSON.parse(line)
    if (message.method === "notifications/progress") return hearers.get(message.params.progressToken)?.(message.params)
    if (message.method !== undefined) return mistakes.push(`a message that nobody asked for: ${line.slice(0, 200)}`)
    const waiting = pending.get(message.id)
    if (!waiting) return mistakes.push(`an answer that nobody waits for: ${line.slice(0, 200)}`)
    pending.delete(message.id)
    waiting.resolve({ message, line })
  })

  const send = (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
  return {
    pid: child.pid,
    mistakes,
    pending: () => pending.size,
    nextId: () => ++lastId,
    send,
    /** @param progress - the token of this call, and who hears its progress */
    request(method, params, { id = ++lastId, progress } = {}) {
      if (progress) hearers.set(progress.token, progress.hear)
      const answered = new Promise((resolve, reject) => {
        pending.set(id, { resolve, reject })
        send({ id, method, params })
      })
      return answered.finally(() => progress && hearers.delete(progress.token))
    },
    /** Waits no more for this answer; one that comes all the same within `lateMs` is no mistake. */
    forget: (id, lateMs) => void setTimeout(() => pending.delete(id), lateMs).unref(),
    async close() {
      ending = true
      child.stdin.end()
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs)
      await exited
      clearTimeout(timer)
    },
  }
}
