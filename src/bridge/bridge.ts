/** Puts a bridge together: a client side, a relay, and the server side that the entry asks for. */
import type { Authenticator } from "../auth/method.ts"
import { hasGrant } from "../auth/oauth/owner.ts"
import { authenticatorFor, methodOf } from "../auth/registry.ts"
import { CONNECT_MS, SILENCE_MS, openHttp } from "../auth/server-http.ts"
import { signInCommand } from "../auth/sign-in-command.ts"
import type { AuthTools, MethodTools } from "../auth/tools.ts"
import { expandAddress, expandProcess, type Sources } from "../config/expand.ts"
import { serverCommand } from "../config/server-command.ts"
import type { HttpServer, Server, StdioServer } from "../config/server.ts"
import { references } from "../config/template.ts"
import { following, limited } from "../core/abort.ts"
import { type Diagnosis, PosternError } from "../core/diagnosis.ts"
import { withCookies } from "../core/http-cookies.ts"
import type { Log } from "../core/log.ts"
import type { Environment } from "../core/places.ts"
import { type Redactor, cleanDiagnosis } from "../core/redact.ts"
import { makeBacklog } from "./backlog.ts"
import type { ClientSide } from "./client/client-side.ts"
import { withDoorMemory } from "./door-memory.ts"
import { diagnosisOf } from "./error-answer.ts"
import { httpSide, sseSide } from "./http-side.ts"
import type { OnSent, Receive, ServerSide } from "./link.ts"
import { type MemoryStore, withMemory } from "./memory.ts"
import { memoryFile } from "./memory-file.ts"
import { relay } from "./relay.ts"
import { withSession } from "./session.ts"
import { memoryOfPerson } from "./sign-in/memory-of-person.ts"
import type { SignInSettings } from "./sign-in/mount.ts"
import { editResult, withCapabilities } from "./sign-in/promises.ts"
import { isLocked, whenLocked } from "./when-locked.ts"

/** Who stands on both ends of a bridge, and what it works with. */
export interface BridgeSettings {
  readonly name: string
  /** Finds the entry; it is expanded here, when the connection starts. */
  findServer(): Promise<Server>
  readonly client: ClientSide
  readonly tools: AuthTools
  readonly log: Log
  /** Where it is kept what servers said of themselves (`Places.memory`); without it nothing is remembered. */
  readonly memoryFolder?: string
  /** Where a local server may write its own log; the promise, where there is one, resolves when there is room for more. */
  readonly stderr: (chunk: Buffer) => Promise<void> | void
  /** How a person may be asked to sign in; without it nobody is, and the client is told that it is needed. */
  readonly signIn?: SignInSettings
  /** Hears at once why the connection could not even be prepared. */
  onRefused(diagnosis: Diagnosis): void
  /** Ends the bridge. */
  readonly signal: AbortSignal
}

/** The longest message, in bytes: half of what one JavaScript string may hold. */
export const MAX_FRAME_BYTES = 256 * 1024 * 1024
/** A stream that was taken up again and stays silent is given up sooner: what it owes may be lost. */
const RESUMED_SILENCE_MS = 300_000
/** A shorter value of a variable is taken for a word, in characters. */
const SHORTEST_VARIABLE = 8

/**
 * Carries messages between a client and a configured server until the client has gone or the signal aborts.
 *
 * A fault of the configuration does not end the bridge: the client is told of it in the answer to its first request, which clients
 * show word for word.
 *
 * @returns the diagnosis that every request was answered with, if the connection could not even be prepared
 */
