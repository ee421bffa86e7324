/** The kinds of calls of the long run. Each makes one call and says what was wrong with its answer; `undefined` is a right one. */
import { setTimeout as sleep } from "node:timers/promises"
import { bigText } from "./big-text.mjs"

const MOST_BIG_BYTES = 4 * 1024 * 1024

const call = (client, name, input, options = {}) => client.request("tools/call", { name, arguments: input, ...options.params }, options)
const textOf = ({ message }) => message.result?.content?.[0]?.text
/** Postern's own errors are told apart from the server's by their number. */
const told = ({ message }) => (message.error?.code === 1000 ? { told: message.error.data.code } : undefined)
const unless = (right, answer) => told(answer) ?? (right ? undefined : { wrong: JSON.stringify(answer.message).slice(0, 300) })

export const kinds = {
  async small(client, { tag }) {
    const answer = await call(client, "echo", { tag })
    return unless(textOf(answer) === tag, answer)
  },

  async big(client, { random }) {
    const [seed, bytes] = [Math.floor(random() * 100), 100_000 + Math.floor(random() ** 3 * MOST_BIG_BYTES)]
    const answer = await call(client, "big", { seed, bytes })
    return unless(textOf(answer) === bigText(seed, bytes), answer)
  },

  async "big argument"(client, { tag, random }) {
    const filler = bigText(7, 100_000 + Math.floor(random() * 1_000_000))
    const answer = await call(client, "echo", { tag, filler })
    return unless(textOf(answer) === tag, answer)
  },

  async "exact bytes"(client, { tag }) {
    const answer = await call(client, "exact", { tag })
    return unless(answer.line.includes(`"result":{"tag":"${tag}","n":12345678901234567890,"f":1.50}`), answer)
  },

  async progress(client, { tag }) {
    const seen = []
    const params = { _meta: { progressToken: tag } }
    const hear = ({ progress }) => seen.push(progress)
    const answer = await call(client, "progress", { steps: 4, tag }, { params, progress: { token: tag, hear } })
    return unless(textOf(answer) === tag && seen.join() === "1,2,3,4", answer)
  },

  async cancel(client, { tag, random }) {
    const id = client.nextId()
    const answered = call(client, "slow", { holdMs: 300, tag }, { id })
    await sleep(random() * 200)
    client.send({ method: "notifications/cancelled", params: { requestId: id } })
    client.forget(id, 10_000) // it may have been on its way
    const answer = await Promise.race([answered, sleep(500)])
    return answer && unless(textOf(answer) === tag, answer)
  },

  async "error of the server"(client, { tag }) {
    const answer = await call(client, "fail", { tag })
    return unless(answer.message.error?.code === -32050 && answer.message.error.data === tag, answer)
  },

  async "error of the tool"(client, { tag }) {
    const answer = await call(client, "tool-error", { tag })
    return unless(answer.message.result?.isError === true && answer.message.result.tag === tag, answer)
  },
}
