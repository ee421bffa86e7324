/** One request that changes nothing: what does the server want, and does it take a token? */
import type { ExpandedHeader } from "../../config/expand.ts"
import { limited } from "../../core/abort.ts"
import type { Http } from "../../core/http.ts"
import { type Challenge, findBearer } from "./challenge.ts"

/** What the server said to it. */
export interface TestAnswer {
  readonly status: number
  readonly challenge: Challenge | undefined
  /** `WWW-Authenticate` as it came. */
  readonly header: string
}

/** A ping: no session is opened by it, and a server that wants proof says so before it looks at the message. */
const PING = Buffer.from('{"jsonrpc":"2.0","id":"postern","method":"ping"}')
const LIMIT_MS = 15_000

/** What a test is sent with. */
export interface TestProof {
  /** Undefined: none, to see what the server asks for. */
  readonly accessToken?: string
  /** That the entry sets for every request to the server: some want a key beside the token. */
  readonly configured: readonly ExpandedHeader[]
}

/** @param url - of the server, and of nobody else */
export async function testRequest(url: URL, { accessToken, configured }: TestProof, http: Http, signal: AbortSignal): Promise<TestAnswer> {
  const { authorization: _, ...more } = Object.fromEntries(configured.map(({ name, value }) => [name.toLowerCase(), value]))
  const proof = accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }
  const headers = { ...more, "content-type": "application/json", accept: "application/json, text/event-stream", ...proof }
  const limit = limited(signal, LIMIT_MS)
  const answer = await http.send({ method: "POST", url, headers, body: PING }, limit)
  answer.discard()
  const header = answer.headers["www-authenticate"] ?? ""
  return { status: answer.status, challenge: findBearer(header), header }
}
