import { expect, test } from "vitest"
import { CLIENT_DOCUMENT_PORTS, clientDocument } from "../../../src/auth/oauth/client-document.ts"
import { listenOnLoopback } from "../../../src/core/http-loopback.ts"
import { type StrictPair, startProtectedServer } from "../../servers/protected-server.ts"
import { makeVaultFolder } from "../../vault/vault-folder.ts"
import { makeMember, serverAt, willingPerson } from "./member.ts"

const { signal } = new AbortController()
const id = "https://example.com/postern.json"

/** An authorization server that knows the document, and compares redirects to the letter. */
async function startServer(document: Record<string, unknown>): Promise<StrictPair> {
  const server = await startProtectedServer({ strict: { exactRedirects: true } })
  server.authorization.clients.set(id, document)
  server.authorization.bend.metadata = (honest) => ({ ...honest, client_id_metadata_document_supported: true })
  return server
}

const lastRequest = (server: StrictPair) => server.authorization.seenAt("/authorize").at(-1)?.params
const portOf = (server: StrictPair): number => Number(new URL(lastRequest(server)?.get("redirect_uri") ?? "").port)

test("S40: a document lists each loopback host, without a port and with the fixed ones", () => {
  const uris = clientDocument(id)["redirect_uris"]

  for (const host of ["127.0.0.1", "localhost", "[::1]"]) {
    for (const port of ["", ...CLIENT_DOCUMENT_PORTS.map((one) => `:${one}`)]) expect(uris).toContain(`http://${host}${port}/callback`)
  }
})

test("S40: a sign-in as a hosted document comes back to a port that it lists, and to the next where that one is taken", async () => {
  await using server = await startServer(clientDocument(id))
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url, { clientMetadataUrl: id }))
  const page = { status: 200, html: "" }
  const [first = 0] = CLIENT_DOCUMENT_PORTS
  // It may be somebody else's already; then it is taken all the same.
  await using _ = await listenOnLoopback({ host: "127.0.0.1", port: first, path: "/", onVisit: () => page, elsewhere: page }).catch(() => ({
    [Symbol.asyncDispose]: async () => undefined,
  }))

  await one.authenticator.signIn(willingPerson(), signal)

  expect(lastRequest(server)?.get("client_id")).toBe(id)
  expect(CLIENT_DOCUMENT_PORTS.slice(1)).toContain(portOf(server))
  expect(server.authorization.seenAt("/register")).toEqual([])
  expect(await one.call()).toBe(200)
})

test("S40: where the server finds our redirect not in the document, no person is sent there, and a client is registered", async () => {
  await using server = await startServer({ ...clientDocument(id), redirect_uris: ["http://localhost/callback"] })
  await using folder = await makeVaultFolder()
  await using one = makeMember(folder, serverAt(server.url, { clientMetadataUrl: id }))
  const links: (string | null)[] = []
  const { openLink } = willingPerson()

  await one.authenticator.signIn(
    willingPerson({
      openLink(link, untilOver) {
        links.push(link.url.searchParams.get("client_id"))
        return openLink(link, untilOver)
      },
    }),
    signal,
  )

  expect(server.authorization.seenAt("/authorize")[0]?.params.get("client_id")).toBe(id) // the trap was reached
  expect(links).toEqual([expect.stringMatching(/^client-/)])
  expect(await one.call()).toBe(200)
})
