/** What is measured of one contender. Times in ms, memory in MB; a fact that cannot be had is left out. */
import { setTimeout as sleep } from "node:timers/promises"
import { processorMs, residentMB } from "./process-facts.mjs"
import { median, quantile } from "./statistics.mjs"

const inFlight = 32
const settleMs = 700
const warmUpCalls = 100

const now = () => performance.now()

/** From the start of the process to its first answer to `initialize`. */
export async function measureStart(contender) {
  const begin = now()
  const client = contender.start()
  try {
    if (client.open) await assertOpen(client)
    else await client.ended // bare Node.js: there is nobody to answer
    return { startMs: now() - begin }
  } finally {
    await client.close?.()
  }
}

async function assertOpen(client) {
  const answer = await client.open()
  if (!answer.result) throw new Error(`initialize was refused: ${JSON.stringify(answer).slice(0, 300)}`)
}

async function callTool(client, name, input, isRight) {
  const begin = now()
  const answer = await client.request("tools/call", { name, arguments: input })
  const text = answer.result?.content?.[0]?.text
  if (text === undefined || !isRight(text)) throw new Error(`a wrong answer: ${JSON.stringify(answer).slice(0, 300)}`)
  return now() - begin
}

const echo = (client, text) => callTool(client, "echo", { text }, (answer) => answer === text)

async function measureBig(client, bytes, times) {
  const durations = []
  for (let i = 0; i < times; i++) durations.push(await callTool(client, "big", { bytes }, (text) => text.length === bytes))
  return median(durations)
}

/** Keeps 32 calls in flight until `calls` are answered, and returns how many were answered in a second. */
async function callConcurrently(client, calls) {
  const begin = now()
  let begun = 0
  const worker = async () => {
    while (begun < calls) await echo(client, `call ${begun++}`)
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return calls / ((now() - begin) / 1000)
}

async function measureSequential(client, calls) {
  const latencies = []
  for (let i = 0; i < calls; i++) latencies.push(await echo(client, `hello ${i}`))
  return { p50Ms: median(latencies), p99Ms: quantile(latencies, 0.99) }
}

/**
 * One session: small calls one after the other, then 32 in flight, then big results. Memory is read before the big ones.
 *
 * @param calls - `sequential`, `total` (both kinds together, the warm-up included) and, if wanted, `longTotal` for growth
 */
export async function measureSession(contender, { sequential, total, longTotal }) {
  const client = contender.start()
  try {
    await assertOpen(client)
    await sleep(settleMs)
    const idleMB = residentMB(client.processes())
    for (let i = 0; i < warmUpCalls; i++) await echo(client, "warm-up")
    const cpuBefore = processorMs(client.processes())
    const latency = await measureSequential(client, sequential)
    const callsPerSecond = await callConcurrently(client, total - sequential - warmUpCalls)
    const cpuMs = processorMs(client.processes()) - cpuBefore
    const afterMB = residentMB(client.processes())
    const longMB = longTotal && (await callConcurrently(client, longTotal - total), residentMB(client.processes()))
    const big1Ms = await measureBig(client, 2 ** 20, 5)
    const big10Ms = await measureBig(client, 10 * 2 ** 20, 3)
    const cpuPerCallMs = cpuMs / (total - warmUpCalls)
    const growth = longMB && longMB / afterMB
    return { ...latency, callsPerSecond, cpuPerCallMs, big1Ms, big10Ms, idleMB, afterMB, longMB, growth }
  } finally {
    await client.close()
  }
}
