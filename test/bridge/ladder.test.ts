/** A call that meets the locked door: how each kind of client's person is asked, and that the same call is answered. */
import { expect, onTestFinished, test } from "vitest"
import { type LadderSettings, withLadder } from "../../src/bridge/ladder.ts"
import type { Browser } from "../../src/core/browser.ts"
import { systemClock } from "../../src/core/clock.ts"
import { silentLog } from "../../src/core/log.ts"
import { type TestBridge, startBridge } from "../harness/bridge.ts"
import type { Spoken } from "../harness/conversation.ts"
import { type McpServer, json, startMcpServer } from "../servers/mcp-server.ts"
import { modernMeta, startModernServer } from "../servers/modern-server.ts"
import { type SignInPage, startSignInPage } from "../servers/sign-in-page.ts"

const URL_CLIENT = { elicitation: { url: {} } }
const FORM_CLIENT = { elicitation: {} }

type LockedServer = Pick<McpServer, "url" | "seen" | "seenOf" | "handler"> & AsyncDisposable

interface Scene {
  readonly server: LockedServer
  readonly page: SignInPage
  readonly bridge: TestBridge
  /** What the browser was given. */
  readonly opened: URL[]
}

interface Stage extends Partial<LadderSettings> {
  /** `visits`: a person signs in there; `idle`: it opens, and nobody looks; `none`: there is no browser. */
  readonly person?: "visits" | "idle" | "none"
  readonly startServer?: () => Promise<LockedServer>
}

