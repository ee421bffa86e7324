/** The stage of an attack: servers that lie, a person with a browser, a second origin that nothing must reach. */
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type BrowserPerson, makeBrowser } from "../../../harness/browser.ts"
import { type Client, startClient } from "../../../harness/client.ts"
import type { Spoken } from "../../../harness/conversation.ts"
import { type ErrorObject, formsOf, makePerson, type Outcome, type Person } from "../../../harness/postern.ts"
import { type Elsewhere, startElsewhere } from "../../../servers/elsewhere.ts"
import { startProtectedServer, type StrictPair } from "../../../servers/protected-server.ts"

export interface AttackStage extends AsyncDisposable {
  readonly server: StrictPair
  readonly elsewhere: Elsewhere
  readonly person: Person
  readonly browser: BrowserPerson
  /** `postern auth`. @returns how it ended, and the diagnosis if it failed */
  auth(): Promise<Outcome & Partial<ErrorObject>>
  /** A bridge with an open session; it ends with the stage. */
  bridge(): Promise<Client>
  /** Calls through a bridge, all at once. @returns everything that came under each call's id */
  callAtOnce(count: number): Promise<readonly (readonly Spoken[])[]>
  /** Where a secret of this stage can be read: files, what was printed, what the second origin got. */
  leaks(): Promise<readonly string[]>
}

/** The name under which the server is configured. */
const NAME = "stage"

/** What the tool `whoami` of an honest server answers. */
export const answerOf = (subject: string) => ({ result: { content: [{ type: "text", text: subject }] } })

export async function setAttackStage(): Promise<AttackStage> {
  const [server, elsewhere, person, browser] = await Promise.all([startProtectedServer(), startElsewhere(), makePerson(), makeBrowser()])
  const temporary = await mkdtemp(join(tmpdir(), "postern-attack-"))
  const env = { ...person.env, ...browser.env, TMPDIR: temporary }
  const printed: string[] = []
  const bridges: Client[] = []
  await person.added(["add", NAME, "--transport", "http", server.url])

  return {
    server,
    elsewhere,
    person,
    browser,
    async auth() {
      const outcome = await person.postern(["auth", NAME, "--json"], { env })
      printed.push(outcome.stdout, outcome.stderr)
      return outcome.code === 0 ? outcome : { ...outcome, ...outcome.json<ErrorObject>() }
    },
    async bridge() {
      const client = startClient({ env, path: person.project }, ["run", NAME])
      bridges.push(client)
      await client.open()
      return client
    },
    async callAtOnce(count) {
      await using client = startClient({ env, path: person.project }, ["run", NAME])
      await client.open()
      const ids = Array.from({ length: count }, (_, n) => `call-${n}`)
      await Promise.all(ids.map((id) => client.request("tools/call", { name: "whoami" }, id)))
      client.child.stdin.end()
      await client.exited
      printed.push(client.stderr(), JSON.stringify(client.messages), ...client.garbage)
      return ids.map((id) => client.messages.filter((message) => message.id === id))
    },
    async leaks() {
      const secrets = secretsOf(server)
      const isIn = (bytes: Buffer | string): boolean => secrets.some((secret) => formsOf(secret).some((form) => bytes.includes(form)))
      const files = [...(await person.files())].filter(([, bytes]) => isIn(bytes)).map(([path]) => path)
      const left = (await readdir(temporary)).filter((name) => name !== "")
      const scraps = await Promise.all(left.map(async (name) => [name, await readFile(join(temporary, name)).catch(() => "")] as const))
      return [
        ...files,
        ...scraps.filter(([, bytes]) => isIn(bytes)).map(([name]) => name),
        ...[...printed, ...bridges.map((client) => client.stderr())].filter(isIn),
        ...elsewhere.received.filter(isIn),
      ]
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(bridges.map((client) => client[Symbol.asyncDispose]()))
      await Promise.all([server, elsewhere, person, browser].map((thing) => thing[Symbol.asyncDispose]()))
      await rm(temporary, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** What must not be seen anywhere: the tokens that were given, and what was sent to get them. */
function secretsOf({ authorization }: StrictPair): readonly string[] {
  const sent = authorization.seen.flatMap(({ params }) =>
    ["code", "code_verifier", "refresh_token"].flatMap((name) => params.get(name) ?? []),
  )
  return [...new Set([...authorization.tokens.given, ...sent])].filter((text) => text.length > 8)
}
