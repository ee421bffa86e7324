/** A relay between a test, which plays the client over real streams, and a server. */
import { PassThrough } from "node:stream"
import { makeBacklog } from "../../src/bridge/backlog.ts"
import { stdioClient } from "../../src/bridge/client/stdio.ts"
import { httpSide } from "../../src/bridge/http-side.ts"
import { relay } from "../../src/bridge/relay.ts"
import { type MemoryStore, withMemory } from "../../src/bridge/memory.ts"
import { withSession } from "../../src/bridge/session.ts"
import type { Link, OnSent, Receive, ServerSide } from "../../src/bridge/link.ts"
import type { Authenticator } from "../../src/auth/method.ts"
import { type Clock, systemClock } from "../../src/core/clock.ts"
import { createHttp } from "../../src/core/http.ts"
import { silentLog } from "../../src/core/log.ts"
import { type Redactor, createRedactor } from "../../src/core/redact.ts"
import { type Conversation, type Spoken, conversationBy } from "./conversation.ts"
import { withoutProof } from "./without-proof.ts"

export interface TestBridge extends Conversation, AsyncDisposable {
  /** Writes one line as it stands. */
  write(line: string): void
  /** Everything that stood on the bridge's output so far, line by line. */
  readonly lines: string[]
  /** Closes the input; resolves when the bridge has ended. */
  end(): Promise<void>
  abort(): void
  readonly ended: Promise<void>
}

export interface TestBridgeSettings {
  readonly authenticator?: Authenticator
  readonly maxFrameBytes?: number
  readonly silenceMs?: number
  readonly resumeSilenceMs?: number
  readonly link?: (receive: Receive, onSent: OnSent) => Link
  /** Where the server is remembered; without it nothing is. */
  readonly store?: MemoryStore
  readonly clock?: Clock
  /** Knows secrets, where a test has some. */
  readonly redactor?: Redactor
  /** Puts something between the relay and the session. */
  readonly wrap?: (side: ServerSide, tell: Receive, life: AbortSignal) => ServerSide
}

export function startBridge(url: string, settings: TestBridgeSettings = {}): TestBridge {
  const input = new PassThrough()
  const output = new PassThrough()
  const stop = new AbortController()
  const lines: string[] = []
  const write = (line: string): void => void input.write(`${line}\n`)
  const { hear, ...conversation } = conversationBy(write)
  let held = ""
  output.setEncoding("utf8")
  output.on("data", (text: string) => {
    const parts = (held + text).split("\n")
    held = parts.pop() ?? ""
    for (const line of parts) {
      lines.push(line)
      hear(JSON.parse(line) as Spoken)
    }
  })

  const maxFrameBytes = settings.maxFrameBytes ?? 256 * 1024 * 1024
  const backlog = makeBacklog()
  const limits = {
    onSent: backlog.leave,
    maxFrameBytes,
    silenceMs: settings.silenceMs ?? 30_000,
    resumeSilenceMs: settings.resumeSilenceMs ?? 30_000,
  }
  const client = stdioClient({ input, output, maxFrameBytes })
  const door = {
    http: createHttp({ silenceMs: limits.silenceMs, connectMs: 5_000 }),
    authenticator: settings.authenticator ?? withoutProof,
    clock: settings.clock ?? systemClock,
  }
  const receive: Receive = (frame) => client.write(frame.bytes)
  const link = settings.link?.(receive, backlog.leave)
  const { store } = settings
  const http = { name: "test", url: new URL(url), door, receive, log: silentLog, ...limits }
  const bare = link ? withSession(link, stop.signal) : httpSide(http, store, stop.signal)
  const side = store ? withMemory(bare, { store, tell: receive, log: silentLog }) : bare
  const ended = relay({
    name: "test",
    client,
    backlog,
    server: settings.wrap?.(side, receive, stop.signal) ?? side,
    redactor: settings.redactor ?? createRedactor(),
    log: silentLog,
    signal: stop.signal,
  })

  return {
    ...conversation,
    lines,
    ended,
    write,
    end() {
      input.end()
      return ended
    },
    abort: () => stop.abort(),
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended
    },
  }
}
