/** The stage of a race: many bridges of one home, all with one grant, before a strict server whose refresh tokens may be used once. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type BrowserPerson, makeBrowser } from "../../../harness/browser.ts"
import { type Client, type Home, makeHome, startClient } from "../../../harness/client.ts"
import { startProtectedServer, type StrictPair } from "../../../servers/protected-server.ts"

/** What became of a race. */
export interface RaceResult {
  /** Calls that got the server's own answer. */
  readonly answered: number
  /** Calls that got an error, by its code. */
  readonly refused: readonly string[]
  /** Processes that were killed while their call was pending. */
  readonly killed: number
  /** Requests with the grant type `refresh_token` since the race began. */
  readonly refreshRequests: number
  /** Those that gave new tokens. */
  readonly refreshes: number
  /** How often a refresh token came a second time. */
  readonly reuses: number
  readonly familiesLost: number
  /** Browsers that were opened since the race began. */
  readonly tabs: number
}

export interface RaceSettings {
  readonly processes: number
  /** Of the tokens of the first sign-in. */
  readonly accessTokenSeconds?: number
  /** Whether `expires_in` is said. */
  readonly tellsLifetime?: boolean
  /** Where Postern's folder lies; in the home unless said. */
  readonly folder?: string
}

export interface RaceStage extends AsyncDisposable {
  readonly server: StrictPair
  readonly home: Home
  readonly browser: BrowserPerson
  /** Starts bridges and opens their sessions. */
  open(count: number, env?: NodeJS.ProcessEnv): Promise<readonly Client[]>
  /** Starts one that dies at a rename of the vault, once `arm` was called. */
  openVictim(when: "before" | "after", rename: number): Promise<Client>
  arm(): Promise<void>
  /** One call of each, all at once. @returns how each ended */
  callAll(clients: readonly Client[]): Promise<readonly Ending[]>
  /** What the endings and the servers' records come to. */
  tell(endings: readonly Ending[]): Promise<RaceResult>
}

/** `answered`, `killed`, or the code of the error. */
export type Ending = "answered" | "killed" | (string & {})

/** Signs in once, as a person does, and gets ready. */
export async function setRaceStage(settings: RaceSettings): Promise<RaceStage> {
  const server = await startProtectedServer()
  const { authorization } = server
  authorization.accessTokenSeconds = settings.accessTokenSeconds ?? 3600
  authorization.tellsLifetime = settings.tellsLifetime ?? true
  const browser = await makeBrowser()
  const home = await makeHome({ ...browser.env, ...(settings.folder === undefined ? {} : { POSTERN_HOME: settings.folder }) })
  const armed = join(home.path, "armed")
  const started: Client[] = []

  await run(home, "add", "racing", "--transport", "http", server.url)
  await run(home, "auth", "racing")
  authorization.accessTokenSeconds = 3600
  const begun = { tabs: (await browser.opened()).length, refreshes: authorization.exchanges("refresh_token").length }

  const stage: RaceStage = {
    server,
    home,
    browser,
    async open(count, env = {}) {
      const clients = Array.from({ length: count }, () => startClient({ ...home, env: { ...home.env, ...env } }, ["run", "racing"]))
      started.push(...clients)
      await Promise.all(clients.map((client) => client.open()))
      return clients
    },
    async openVictim(when, rename) {
      const fault = fileURLToPath(new URL("fault.cjs", import.meta.url))
      const [victim] = await stage.open(1, { NODE_OPTIONS: `--require=${fault}`, POSTERN_TEST_FAULT: `${when} ${rename} ${armed}` })
      return victim as Client // one was asked for
    },
    arm: () => writeFile(armed, ""),
    callAll: (clients) => Promise.all(clients.map(callOnce)),
    async tell(endings) {
      const { families, reuses } = authorization.tokens
      return {
        answered: endings.filter((ending) => ending === "answered").length,
        refused: endings.filter((ending) => ending !== "answered" && ending !== "killed"),
        killed: endings.filter((ending) => ending === "killed").length,
        refreshRequests: authorization.exchanges("refresh_token").length - begun.refreshes,
        refreshes: families.reduce((sum, { rotations }) => sum + rotations, 0) - begun.refreshes,
        reuses,
        familiesLost: families.filter(({ ended }) => ended !== undefined).length,
        tabs: (await browser.opened()).length - begun.tabs,
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((client) => client[Symbol.asyncDispose]()))
      await browser[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
  return stage
}

async function callOnce(client: Client): Promise<Ending> {
  const answer = client.request("tools/call", { name: "whoami" })
  const said = await Promise.race([answer, client.exited.then(() => undefined)])
  if (said === undefined) return "killed"
  if (said.error) return said.error.data?.code ?? said.error.message
  return said.result?.["isError"] === true ? JSON.stringify(said.result["content"]) : "answered"
}

async function run(home: Home, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await home.postern(args)
  if (code !== 0) throw new Error(`postern ${args.join(" ")}: exit ${code}\n${stderr}`)
}
