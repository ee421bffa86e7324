/** How a local server lives and ends, and what becomes of what it said. */
import { execFileSync } from "node:child_process"
import { expect, onTestFinished, test } from "vitest"
import { makeFrame } from "../../src/bridge/frame.ts"
import type { Link, Receive } from "../../src/bridge/link.ts"
import { stdioLink } from "../../src/bridge/server/stdio.ts"
import { PosternError } from "../../src/core/diagnosis.ts"
import { type LogFields, silentLog } from "../../src/core/log.ts"
import { withResolvers } from "../../src/core/with-resolvers.ts"

const { signal } = new AbortController()
const ignore: Receive = () => undefined
const initialize = (id = 0) => makeFrame({ id, method: "initialize" })
const call = (id: number) => makeFrame({ id, method: "tools/call" })

/** Answers what it is asked; `x/first` together with `x/last`, so long, and then it ends. */
const ANSWERS = `
  const say = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n")
  let last
  require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, method, params } = JSON.parse(line)
    if (method === "notifications/cancelled") console.error("told to cancel")
    else if (method === "x/last") { for (const one of [last, id]) say(one, { text: "x".repeat(params.characters) }); process.exitCode = 3; process.stdin.destroy() }
    else if (method === "x/first") last = id
    else say(id, {})
  })`

function serve(script: string, settings: Partial<Parameters<typeof stdioLink>[0]> = {}): Link {
  const env = { PATH: process.env["PATH"] ?? "" }
  const made = {
    name: "local",
    look: "postern get local",
    command: process.execPath,
    args: ["-e", script],
    env,
    receive: ignore,
    stderr: () => undefined,
  }
  const link = stdioLink({ ...made, log: silentLog, maxFrameBytes: 1 << 20, ...settings })
  onTestFinished(() => link.close(signal))
  return link
}

