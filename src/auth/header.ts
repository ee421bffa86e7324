/**
 * The `header` method: headers whose values come from the vault, from variables, or from a command that mints them.
 *
 * Nothing can be renewed here, only rotated: a change is looked for while requests go out, so that a running bridge uses a new key
 * without a restart. A key that is refused never becomes an OAuth sign-in.
 */
import { type ExpandedHeader, expandHeaders } from "../config/expand.ts"
import { isCredentialHeader } from "../config/header-rules.ts"
import type { HttpServer } from "../config/server.ts"
import { storeCommand } from "../config/server-command.ts"
import { references } from "../config/template.ts"
import { monotonicMs } from "../core/clock.ts"
import { PosternError } from "../core/diagnosis.ts"
import type { OutgoingRequest } from "../core/http.ts"
import { posternCommand } from "../core/shell.ts"
import { headerRefused, noSecretToAsk } from "./diagnoses.ts"
import { type HeadersCommand, headersCommand } from "./headers-command.ts"
import type { Authenticator } from "./method.ts"
import type { AuthTools } from "./tools.ts"

/** How long what was read from the vault is used without a look at its file, in milliseconds: the look is dearer than all else that a call needs here. */
const LOOK_EVERY_MS = 20

/** @param origin - of the server's address: what the secrets are bound to */
export function headerAuthenticator(server: HttpServer, origin: string, tools: AuthTools): Authenticator {
  const configured = configuredHeaders(server, origin, tools)
  const command = server.headersHelper === undefined ? undefined : headersCommand(server, server.headersHelper, tools)
  let last: Joined | undefined
  const secrets = [...new Set(Object.values(server.headers).flatMap((template) => references(template).secrets))]

  const readHeaders = (signal: AbortSignal, look?: "now"): Promise<readonly ExpandedHeader[]> | readonly ExpandedHeader[] =>
    command === undefined ? configured(look) : withMinted(command, signal, look)

  /** A minted header wins over a configured one of that name: it is the younger of the two. */
  const withMinted = async (minting: HeadersCommand, signal: AbortSignal, look?: "now"): Promise<readonly ExpandedHeader[]> => {
    const minted = await minting.read(signal)
    const names = new Set(minted.map(({ name }) => name.toLowerCase()))
    return [...(await configured(look)).filter(({ name }) => !names.has(name.toLowerCase())), ...minted]
  }

  // Each member by its name: on the path of every message a spread is dear.
  const withProof = (request: OutgoingRequest, own: readonly ExpandedHeader[]): Whole<OutgoingRequest> => {
    const { method, url, headers: given, body, repeatable, cause, silenceMs } = request
    // The messages of a session come with the same headers, and ours are read again only when a secret has changed.
    if (last?.own !== own || last.given !== given) last = { own, given, headers: join(given, own) }
    // A command mints each token anew, most often for the same one.
    const identity = command === undefined ? own : undefined
    return { method, url, headers: last.headers, body, repeatable, cause, identity, silenceMs }
  }

  return {
    authorize(request, signal) {
      const own = readHeaders(signal)
      return own instanceof Promise ? own.then((read) => withProof(request, read)) : withProof(request, own)
    },

    async recover(request, { status }, signal) {
      command?.forget(request.headers) // if it minted what was refused, the next read runs it again
      const headers = await readHeaders(signal, "now")
      // Another process may have rotated the key, or the command minted another token, while this request was on its way.
      const changed = headers.some(({ name, value }) => request.headers[name.toLowerCase()] !== value)
      const { name: header, source } = keyAmong(headers)
      const diagnosis = headerRefused({ server: server.name, header, source, status, next: howToReplace(server, source) })
      return { advice: changed ? "retry" : "denied", diagnosis }
    },

    async identity() {
      const entry = (await tools.vault.list()).find(({ name }) => secrets.includes(name))
      if (entry) return { subject: `key ${entry.fingerprint}`, source: `vault:${entry.name}`, sinceMs: entry.changedAtMs }
      const source = describeSource(server)
      return { subject: `whoever holds ${source}`, source }
    },

    async signIn(interaction, signal) {
      const [secret] = secrets
      if (secret === undefined) throw new PosternError(noSecretToAsk({ server, source: describeSource(server) }))
      await tools.vault.write(secret, origin, await interaction.askSecret(`Key for ${server.name}`, signal))
      return this.identity()
    },

    async signOut() {
      for (const secret of secrets) await tools.vault.remove(secret)
    },
  }
}

