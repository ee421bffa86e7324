/** One process's view of a shared home: an authenticator for a protected server, on a vault of its own, and a person who signs in. */
import { type Authenticator, type Recovery } from "../../../src/auth/method.ts"
import { oauthAuthenticator } from "../../../src/auth/oauth/oauth.ts"
import type { Interaction } from "../../../src/auth/interaction.ts"
import { openHttp } from "../../../src/auth/server-http.ts"
import type { HttpServer, OAuthSettings } from "../../../src/config/server.ts"
import { systemClock } from "../../../src/core/clock.ts"
import type { Diagnosis } from "../../../src/core/diagnosis.ts"
import type { Answer, OutgoingRequest } from "../../../src/core/http.ts"
import { createRedactor } from "../../../src/core/redact.ts"
import { personWho } from "../../harness/interaction.ts"
import type { VaultFolder } from "../../vault/vault-folder.ts"

const { signal } = new AbortController()

export interface Member extends AsyncDisposable {
  readonly authenticator: Authenticator
  /** What it told though nothing failed. */
  readonly told: Diagnosis[]
  /** One call as the door makes it: proof, one recovery at most. @returns the status, or the diagnosis of a refusal */
  call(): Promise<number | Diagnosis>
  /** One call to a server that refuses it: as the door does, which asks about the second refusal too. */
  refusedTwice(): Promise<Diagnosis>
  /** The redactor's exit for text. */
  clean(text: string): string
  /** Waits for what goes on beside its calls. */
  settled(): Promise<unknown>
  /** The token that a request would carry now. */
  token(): Promise<string | undefined>
}

export function serverAt(url: string, oauth: OAuthSettings = {}, more: Partial<HttpServer> = {}): HttpServer {
  const place = { name: "linear", scope: "user", file: "/config.json", trusted: true, enabled: true } as const
  return { ...place, transport: "http", url, headers: {}, oauth, ...more }
}

export function makeMember(folder: VaultFolder, server: HttpServer, clock = systemClock): Member {
  const url = new URL(server.url)
  const http = openHttp(server, url, {})
  const told: Diagnosis[] = []
  const held: Promise<unknown>[] = []
  const hold = (work: Promise<unknown>): void => void held.push(work)
  const tell = (one: Diagnosis): void => void told.push(one)
  const tools = { vault: folder.open(), env: {}, redactor: createRedactor(), clock, http, tell, hold }
  const authenticator = oauthAuthenticator(server, url.origin, tools)
  const initialize = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } }
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: initialize }))
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" }
  const bare: OutgoingRequest = { method: "POST", url, headers, body }
  const send = async (): Promise<{ request: OutgoingRequest; answer: Answer }> => {
    const request = await authenticator.authorize(bare, signal)
    const answer = await http.send(request, signal)
    if (answer.status < 300) await authenticator.accepted?.(request)
    answer.discard()
    return { request, answer }
  }

  return {
    authenticator,
    told,
    clean: tools.redactor.clean,
    settled: () => Promise.all(held),
    async call() {
      try {
        const { request, answer } = await send()
        if (answer.status !== 401 && answer.status !== 403) return answer.status
        const { advice, diagnosis }: Recovery = await authenticator.recover(request, answer, signal)
        return advice === "retry" ? (await send()).answer.status : diagnosis
      } catch (error) {
        return diagnosisOf(error)
      }
    },
    async refusedTwice() {
      for (;;) {
        const { request, answer } = await send()
        const { advice, diagnosis } = await authenticator.recover(request, answer, signal)
        if (advice !== "retry") return diagnosis
      }
    },
    token: async () => /^Bearer (.*)$/.exec((await authenticator.authorize(bare, signal)).headers["authorization"] ?? "")?.[1],
    async [Symbol.asyncDispose]() {
      await Promise.all(held)
      http.close()
    },
  }
}

/** A person whose browser goes wherever it is sent. */
export function willingPerson(more: Partial<Interaction> = {}): Interaction {
  return personWho({
    async openLink({ url }) {
      void fetch(url).catch(() => undefined) // follows redirects, the last of which is ours
      return "opened"
    },
    ...more,
  })
}

/** @returns the diagnosis that was thrown; anything else is a fault of the test */
function diagnosisOf(error: unknown): Diagnosis {
  if (error instanceof Error && "diagnosis" in error) return error.diagnosis as Diagnosis // a PosternError
  throw error
}