export async function runBridge(settings: BridgeSettings): Promise<Diagnosis | undefined> {
  const { name, client, tools, log, memoryFolder } = settings
  using life = following(settings.signal)
  const { signal } = life
  const backlog = makeBacklog()
  const held = new Set<Promise<unknown>>()
  const hold = (work: Promise<unknown>): void => {
    held.add(work)
    void work.finally(() => held.delete(work))
  }
  let refused: Diagnosis | undefined
  let server: ServerSide
  try {
    const entry = await settings.findServer()
    const store = memoryFolder === undefined ? undefined : memoryFile(memoryFolder, entry, log)
    void store?.recall() // read while the rest is prepared; what the era of the server is may stand in it
    const tell: Receive = (frame) => client.write(frame.bytes)
    server = await prepareServer(entry, { store, tell, onSent: backlog.leave, hold }, { ...settings, signal })
  } catch (error) {
    refused = cleanDiagnosis(diagnosisOf(error), tools.redactor.clean)
    settings.onRefused(refused)
    server = refusing(refused)
  }
  await relay({ name, client, server, backlog, held, redactor: tools.redactor, log, signal })
  life.abort(new Error("the bridge has ended"))
  return refused
}

/** A server side that answers everything with one diagnosis. */
function refusing(diagnosis: Diagnosis): ServerSide {
  return {
    carry: () => Promise.reject(new PosternError(diagnosis)),
    close: () => Promise.resolve(),
  }
}

/** A way to a server, and what proves us to it, where it is not a local one. */
interface Prepared {
  readonly side: ServerSide
  readonly authenticator?: Authenticator
  readonly origin?: string
}

/** Makes the server side, whole: with its memory, and with what deals with a locked door where a person can open it. */
async function prepareServer(entry: Server, around: Around, settings: BridgeSettings): Promise<ServerSide> {
  const { name, tools, log, signIn, signal: life } = settings
  const { store, tell, onSent: onWait } = around
  const { side: server, authenticator, origin = "" } = await prepareSide(entry, around, settings)
  const method = methodOf(entry)
  if (!signIn || !authenticator || method === "header") return store ? withMemory(server, { store, tell, log }) : server

  // A server for which nothing is configured may want a sign-in all the same; most do not, and then nobody has signed in.
  const canSignIn = method !== "none" || (entry.transport !== "stdio" && (await hasGrant(entry, origin, tools.vault)))
  const side = store && !canSignIn ? withDoorMemory(server, store) : server
  const memory = store && withMemory(side, { store: memoryOfPerson(store, authenticator), tell, log })
  const command = signIn.command ?? signInCommand(entry) ?? ""
  return whenLocked(memory ?? side, {
    promise: canSignIn && signIn.prompt ? (answer) => editResult(answer, withCapabilities) : undefined,
    async load(opening) {
      const { mountSignIn } = await import("./sign-in/mount.ts")
      return mountSignIn(side, { ...signIn, name, command, authenticator, tools, memory, opening, tell, onWait, log, life })
    },
  })
}

/** Replaces what the entry refers to, and makes the side. Nothing is sent or started yet. */
async function prepareSide(server: Server, around: Around, settings: BridgeSettings): Promise<Prepared> {
  const { env, vault, redactor } = settings.tools
  const sources: Sources = {
    env,
    async readSecret(name, origin) {
      const secret = await vault.read(name, origin)
      if (secret !== undefined) redactor.learn(secret)
      return secret
    },
  }
  learnVariables(server, env, redactor)
  if (server.transport === "stdio") return { side: await localSide(server, { sources, ...around }, settings) }
  return remoteSide(server, { sources, ...around }, settings)
}

/** What a variable fills in may be a secret, whatever the header or parameter is called: a server may echo it in any place. */
function learnVariables(server: Server, env: Environment, redactor: Redactor): void {
  const templates = server.transport === "stdio" ? Object.values(server.env) : [server.url, ...Object.values(server.headers)]
  for (const name of templates.flatMap((template) => references(template).variables)) {
    const value = env[name]
    // An address or a short word is no secret, and to black it out would hide what matters.
    if (value !== undefined && value.length >= SHORTEST_VARIABLE && !URL.canParse(value)) redactor.learn(value)
  }
}

