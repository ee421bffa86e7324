/** A person who has signed in once, a client of theirs that runs, and a grant that can be taken away. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { type BrowserPerson, type Manners, makeBrowser } from "../../harness/browser.ts"
import { type Client, startClient } from "../../harness/client.ts"
import { type Answers, type ClientTraits, type ForeignClient, type Sdk, connectForeignClient } from "../../harness/foreign-client.ts"
import { type Person, makePerson } from "../../harness/postern.ts"
import { type SeenRequest, json } from "../../servers/mcp-server.ts"
import { startModernServer } from "../../servers/modern-server.ts"
import { type StrictPair, startProtectedServer } from "../../servers/protected-server.ts"
import { type StrictAuthorizationServer, startStrictAuthorizationServer } from "../../servers/strict-authorization-server.ts"

const BINARY = fileURLToPath(new URL("../../../dist/bin/postern.js", import.meta.url))

export interface Scene extends AsyncDisposable {
  readonly person: Person
  /** The browser that the person's desktop has, and the one that a client opens a link in. */
  readonly browser: BrowserPerson
  /** Signs in by the command. */
  signIn(): Promise<void>
  /** Takes every grant away: no token and no refresh works any more. */
  revoke(): void
  /** Starts `postern run linear`, and plays the client. */
  start(options?: BridgeOptions): Client
  /** Starts an official SDK's client with it. */
  connect(sdk: Sdk, options?: BridgeOptions & { readonly answers?: Answers; readonly traits?: ClientTraits }): Promise<ForeignClient>
  /** Opens a link as a client's own browser does. */
  follow(url: string): Promise<void>
}

export interface BridgeOptions {
  /** Whether the desktop has a browser; it has, unless said. */
  readonly browser?: boolean
  /** More words after `run linear`. */
  readonly args?: readonly string[]
}

/** @param manners - of the person before the browser, who is asked for consent where `pages` says so */
export async function makeSignInScene({ pages = false, ...manners }: Manners & { readonly pages?: boolean } = {}): Promise<
  Scene & { readonly server: StrictPair }
> {
  const server = await startProtectedServer({ strict: { pages } })
  return Object.assign(await makeScene(server, manners), { server })
}

/** The same with a server of revision 2026-07-28. */
export async function makeModernScene(): Promise<Scene & { seen(): readonly SeenRequest[] }> {
  const authorization = await startStrictAuthorizationServer()
  const server = await startModernServer()
  const metadataUrl = `${server.origin}/.well-known/oauth-protected-resource/mcp`
  server.handler = async ({ path, headers }, response) => {
    if (path === new URL(metadataUrl).pathname)
      return json(response, { resource: server.url, authorization_servers: [authorization.issuer] })
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1]
    if (token !== undefined && (await authorization.lookUp(token))) return false
    return json(response, {}, 401, { "www-authenticate": `Bearer resource_metadata="${metadataUrl}"` })
  }
  const dispose = async (): Promise<void> => {
    await server[Symbol.asyncDispose]()
    await authorization[Symbol.asyncDispose]()
  }
  const scene = await makeScene({ url: server.url, authorization, [Symbol.asyncDispose]: dispose }, {})
  return Object.assign(scene, { seen: () => server.seen })
}

interface Protected extends AsyncDisposable {
  readonly url: string
  readonly authorization: StrictAuthorizationServer
}

async function makeScene(server: Protected, manners: Manners): Promise<Scene> {
  const browser = await makeBrowser(manners)
  const person = await makePerson()
  await person.added(["add", "linear", server.url])
  const environment = ({ browser: hasBrowser = true }: BridgeOptions): NodeJS.ProcessEnv => ({
    ...person.env,
    ...(hasBrowser ? browser.env : {}),
  })

  return {
    browser,
    person,
    async signIn() {
      const { code, stderr } = await person.postern(["auth", "linear"], { env: browser.env })
      if (code !== 0) throw new Error(stderr)
    },
    revoke() {
      for (const family of server.authorization.tokens.families) family.ended = "revoked"
    },
    start: (options = {}) => startClient({ env: environment(options), path: person.home }, ["run", "linear", ...(options.args ?? [])]),
    connect(sdk, { answers, traits, ...options } = {}) {
      const env = Object.entries(environment(options)).filter((entry): entry is [string, string] => entry[1] !== undefined)
      const args = [BINARY, "run", "linear", ...(options.args ?? [])]
      return connectForeignClient(sdk, { command: process.execPath, args, env: Object.fromEntries(env) }, answers, traits)
    },
    async follow(url) {
      await once(spawn(browser.env.BROWSER, [url], { stdio: "ignore" }), "close")
    },
    async [Symbol.asyncDispose]() {
      await person[Symbol.asyncDispose]()
      await browser[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

export const textOf = ({ content }: { readonly content: readonly { readonly text?: string }[] }): string | undefined => content[0]?.text
