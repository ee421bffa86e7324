/**
 * The least that a person can sign in to: a page on loopback. Whoever opens its link is in, and the method at its side then knows the
 * key of the MCP server. The real thing is tried with real authorization servers; here the way to the person is what matters.
 */
import { randomUUID } from "node:crypto"
import http from "node:http"
import type { AddressInfo } from "node:net"
import type { Authenticator } from "../../src/auth/method.ts"
import { orAborted } from "../../src/core/abort.ts"
import { defineDiagnosis } from "../../src/core/diagnosis.ts"

export const notSignedIn = defineDiagnosis({
  code: "not-signed-in",
  about: "Only in tests.",
  kind: "sign-in",
  tell: ({ status }: { status: number }) => ({ cause: "Nobody is signed in.", evidence: [`HTTP ${status}`], next: "postern auth test" }),
})

export interface SignInPage extends AsyncDisposable {
  readonly authenticator: Authenticator
  /** Links that were made, in order. */
  readonly links: URL[]
  /** Requests to the page. */
  visits: number
  /** Whose key the method has now; undefined: nobody is in. */
  subject: string | undefined
  /** Who is in after the next visit. */
  next: string
  /** What the sign-in does before it makes its link. */
  before: () => Promise<void>
}

/** @param key - what the MCP server asks for; `key()` may change */
export async function startSignInPage(key: () => string): Promise<SignInPage> {
  const waiting = new Map<string, () => void>()
  const listener = http.createServer((request, response) => {
    page.visits++
    const come = waiting.get(request.url ?? "")
    response.writeHead(come ? 200 : 404).end()
    come?.()
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  const { port } = listener.address() as AddressInfo

  const identity = async () => ({ subject: page.subject ?? "nobody", source: "the page of the test" })
  const signIn: Authenticator["signIn"] = async (interaction, signal) => {
    await page.before()
    const path = `/authorize/${randomUUID()}`
    const visited = new Promise<void>((resolve) => waiting.set(path, resolve))
    const url = new URL(`http://127.0.0.1:${port}${path}`)
    page.links.push(url)
    await interaction.openLink({ url, message: "Sign in to test (issuer 127.0.0.1)" }, signal)
    await orAborted(visited, signal)
    waiting.delete(path)
    page.subject = page.next
    return identity()
  }
  const page: SignInPage = {
    links: [],
    visits: 0,
    subject: undefined,
    next: "alice",
    before: () => Promise.resolve(),
    authenticator: {
      async authorize(request) {
        if (page.subject === undefined) return request
        return { ...request, headers: { ...request.headers, authorization: `Bearer ${key()}` } }
      },
      recover: async (_, { status }) => ({ advice: "sign-in", diagnosis: notSignedIn({ status }) }),
      identity,
      signIn,
      signOut: async () => void (page.subject = undefined),
    },
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
  return page
}
