/** A server that is a local process: one message is one line on its standard input or output. */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { StringDecoder } from "node:string_decoder"
import type { Readable, Writable } from "node:stream"
import { orAborted } from "../../core/abort.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { answerTooLarge, serverSilent } from "../../core/http-failures.ts"
import { inTurn } from "../../core/in-turn.ts"
import type { Log } from "../../core/log.ts"
import { OWN_GROUP, signalGroup } from "../../core/process-group.ts"
import { withResolvers } from "../../core/with-resolvers.ts"
import { serverExited } from "../diagnoses.ts"
import { type Frame, NotAMessage, cancelledId, idOfUnread, readFrames } from "../frame.ts"
import { lineCutter } from "../lines.ts"
import { type Link, type OnSent, type Receive, SessionLost } from "../link.ts"
import { type OwedAnswers, owedAnswers } from "./owed.ts"

/** How a local server is started, and who hears what it says. */
export interface StdioServerSettings {
  readonly name: string
  /** The command that shows a person what is configured. */
  readonly look: string
  readonly command: string
  readonly args: readonly string[]
  /** All that the process gets: its own variables, and the few that every program needs. */
  readonly env: Readonly<Record<string, string>>
  /** Where it starts; our own folder unless said. */
  readonly cwd?: string | undefined
  /** The longest that nothing is heard of a request, in milliseconds; 0, or left out, means no limit. */
  readonly silenceMs?: number
  /** Takes what the server says for no request of ours. */
  readonly receive: Receive
  readonly onSent?: OnSent | undefined
  /** Where the process may write its own log; the promise, where there is one, resolves when there is room for more. */
  readonly stderr: (chunk: Buffer) => Promise<void> | void
  readonly log: Log
  /** The longest message, in bytes. */
  readonly maxFrameBytes: number
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

/** How long a process may take to end by itself after its input was closed, in milliseconds. */
const GOODBYE_MS = 500
/** How much of the last words of a process is kept, in characters. */
const MOST_LAST_WORDS = 2_000

/** One life of the process. */
interface Life {
  readonly child: Child
  readonly owed: OwedAnswers
  /** Resolves when the process has gone. */
  readonly gone: Promise<void>
  hasGone: boolean
  /** Resolves when all that it said before has been delivered too: a client may be slow. */
  readonly delivered: Promise<void>
  /** True once it is. */
  over: boolean
  /** True while nothing is read from a process that has gone. */
  quiet: boolean
  lastWords: string
}

/** Makes the link. The process is started by the first `initialize`, or the first modern message. */
export function stdioLink(settings: StdioServerSettings): Link {
  let life: Life | undefined
  let closed = false
  const opening = inTurn()

  /** What the former process said goes on to be delivered. */
  const restart = async (): Promise<void> => {
    if (life) await end(life)
    if (!closed) life = start(settings)
  }

  return {
    async exchange(frame, receive, signal) {
      if (frame.kind === "request" && frame.method === "initialize") await opening(restart)
      // A modern message needs no opening, and loses nothing with a process that has ended.
      else if (frame.revision !== "" && !closed && (!life || life.hasGone)) life = start(settings)
      if (!life || life.hasGone) throw new SessionLost(settings.name, "its process is not running")
      await converse(life, frame, receive, { onSent: settings.onSent, signal })
    },
    async close() {
      closed = true
      await opening(async () => {
        if (!life) return
        await end(life)
        await orAborted(life.delivered, AbortSignal.timeout(GOODBYE_MS)).catch(() => undefined) // the client may not read any more
        life.child.stdout.destroy()
      })
    },
  }
}

function start(settings: StdioServerSettings): Life {
  const { name, look, command, args, env, cwd, log, silenceMs = 0 } = settings
  // A group of its own, so that what the process starts ends with it; no shell, so that no text is read as one.
  const child = spawn(command, args, { env: { ...env }, cwd, stdio: ["pipe", "pipe", "pipe"], ...OWN_GROUP })
  const owed = owedAnswers({
    receive: settings.receive,
    onStray: (id) => log.info("answer dropped", { server: name, claims: id }),
    silenceMs,
    onSilent(request) {
      child.stdin.write(cancelLine(request)) // so that the server need not go on
      return new PosternError(serverSilent({ origin: `The server "${name}"`, silenceMs }))
    },
  })
  const { promise: gone, resolve: tellGone } = withResolvers()
  const { promise: delivered, resolve: tellDelivered } = withResolvers()
  const life: Life = { child, owed, gone, hasGone: false, delivered, over: false, quiet: true, lastWords: "" }

  const leave = (): void => {
    life.hasGone = true
    tellGone()
  }
  const finish = (how: string): void => {
    if (life.over) return
    leave()
    life.over = true
    log.info("process ended", { server: name, how })
    owed.failAll(new PosternError(serverExited({ server: name, how, stderr: life.lastWords, look })))
    signalGroup(child, "SIGKILL") // whatever it had started and left behind
    tellDelivered()
  }
  child.on("error", (error: NodeJS.ErrnoException) => finish(`could not be started (${error.code ?? error.message}: ${command})`))
  const heard = hear(life, settings).catch((error: unknown) => log.info("output lost", { server: name, error: String(error) }))
  child.on("exit", (code, signal) => {
    leave()
    life.quiet = true
    // What it said before it ended is delivered first; a pipe that something else still holds is not waited for.
    const looking = setInterval(() => {
      if (life.quiet && !owed.delivering) child.stdout.destroy()
      life.quiet = true
    }, GOODBYE_MS).unref()
    void heard.finally(() => {
      clearInterval(looking)
      finish(signal ? `was ended by ${signal}` : `ended with code ${code}`)
    })
  })
  child.stdin.on("error", () => undefined) // the process has gone: "exit" tells
  hearWords(life, settings)
  return life
}

/** Passes on what the process writes of itself, as fast as that is taken; and keeps the last of it, for whoever asks why it ended. */
function hearWords(life: Life, settings: StdioServerSettings): void {
  const { stderr } = life.child
  const decoder = new StringDecoder("utf8") // a chunk may end in the middle of a character
  stderr.on("data", (chunk: Buffer) => {
    const words = life.lastWords + decoder.write(chunk)
    life.lastWords = words.length > MOST_LAST_WORDS ? `…${words.slice(-MOST_LAST_WORDS)}` : words
    const taken = settings.stderr(chunk)
    if (!taken) return
    stderr.pause()
    void taken.then(() => stderr.resume())
  })
}

/** Gives each line of the process to whom it belongs. A slow client slows the process down: nothing is read meanwhile. */
async function hear(life: Life, { name, log, maxFrameBytes }: StdioServerSettings): Promise<void> {
  const { child, owed } = life
  const arrived: Frame[] = []
  const lines = lineCutter(
    maxFrameBytes,
    (line) => {
      try {
        arrived.push(...readFrames(line))
      } catch (error) {
        if (!(error instanceof NotAMessage)) throw error
        log.info("line dropped: not a message", { server: name }) // some servers print a greeting
      }
    },
    (ends) => {
      log.error("line dropped: too long", { server: name, maxFrameBytes })
      owed.fail(idOfUnread(ends), new PosternError(answerTooLarge({ origin: `the server "${name}"`, maxBytes: maxFrameBytes })))
    },
  )
  child.stdout.on("end", () => lines.end())
  for await (const chunk of child.stdout) {
    lines.feed(chunk as Buffer) // no encoding is set, so chunks are buffers
    if (arrived.length === 0) owed.stir() // the middle of a long line
    for (const frame of arrived.splice(0)) await owed.deliver(frame)
    life.quiet = false
  }
  for (const frame of arrived) await owed.deliver(frame) // a last line without a line feed
}

interface Conversation {
  readonly onSent?: OnSent | undefined
  readonly signal: AbortSignal
}

async function converse({ child, owed }: Life, frame: Frame, receive: Receive, { onSent, signal }: Conversation): Promise<void> {
  signal.throwIfAborted()
  const answered = frame.kind === "request" ? owed.expect(frame, receive, signal) : undefined
  child.stdin.write(frame.bytes)
  const taken = new Promise<void>((resolve) => child.stdin.write("\n", () => resolve())) // in its pipe, or the process has gone
  if (frame.method === "notifications/cancelled") owed.release(cancelledId(frame))
  void taken.then(() => onSent?.(frame))
  await (answered ?? orAborted(taken, signal))
}

/** Tells the server that an answer is not waited for any more. */
const cancelLine = ({ id }: Frame): string =>
  `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id},"reason":"no sign of life"}}\n`

/** Ends the process and what it started: its input is closed, then it is told, then it is killed. */
async function end(life: Life): Promise<void> {
  if (life.over || life.child.pid === undefined) return
  const timers = [
    setTimeout(() => signalGroup(life.child, "SIGTERM"), GOODBYE_MS),
    setTimeout(() => signalGroup(life.child, "SIGKILL"), GOODBYE_MS * 2),
  ]
  life.child.stdin.end()
  await life.gone
  for (const timer of timers) clearTimeout(timer)
  signalGroup(life.child, "SIGKILL") // whatever it had started and left behind
}