/** With all members, so that none is left out where each is named. */
type Whole<Value> = { readonly [Member in keyof Required<Value>]: Value[Member] }

type Headers = OutgoingRequest["headers"]

/** What a request was given, our own headers, and the two together. */
interface Joined {
  readonly given: Headers
  readonly own: readonly ExpandedHeader[]
  readonly headers: Headers
}

function join(given: Headers, own: readonly ExpandedHeader[]): Headers {
  return { ...given, ...Object.fromEntries(own.map(({ name, value }) => [name.toLowerCase(), value])) }
}

/**
 * The configured headers, expanded again only when a secret of the vault has changed: this is on the path of every message.
 *
 * @returns reads them; a change may be seen up to `LOOK_EVERY_MS` late, unless told to look `now`
 */
export function configuredHeaders(
  server: HttpServer,
  origin: string,
  { vault, env, redactor }: AuthTools,
): (look?: "now") => Promise<readonly ExpandedHeader[]> | readonly ExpandedHeader[] {
  let known: { readonly secrets: ReadonlyMap<string, string | undefined>; readonly headers: readonly ExpandedHeader[] } | undefined
  let lookedMs = -Infinity

  const isCurrent = async (): Promise<boolean> => {
    for (const [name, secret] of known?.secrets ?? []) if ((await vault.read(name, origin)) !== secret) return false
    return known !== undefined
  }

  const lookAndRead = async (): Promise<readonly ExpandedHeader[]> => {
    const nowMs = monotonicMs()
    if (!known || !(await isCurrent())) known = await expand()
    lookedMs = nowMs
    return known.headers
  }

  const expand = async (): Promise<NonNullable<typeof known>> => {
    const secrets = new Map<string, string | undefined>()
    const readSecret = async (name: string): Promise<string | undefined> => {
      const secret = await vault.read(name, origin)
      secrets.set(name, secret)
      return secret
    }
    const headers = await expandHeaders(server, origin, { env, readSecret })
    for (const { name, value } of headers) if (isCredentialHeader(name)) redactor.learn(value)
    for (const secret of secrets.values()) if (secret !== undefined) redactor.learn(secret)
    return { secrets, headers }
  }

  return (look) => (known && look !== "now" && monotonicMs() - lookedMs < LOOK_EVERY_MS ? known.headers : lookAndRead())
}

/** The header that is the key, for a person: one whose name says so, or else the first. */
function keyAmong(headers: readonly ExpandedHeader[]): { readonly name: string; readonly source: string } {
  return headers.find(({ name }) => isCredentialHeader(name)) ?? headers[0] ?? { name: "(none)", source: "nowhere" }
}

function howToReplace(server: HttpServer, source: string): string {
  if (source.startsWith("vault:")) return secretCommand(server, source.slice("vault:".length))
  if (source.startsWith("the variable ")) return `set ${source.slice("the variable ".length)} to a valid key where the client is started`
  if (source === "the headers command") return "run the headers command by itself, and see whom it speaks for"
  return `correct the header in ${source}`
}

/** `rotate` knows the entries of Postern's own files only. */
function secretCommand({ name, scope, file }: HttpServer, secret: string): string {
  return scope === "file" ? storeCommand(secret, file) : posternCommand("rotate", name)
}

/** Where the headers of a server come from, if not from the vault. */
export function describeSource(server: HttpServer): string {
  if (server.headersHelper !== undefined) return "the headers command"
  const variables = new Set(Object.values(server.headers).flatMap((template) => references(template).variables))
  return variables.size > 0 ? `the variable ${[...variables].join(" and ")}` : server.file
}