/** Those whose command line holds a text. */
const processesWith = (text: string): string[] =>
  execFileSync("ps", ["-eo", "stat,args"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(text) && !line.startsWith("Z"))

/** A client that takes nothing for a while. */
function slowClient(): { receive: Receive; readonly reached: Promise<void>; takes(): void } {
  const { promise: taken, resolve: takes } = withResolvers()
  const { promise: reached, resolve: reaches } = withResolvers()
  return { takes, reached, receive: () => (reaches(), taken) }
}

/** A process that answers two requests at once, so long, and ends; the client is slow to take the first answer. */
async function withSlowLastWords(characters: number) {
  const link = serve(ANSWERS)
  await link.exchange(initialize(), ignore, signal)
  const client = slowClient()
  const heard: string[] = []
  const hear: Receive = (frame) => void heard.push(frame.id)
  const first = link.exchange(makeFrame({ id: 1, method: "x/first" }), client.receive, signal)
  const last = link.exchange(makeFrame({ id: 2, method: "x/last", params: { characters } }), hear, signal)
  await client.reached
  return { link, client, heard, hear, answered: Promise.all([first, last]) }
}

test("a client that is slow to take one answer makes no server silent: what comes after it is delivered, and nothing is cancelled", async () => {
  let told = ""
  const link = serve(ANSWERS, { silenceMs: 1_000, stderr: (chunk) => void (told += String(chunk)) })
  await link.exchange(initialize(), ignore, signal)
  const client = slowClient()

  const slow = link.exchange(call(1), client.receive, signal)
  const next = link.exchange(call(2), ignore, signal)
  await client.reached
  await new Promise((resolve) => setTimeout(resolve, 2_500)) // more than twice the limit
  client.takes()
  await Promise.all([slow, next])

  expect(told).toBe("")
})

test("what a process said before it ended is delivered, however slow the client is", async () => {
  const { client, heard, answered } = await withSlowLastWords(100_000) // more than is read ahead: the rest stands in the pipe
  await new Promise((resolve) => setTimeout(resolve, 1_200)) // more than twice the time that an empty pipe is given

  client.takes()
  await answered

  expect(heard).toEqual(["2"])
})

test("while the last words of a process wait for a slow client, the next message finds no process, and a new one takes no word away", async () => {
  const { link, client, heard, hear, answered } = await withSlowLastWords(100)
  const codeOf = (error: unknown): string | undefined => (error instanceof PosternError ? error.diagnosis.code : undefined)
  const early = (): Promise<unknown> => link.exchange(call(3), ignore, AbortSignal.timeout(100)).catch(codeOf)

  await expect.poll(early, { timeout: 20_000 }).toBe("session-lost") // once we have heard that it has gone
  await link.exchange(initialize(), ignore, signal)
  await link.exchange(call(3), hear, signal)
  client.takes()
  await answered

  expect(heard).toEqual(["3", "2"])
})

test("of two that open a session at once, one process is left, and none when the link is closed", async () => {
  const link = serve(`/* two-at-once-${process.pid} */ ${ANSWERS}`)
  await link.exchange(initialize(), ignore, signal)

  await Promise.allSettled([link.exchange(initialize(1), ignore, signal), link.exchange(initialize(2), ignore, signal)])
  const opened = processesWith(`two-at-once-${process.pid}`)
  await link.close(signal)

  expect(opened).toHaveLength(1)
  expect(processesWith(`two-at-once-${process.pid}`)).toEqual([])
})

test("what comes after the end starts no process", async () => {
  const link = serve(`/* after-the-end-${process.pid} */ ${ANSWERS}`)
  await link.exchange(initialize(), ignore, signal)
  await link.close(signal)

  await expect(link.exchange(initialize(1), ignore, signal)).rejects.toMatchObject({ diagnosis: { code: "session-lost" } })
  expect(processesWith(`after-the-end-${process.pid}`)).toEqual([])
})

test("a process that ends by itself takes with it what it has started", async () => {
  const seconds = `31.${process.pid}`
  const script = `read line; sleep "$SECONDS_LEFT" >/dev/null 2>&1 & echo '{"jsonrpc":"2.0","id":0,"result":{}}'; read line; exit 1`
  const link = serve("", { command: "sh", args: ["-c", script], env: { PATH: process.env["PATH"] ?? "", SECONDS_LEFT: seconds } })
  await link.exchange(initialize(), ignore, signal)
  await expect.poll(() => processesWith(`sleep ${seconds}`)).toHaveLength(1)

  await expect(link.exchange(call(1), ignore, signal)).rejects.toMatchObject({ diagnosis: { code: "server-exited" } })

  await expect.poll(() => processesWith(`sleep ${seconds}`)).toEqual([])
})

test("the end waits for no client that does not read", async () => {
  const link = serve(ANSWERS)
  await link.exchange(initialize(), ignore, signal)
  const client = slowClient()
  void link.exchange(call(1), client.receive, signal).catch(() => undefined)
  await client.reached

  await link.close(signal)
})

test.each([
  ["SIGTERM, when it goes on after its input was closed", "setInterval(() => undefined, 1000)", "was ended by SIGTERM"],
  [
    "SIGKILL, when it does not listen to that either",
    "setInterval(() => undefined, 1000); process.on('SIGTERM', () => undefined)",
    "was ended by SIGKILL",
  ],
])("a local server is ended by %s", async (_, stubbornness, how) => {
  const ended: unknown[] = []
  const log = { ...silentLog, info: (event: string, fields?: LogFields) => void (event === "process ended" && ended.push(fields?.["how"])) }
  const mark = `stubborn-${process.pid}`
  const link = serve(`/* ${mark} */ ${stubbornness}; ${ANSWERS}`, { log })
  await link.exchange(initialize(), ignore, signal)
  expect(processesWith(mark)).toHaveLength(1)

  await link.close(signal)

  expect(processesWith(mark)).toEqual([])
  await expect.poll(() => ended).toEqual([how])
})