/** A server that wants a sign-in, and a bridge whose ladder leads to it. */
async function makeScene({
  person = "visits",
  startServer = () => startMcpServer({ key: "k-1" }),
  ...settings
}: Stage = {}): Promise<Scene> {
  const server = await startServer()
  const page = await startSignInPage(() => "k-1")
  const opened: URL[] = []
  const browser: Browser = {
    present: person !== "none",
    open: async (url) => {
      opened.push(url)
      if (person === "visits") void fetch(url)
      return true
    },
  }
  const bridge = startBridge(server.url, {
    authenticator: page.authenticator,
    wrap: (side, tell, life) =>
      withLadder(side, {
        name: "test",
        command: "postern auth test",
        authenticator: page.authenticator,
        mode: "ask",
        browser,
        tell,
        clean: (text) => text,
        onSignedIn: async () => undefined,
        onTaken: async () => undefined,
        clock: systemClock,
        log: silentLog,
        life,
        ...settings,
      }),
  })
  onTestFinished(async () => {
    await bridge[Symbol.asyncDispose]()
    await page[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  return { server, page, bridge, opened }
}

/** A session that was opened as one should, and whose proof has died since. */
async function midSession(scene: Scene, capabilities: Record<string, unknown> = {}): Promise<Scene> {
  scene.page.subject = "alice"
  await scene.bridge.open(capabilities)
  scene.page.subject = undefined
  return scene
}

const echo = (text: string, more: Record<string, unknown> = {}) => ({ name: "echo", arguments: { text }, ...more })
const isQuestion = ({ method }: Spoken): boolean => method === "elicitation/create"
const textOf = ({ result }: Spoken): unknown => (result?.["content"] as { text: string }[] | undefined)?.[0]?.text
const calls = (server: LockedServer, text: string): number => server.seenOf("tools/call").filter(({ body }) => body.includes(text)).length

const modern = (capabilities: Record<string, unknown> = {}) => ({
  _meta: modernMeta({ "io.modelcontextprotocol/clientCapabilities": capabilities }),
})

/** A server of the modern era, where each request stands alone. */
async function makeModernScene(settings: Stage = {}): Promise<Scene> {
  return makeScene({ ...settings, startServer: startLockedModernServer })
}

async function startLockedModernServer(): Promise<LockedServer> {
  const server = await startModernServer()
  server.handler = ({ headers }, response) => headers.authorization !== "Bearer k-1" && json(response, {}, 401)
  return server
}

test("3.3: a client that can show a link is asked to, and the same call is answered after the sign-in", async () => {
  const { server, page, bridge, opened } = await midSession(await makeScene(), URL_CLIENT)

  const call = bridge.request("tools/call", echo("hello"), 41)
  const question = await bridge.heard(isQuestion)
  bridge.send({ id: question.id, result: { action: "accept" } })
  await fetch(String(question.params?.["url"]))

  expect(textOf(await call)).toBe("hello")
  expect(question.params).toMatchObject({ mode: "url", url: page.links[0]?.href, message: "Sign in to test (issuer 127.0.0.1)" })
  expect(opened).toEqual([])
  const complete = await bridge.heard(({ method }) => method === "notifications/elicitation/complete")
  expect(complete.params).toEqual({ elicitationId: question.params?.["elicitationId"] })
  expect(server.seen.filter(({ body }) => body.includes(String(question.id)))).toEqual([]) // the client's answer is ours
  expect(calls(server, "hello")).toBe(2) // refused once, answered once
})

test("3.3: a client that knows forms only is asked whether the browser may be opened", async () => {
  const { page, bridge, opened } = await midSession(await makeScene(), FORM_CLIENT)

  const call = bridge.request("tools/call", echo("hello"))
  const question = await bridge.heard(isQuestion)
  expect(opened).toEqual([]) // not before the answer
  bridge.send({ id: question.id, result: { action: "accept", content: {} } })

  expect(textOf(await call)).toBe("hello")
  expect(question.params).toEqual({ message: "Sign in to test in the browser?", requestedSchema: { type: "object", properties: {} } })
  expect(opened).toEqual(page.links)
})

test("3.3: for a client that cannot be asked the browser is opened, and progress keeps the call alive", async () => {
  const { page, bridge, opened } = await midSession(await makeScene())

  const answer = await bridge.request("tools/call", echo("hello", { _meta: { progressToken: "p-1" } }))

  expect(textOf(answer)).toBe("hello")
  expect(opened).toEqual(page.links)
  const progress = bridge.messages.find(({ method }) => method === "notifications/progress")
  expect(progress?.params).toMatchObject({ progressToken: "p-1", message: "Waiting for the sign-in to test" })
})

test("without a browser the call is answered with a link and the command; once somebody has followed it, calls go on", async () => {
  const { page, bridge } = await midSession(await makeScene({ person: "none", followedMs: 50 }), FORM_CLIENT)

  const first = await bridge.request("tools/call", echo("one"))
  const again = await bridge.request("tools/call", echo("two"))
  const prompt = await bridge.request("prompts/get", { name: "x" })
  await fetch(page.links[0] ?? "")

  expect(first.result?.["isError"]).toBe(true)
  expect(textOf(first)).toContain(`open ${page.links[0]?.href} in a browser`)
  expect(textOf(first)).toContain("postern auth test")
  expect(textOf(again)).toBe(textOf(first)) // the same link
  expect(page.links).toHaveLength(1)
  expect(prompt.error?.message).toContain(page.links[0]?.href)
  expect(prompt.error?.data).toMatchObject({ code: "not-signed-in", next: "postern auth test" })
  expect(bridge.messages.filter(isQuestion)).toEqual([])
  expect(textOf(await bridge.request("tools/call", echo("three")))).toBe("three")
})

test("a call that comes while the person follows the link that was told is answered, and not told it again", async () => {
  const { page, bridge } = await midSession(await makeScene({ person: "none", followedMs: 60_000 }))

  const told = await bridge.request("tools/call", echo("one"))
  const second = bridge.request("tools/call", echo("two"))
  await bridge.request("ping") // the second call has met the door, and waits
  await fetch(page.links[0] ?? "")

  expect(told.result?.["isError"]).toBe(true)
  expect(textOf(await second)).toBe("two")
})

test("3.3: a modern client is asked in the result of its call, and the repeated call waits for the sign-in", async () => {
  const { server, page, bridge, opened } = await makeModernScene()
  const meta = modern(URL_CLIENT)

  const asked = await bridge.request("tools/call", echo("hello", meta), 4)
  const { inputRequests, requestState } = asked.result as {
    inputRequests: Record<string, { params: { url: string } }>
    requestState: string
  }
  const inputResponses = { "postern.signin": { action: "accept" } }
  const repeated = bridge.request("tools/call", echo("hello", { ...meta, inputResponses, requestState }), 5)
  await fetch(inputRequests["postern.signin"]?.params.url ?? "")

  expect(textOf(await repeated)).toBe("hello")
  expect(asked.result?.["resultType"]).toBe("input_required")
  expect(inputRequests).toEqual({
    "postern.signin": {
      method: "elicitation/create",
      params: { mode: "url", url: page.links[0]?.href, message: "Sign in to test (issuer 127.0.0.1)" },
    },
  })
  expect(page.links).toHaveLength(1)
  expect(opened).toEqual([])
  expect(bridge.messages.filter(({ method }) => method !== undefined)).toEqual([]) // no request, no notice: there are none in this era
  for (const { body } of server.seen) expect(body).not.toMatch(/postern.signin|postern-state/)
})

test("a modern client that knows forms only agrees first, and then the browser is opened", async () => {
  const { bridge, opened } = await makeModernScene()
  const meta = modern(FORM_CLIENT)

  const asked = await bridge.request("tools/call", echo("hello", meta))
  expect(opened).toEqual([])
  const { requestState } = asked.result as { requestState: string }
  const inputResponses = { "postern.signin": { action: "accept", content: {} } }
  const repeated = await bridge.request("tools/call", echo("hello", { ...meta, inputResponses, requestState }))

  expect(asked.result?.["inputRequests"]).toMatchObject({ "postern.signin": { params: { message: "Sign in to test in the browser?" } } })
  expect(textOf(repeated)).toBe("hello")
  expect(opened).toHaveLength(1)
})

test("what the server was to be answered travels inside of our state, and is put back", async () => {
  const { server, page, bridge } = await makeModernScene()
  const theirs = {
    inputResponses: { confirm: { action: "accept", content: { n: 12345678901234567890n.toString() } } },
    requestState: "theirs",
  }
  const meta = modern(URL_CLIENT)

  const asked = await bridge.request("tools/call", echo("hello", { ...meta, ...theirs }))
  await fetch(page.links[0] ?? "")
  const { requestState } = asked.result as { requestState: string }
  await bridge.request("tools/call", echo("hello", { ...meta, inputResponses: { "postern.signin": { action: "accept" } }, requestState }))

  const [refused, taken] = server.seenOf("tools/call").map(({ body }) => JSON.parse(body) as { params: Record<string, unknown> })
  expect(taken?.params).toEqual(refused?.params)
  expect(taken?.params).toMatchObject(theirs)
})

test.each([
  ["of another request", (state: string) => ({ state, text: "other" }), /another request/],
  [
    "that was changed",
    (state: string) => ({ state: `${state.slice(0, 20)}A${state.slice(21)}`, text: "hello" }),
    /not made by this bridge/,
  ],
  ["without its seal", (state: string) => ({ state: state.split(".")[0] ?? "", text: "hello" }), /not made by this bridge/],
])("a state %s is refused, and nothing is sent", async (_, forge, why) => {
  const { server, bridge } = await makeModernScene()
  const meta = modern(URL_CLIENT)
  const asked = await bridge.request("tools/call", echo("hello", meta))
  const { state, text } = forge((asked.result as { requestState: string }).requestState)
  const sent = server.seenOf("tools/call").length

  const answer = await bridge.request("tools/call", echo(text, { ...meta, inputResponses: {}, requestState: state }))

  expect(answer.error?.data?.code).toBe("request-state-invalid")
  expect(answer.error?.message).toMatch(why)
  expect(server.seenOf("tools/call")).toHaveLength(sent)
})

test("many calls that meet the locked door share one sign-in, and each is answered", async () => {
  const { page, bridge, opened } = await midSession(await makeScene())

  const answers = await Promise.all(Array.from({ length: 25 }, (_, index) => bridge.request("tools/call", echo(`call ${index}`))))

  expect(answers.map(textOf)).toEqual(Array.from({ length: 25 }, (_, index) => `call ${index}`))
  expect(opened).toHaveLength(1)
  expect(page.links).toHaveLength(1)
})

test.each(["decline", "cancel"])(
  "an answer of %s ends the calls that wait, asks nobody for a while, and the session lives on",
  async (action) => {
    const { page, bridge, opened } = await midSession(await makeScene(), FORM_CLIENT)

    const waiting = [bridge.request("tools/call", echo("one")), bridge.request("tools/call", echo("two"))]
    const question = await bridge.heard(isQuestion)
    bridge.send({ id: question.id, result: { action } })
    const ended = await Promise.all(waiting)
    const later = await bridge.request("tools/call", echo("three"))

    expect(textOf(ended[0] ?? { jsonrpc: "" })).toContain('Not signed in to "test": the sign-in was declined')
    expect(textOf(ended[1] ?? { jsonrpc: "" })).toContain("declined")
    expect(textOf(later)).toContain("is not asked for now (it was declined a short while ago)")
    expect(later.result?.["isError"]).toBe(true)
    expect(bridge.messages.filter(isQuestion)).toHaveLength(1)
    expect(opened).toEqual([])
    page.subject = "alice" // by `postern auth`, say
    expect(textOf(await bridge.request("tools/call", echo("four")))).toBe("four")
  },
)

test("a modern client's no is heeded too", async () => {
  const { bridge, page } = await makeModernScene()
  const meta = modern(URL_CLIENT)
  const asked = await bridge.request("tools/call", echo("hello", meta))
  const { requestState } = asked.result as { requestState: string }

  const answer = await bridge.request(
    "tools/call",
    echo("hello", { ...meta, inputResponses: { "postern.signin": { action: "decline" } }, requestState }),
  )
  const later = await bridge.request("tools/call", echo("hello", meta))

  expect(textOf(answer)).toContain("the sign-in was declined")
  expect(later.result?.["isError"]).toBe(true)
  expect(page.links).toHaveLength(1)
})

test("a modern client that knows forms only is not asked again within the quiet time after a no", async () => {
  const { bridge, opened } = await makeModernScene()
  const meta = modern(FORM_CLIENT)
  const asked = await bridge.request("tools/call", echo("hello", meta))
  const { requestState } = asked.result as { requestState: string }

  const inputResponses = { "postern.signin": { action: "decline" } }
  const answer = await bridge.request("tools/call", echo("hello", { ...meta, inputResponses, requestState }))
  const later = await bridge.request("tools/call", echo("hello", meta))

  expect(textOf(answer)).toContain("the sign-in was declined") // the trap was reached
  expect(textOf(later)).toContain("is not asked for now (it was declined a short while ago)")
  expect(opened).toEqual([])
})

test("a person who does not finish in time ends the wait, and the session lives on", async () => {
  const { page, bridge, opened } = await midSession(await makeScene({ person: "idle", limitMs: 300 }))

  const answer = await bridge.request("tools/call", echo("hello"))

  expect(opened).toHaveLength(1)
  expect(textOf(answer)).toContain('The sign-in to "test" was not finished within')
  page.subject = "alice"
  expect(textOf(await bridge.request("tools/call", echo("again")))).toBe("again")
})

test("a call that the client cancels ends its wait without an answer, and a question that nobody waits for is taken back", async () => {
  const { server, page, bridge } = await midSession(await makeScene(), URL_CLIENT)

  bridge.send({ id: 41, method: "tools/call", params: echo("hello") })
  const question = await bridge.heard(isQuestion)
  bridge.send({ method: "notifications/cancelled", params: { requestId: 41 } })
  const taken = await bridge.heard(({ method }) => method === "notifications/cancelled")
  page.subject = "alice"
  await bridge.request("tools/call", echo("next"))

  expect(taken.params).toMatchObject({ requestId: question.id })
  expect(bridge.messages.filter(({ id }) => id === 41)).toEqual([])
  expect(server.seenOf("notifications/cancelled")).toEqual([]) // it did not run there
})

test("a server that is never content opens two tabs and no more", async () => {
  const { server, bridge, opened } = await midSession(await makeScene())
  server.handler = ({ message }, response) => message?.method === "tools/call" && json(response, {}, 401)

  const answers: Spoken[] = []
  for (let index = 0; index < 5; index++) answers.push(await bridge.request("tools/call", echo("hello")))

  expect(opened).toHaveLength(2)
  expect(answers.map((answer) => answer.result?.["isError"])).toEqual([true, true, true, true, true])
  expect(textOf(answers[4] ?? { jsonrpc: "" })).toContain("2 sign-ins in a row came to nothing")
})

test("a request that the server takes makes room for two more sign-ins", async () => {
  const { page, bridge, opened } = await midSession(await makeScene())

  for (let index = 0; index < 4; index++) {
    page.subject = undefined
    expect(textOf(await bridge.request("tools/call", echo("hello")))).toBe("hello")
  }

  expect(opened).toHaveLength(4)
})

test("a sign-in that cannot even begin tells why, opens nothing, and holds no brake", async () => {
  const { page, bridge, opened } = await midSession(await makeScene())
  page.before = () => Promise.reject(new Error("the authorization server is down"))

  for (let index = 0; index < 3; index++) {
    const answer = await bridge.request("tools/call", echo("hello"))
    expect(textOf(answer)).toContain("the authorization server is down")
  }

  expect(opened).toEqual([])
  page.before = () => Promise.resolve()
  expect(textOf(await bridge.request("tools/call", echo("hello")))).toBe("hello")
})

test("lists do not climb: the client gets the reason, and nobody is asked", async () => {
  const { bridge, opened } = await midSession(await makeScene(), URL_CLIENT)

  const answer = await bridge.request("tools/list")

  expect(answer.error?.data).toMatchObject({ code: "not-signed-in", next: "postern auth test" })
  expect(bridge.messages.filter(isQuestion)).toEqual([])
  expect(opened).toEqual([])
})

test("with --sign-in never the command is all that is told", async () => {
  const { page, bridge, opened } = await midSession(await makeScene({ mode: "never" }), URL_CLIENT)

  const answer = await bridge.request("tools/call", echo("hello"))

  expect(textOf(answer)).toMatch(/^Nobody is signed in \(HTTP 401; .*\)\. Next: postern auth test$/)
  expect(page.links).toEqual([])
  expect(opened).toEqual([])
})

test("a client that errs about a question it declared falls to the browser", async () => {
  const { bridge, opened } = await midSession(await makeScene(), URL_CLIENT)

  const call = bridge.request("tools/call", echo("hello"))
  const question = await bridge.heard(isQuestion)
  bridge.send({ id: question.id, error: { code: -32601, message: "no such method" } })

  expect(textOf(await call)).toBe("hello")
  expect(opened).toHaveLength(1)
})

test("a bridge that is told to end answers what waits for a person, once", async () => {
  const { bridge, opened } = await midSession(await makeScene({ person: "idle" }))
  bridge.send({ id: 41, method: "tools/call", params: echo("hello") })
  await expect.poll(() => opened.length).toBe(1)

  bridge.abort()
  await bridge.ended

  const answers = bridge.messages.filter(({ id }) => id === 41)
  expect(answers).toHaveLength(1)
  expect(answers[0]?.error?.data?.code).toBe("bridge-stopping")
})