/** What a side is made with, apart from the entry and the settings of the bridge. */
interface Around {
  readonly store: MemoryStore | undefined
  /** Takes what goes to the client unasked. */
  readonly tell: Receive
  readonly onSent: OnSent
  readonly hold: NonNullable<MethodTools["hold"]>
}

interface Surroundings extends Around {
  readonly sources: Sources
}

async function remoteSide(server: HttpServer, surroundings: Surroundings, settings: BridgeSettings): Promise<Prepared> {
  const { sources, store, tell: receive, onSent, hold } = surroundings
  const { tools, log, signal } = settings
  const { name, transport } = server
  const url = await expandAddress(server, sources)
  const http = openHttp(server, url, tools.env)
  const authenticator = authenticatorFor(server, url.origin, { ...tools, http, hold })
  // What is missing for the proof is told now, before anything is sent. A sign-in that cannot be renewed now may be at the next message.
  const method = methodOf(server)
  if (method === "header") await checkProof(authenticator, url, signal)
  // The files that an identity of AWS comes from may be mended while we run, so it is told, and each message looks again.
  if (method === "aws") await checkProof(authenticator, url, signal).catch((error: unknown) => settings.onRefused(diagnosisOf(error)))
  const learnSecret = (value: string): void => tools.redactor.learnPassing(value, "session")
  const door = { http: withCookies(http, url, tools.clock, learnSecret), authenticator, clock: tools.clock }
  const silenceMs = server.timeoutMs ?? SILENCE_MS
  const limits = { silenceMs, resumeSilenceMs: server.resumeTimeoutMs ?? RESUMED_SILENCE_MS, maxFrameBytes: MAX_FRAME_BYTES }
  const link = { name, url, door, receive, onSent, learnSecret, log, ...limits }
  return { side: await (transport === "sse" ? sseSide(link, signal) : httpSide(link, store, signal)), authenticator, origin: url.origin }
}

/** What a person can mend is no reason to stop here: each message meets it again, and it is dealt with there. */
async function checkProof(authenticator: Authenticator, url: URL, signal: AbortSignal): Promise<void> {
  try {
    await authenticator.authorize({ method: "POST", url, headers: {} }, limited(signal, CONNECT_MS))
  } catch (error) {
    if (!isLocked(error)) throw error
  }
}

async function localSide(
  server: StdioServer,
  { sources, tell: receive, onSent }: Surroundings,
  { tools, log, stderr, signal }: BridgeSettings,
): Promise<ServerSide> {
  const { stdioLink } = await import("./server/stdio.ts") // child processes cost a start more than all of this file
  const { command, args, env, cwd } = await expandProcess(server, sources)
  const childEnv = { ...baseEnvironment(tools.env), ...env }
  const limits = { silenceMs: server.timeoutMs ?? SILENCE_MS, maxFrameBytes: MAX_FRAME_BYTES }
  const link = stdioLink({
    name: server.name,
    look: serverCommand("get", server),
    command,
    args,
    env: childEnv,
    cwd,
    receive,
    onSent,
    stderr,
    log,
    ...limits,
  })
  return withSession(link, signal)
}

/** What every program needs. A local server gets nothing else that its entry does not name: our environment may hold secrets (S82). */
const BASE_VARIABLES =
  /^(HOME|LOGNAME|PATH|SHELL|TERM|USER|LANG|LC_[A-Z]+|TZ|TMPDIR|TMP|TEMP|XDG_[A-Z_]+|APPDATA|LOCALAPPDATA|COMSPEC|HOMEDRIVE|HOMEPATH|PATHEXT|PROGRAMDATA|PROGRAMFILES|SYSTEMDRIVE|SYSTEMROOT|USERNAME|USERPROFILE|WINDIR|CLAUDE_PROJECT_DIR)$/i

function baseEnvironment(env: Environment): Record<string, string> {
  const base: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && BASE_VARIABLES.test(name) && !value.startsWith("()")) base[name] = value // "()": a shell function
  }
  return base
}
