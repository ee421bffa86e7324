/** A client that starts while the door is locked: it gets a session at once, and the real one when a person has signed in. */
import { expect, onTestFinished, test } from "vitest"
import { type LockedStartSettings, withLockedStart } from "../../src/bridge/locked-start.ts"
import { type MemoryStore, type Remembered, withMemory } from "../../src/bridge/memory.ts"
import { memoryOfPerson } from "../../src/bridge/sign-in/memory-of-person.ts"
import { systemClock } from "../../src/core/clock.ts"
import { silentLog } from "../../src/core/log.ts"
import { type TestBridge, startBridge } from "../harness/bridge.ts"
import type { Spoken } from "../harness/conversation.ts"
import { type McpServer, type SeenRequest, json, startMcpServer } from "../servers/mcp-server.ts"
import { modernMeta } from "../servers/modern-server.ts"
import { type SignInPage, startSignInPage } from "../servers/sign-in-page.ts"

interface Scene {
  readonly server: McpServer
  readonly page: SignInPage
  readonly opened: URL[]
  /** What is remembered of the server, as its file would hold it. */
  readonly kept: Map<string, string>
  /** Starts a bridge, as each start of a client does. */
  start(settings?: Partial<LockedStartSettings>): TestBridge
}

/** A store as `memoryFile` makes it, without the file. */
function storeIn(kept: Map<string, string>): MemoryStore {
  return {
    recall: async (): Promise<Remembered> => Object.fromEntries(kept),
    keep: (key, text) => void (text === undefined ? kept.delete(key) : kept.set(key, text)),
    written: () => Promise.resolve(),
  }
}

/** Who is signed in is looked up right behind an answer. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function makeScene(): Promise<Scene> {
  const server = await startMcpServer({ key: "k-1" })
  const page = await startSignInPage(() => "k-1")
  const opened: URL[] = []
  const kept = new Map<string, string>()
  onTestFinished(async () => {
    await page[Symbol.asyncDispose]()
    await server.close()
  })
  const { authenticator } = page
  const browser = {
    present: true,
    open: async (url: URL) => {
      opened.push(url)
      void fetch(url)
      return true
    },
  }
  return {
    server,
    page,
    opened,
    kept,
    start(settings = {}) {
      const bridge = startBridge(server.url, {
        authenticator,
        wrap: (side, tell, life) =>
          withLockedStart(side, {
            name: "linear",
            command: "postern auth linear",
            authenticator,
            memory: withMemory(side, { store: memoryOfPerson(storeIn(kept), authenticator), tell, log: silentLog }),
            mode: "ask",
            prompt: true,
            browser,
            tell,
            clean: (text) => text,
            clock: systemClock,
            log: silentLog,
            life,
            ...settings,
          }),
      })
      onTestFinished(() => bridge[Symbol.asyncDispose]())
      return bridge
    },
  }
}

const namesOf = ({ result }: Spoken, member: string): readonly string[] =>
  ((result?.[member] ?? []) as { name: string }[]).map(({ name }) => name)
const textOf = ({ result }: Spoken): unknown => (result?.["content"] as { text: string }[] | undefined)?.[0]?.text
const changes = (bridge: TestBridge): readonly string[] =>
  bridge.messages.flatMap(({ method }) => (method?.endsWith("/list_changed") ? [method.split("/")[1] ?? ""] : []))

test("a server that was never reached gets a session with the least there can be, and nobody is asked by itself", async () => {
  const scene = await makeScene()
  const bridge = scene.start()

  const opened = await bridge.open()
  const [tools, resources, ping] = [
    await bridge.request("tools/list"),
    await bridge.request("resources/list"),
    await bridge.request("ping"),
  ]

  expect(scene.server.seenOf("initialize").length).toBeGreaterThan(0) // it was refused
  expect(opened.result).toMatchObject({
    protocolVersion: "2025-11-25",
    capabilities: { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { listChanged: true } },
    serverInfo: { name: "linear" },
  })
  expect(namesOf(tools, "tools")).toEqual(["authenticate"])
  expect(resources.result).toEqual({ resources: [] })
  expect(ping.result).toEqual({})
  expect(scene.opened).toEqual([])
})

test("3.3: any call signs in after a locked start, and is answered; the real lists are told of", async () => {
  const scene = await makeScene()
  const bridge = scene.start()
  await bridge.open()
  await bridge.request("tools/list")

  const answer = await bridge.request("tools/call", { name: "echo", arguments: { text: "hello" } })

  expect(textOf(answer)).toBe("hello")
  expect(scene.opened).toHaveLength(1)
  await bridge.heard(({ method }) => method === "notifications/tools/list_changed")
  expect(namesOf(await bridge.request("tools/list"), "tools")).toEqual(["echo"])
  expect(changes(bridge)).toEqual(["tools", "prompts", "resources"]) // each once
  const initialize = scene.server.seenOf("initialize").at(-1)
  expect(initialize?.message?.params).toMatchObject({ clientInfo: { name: "test", version: "1" } }) // the client's own
  expect(scene.server.seenOf("notifications/initialized").some(({ headers }) => headers["mcp-session-id"])).toBe(true)
})

test("the tool authenticate signs in, and says as whom; it says so again when asked again", async () => {
  const scene = await makeScene()
  const bridge = scene.start()
  await bridge.open()
  await bridge.request("tools/list")

  const first = await bridge.request("tools/call", { name: "authenticate", arguments: {} })
  const again = await bridge.request("tools/call", { name: "authenticate", arguments: {} })

  expect(textOf(first)).toBe("Signed in to linear as alice. Its tools can be used now.")
  expect(textOf(again)).toBe(textOf(first))
  expect(scene.opened).toHaveLength(1)
  expect(scene.server.seenOf("tools/call")).toEqual([]) // the server never hears of it
})

test("3.3: the prompt auth is always offered, and signs in", async () => {
  const scene = await makeScene()
  scene.page.subject = "alice"
  const bridge = scene.start()

  const opened = await bridge.open()
  const prompts = await bridge.request("prompts/list")
  scene.page.subject = undefined
  const prompt = await bridge.request("prompts/get", { name: "auth" })

  expect(opened.result?.["capabilities"]).toEqual({ tools: { listChanged: true }, prompts: { listChanged: true } })
  expect(prompts.result).toEqual({
    prompts: [{ name: "auth", title: "Sign in to linear", description: "Sign in to linear, or see who is signed in" }],
  })
  expect(scene.opened).toHaveLength(1)
  expect(prompt.result?.["messages"]).toEqual([
    { role: "user", content: { type: "text", text: "I am signed in to linear as alice. Its tools can be used now." } },
  ])
})

test("the prompt asks although a sign-in was just declined: it is the person's own word", async () => {
  const scene = await makeScene()
  const bridge = scene.start()
  await bridge.open({ elicitation: {} })
  const declined = bridge.request("tools/call", { name: "echo", arguments: {} })
  const question = await bridge.heard(({ method }) => method === "elicitation/create")
  bridge.send({ id: question.id, result: { action: "decline" } })
  expect(textOf(await declined)).toContain("declined")

  const asked = bridge.request("prompts/get", { name: "auth" })
  const second = await bridge.heard(({ method, id }) => method === "elicitation/create" && id !== question.id)
  bridge.send({ id: second.id, result: { action: "accept", content: {} } })

  expect((await asked).result?.["messages"]).toHaveLength(1)
})

test("with the prompt left out a server that is open passes untouched", async () => {
  const scene = await makeScene()
  scene.page.subject = "alice"
  scene.server.handler = ({ message }, response) =>
    message?.method === "prompts/list" && json(response, { jsonrpc: "2.0", id: message.id, result: { prompts: [] } })
  const bridge = scene.start({ prompt: false })

  const opened = await bridge.open()

  expect(opened.result?.["capabilities"]).toEqual({ tools: {} })
  expect((await bridge.request("prompts/list")).result).toEqual({ prompts: [] })
})

test("the prompt stands on the first page, after the server's own, and the rest of the text stays as it came", async () => {
  const scene = await makeScene()
  scene.page.subject = "alice"
  const page = `{"prompts": [ {"name":"one","x":12345678901234567890} ], "nextCursor":"2", "ttlMs":9007199254740993}`
  scene.server.handler = answering({
    initialize: () =>
      `{"protocolVersion":"2025-11-25","capabilities":{"prompts":{"x":1},"experimental":{"n":12345678901234567890}},"serverInfo":{"name":"s","version":"1"}}`,
    "prompts/list": ({ body }) => (body.includes("cursor") ? `{"prompts":[{"name":"two"}]}` : page),
  })
  const bridge = scene.start()

  await bridge.open()
  await bridge.request("prompts/list")
  const second = await bridge.request("prompts/list", { cursor: "2" })

  expect(bridge.lines.find((line) => line.includes("serverInfo"))).toContain(
    `"capabilities":{"prompts":{"x":1,"listChanged":true},"experimental":{"n":12345678901234567890}}`,
  )
  expect(bridge.lines.find((line) => line.includes(`"one"`))).toContain(
    `[ {"name":"one","x":12345678901234567890},{"name":"auth","title":"Sign in to linear","description":"Sign in to linear, or see who is signed in"}], "nextCursor":"2", "ttlMs":9007199254740993`,
  )
  expect(namesOf(second, "prompts")).toEqual(["two"])
})

test("a prompt auth and a tool authenticate of the server's own are left to it", async () => {
  const scene = await makeScene()
  scene.page.subject = "alice"
  scene.server.handler = answering({
    initialize: () => `{"protocolVersion":"2025-11-25","capabilities":{"prompts":{},"tools":{}},"serverInfo":{"name":"s","version":"1"}}`,
    "prompts/list": () => `{"prompts":[{"name":"auth"}]}`,
    "tools/list": () => `{"tools":[{"name":"authenticate","inputSchema":{"type":"object"}}]}`,
    "prompts/get": () => `{"messages":[],"from":"the server"}`,
  })
  const bridge = scene.start()
  await bridge.open()

  const prompts = await bridge.request("prompts/list")
  const prompt = await bridge.request("prompts/get", { name: "auth" })
  await bridge.request("tools/list")
  await nextTurn()
  scene.server.handler = () => false
  scene.page.subject = undefined
  const tools = await bridge.request("tools/list")

  expect(namesOf(prompts, "prompts")).toEqual(["auth"])
  expect(prompt.result).toMatchObject({ from: "the server" })
  expect(tools.result).toBeUndefined() // nobody is signed in, so nothing is remembered for nobody
})

test("a tool authenticate that turns out to be the server's own once the door is open is left to it from then on", async () => {
  const scene = await makeScene()
  const bridge = scene.start()
  await bridge.open()
  const offered = await bridge.request("tools/list")
  await bridge.request("tools/call", { name: "echo", arguments: {} }) // signs in
  scene.server.handler = answering({
    "tools/list": () => `{"tools":[{"name":"authenticate","inputSchema":{"type":"object"}}]}`,
    "tools/call": () => `{"content":[],"from":"the server"}`,
  })

  const unseen = await bridge.request("tools/call", { name: "authenticate", arguments: {} })
  await bridge.request("tools/list")
  const seen = await bridge.request("tools/call", { name: "authenticate", arguments: {} })

  expect(namesOf(offered, "tools")).toEqual(["authenticate"])
  expect(textOf(unseen)).toContain("Signed in to linear as alice") // it was offered for that
  expect(seen.result).toMatchObject({ from: "the server" })
})

test("what is remembered stands in for whom it was shown to, and for nobody else", async () => {
  const scene = await makeScene()
  scene.page.subject = "alice"
  const first = scene.start()
  await first.open()
  await first.request("tools/list")
  await first.end()
  const locked = async (subject: string): Promise<readonly string[]> => {
    const bridge = scene.start()
    scene.page.subject = subject // the grant is there, and the server does not take it any more
    scene.server.key = "another"
    await bridge.open()
    const tools = await bridge.request("tools/list")
    await bridge.end()
    return namesOf(tools, "tools")
  }

  expect(await locked("alice")).toEqual(["echo", "authenticate"])
  expect(await locked("bob")).toEqual(["authenticate"])
})

test("a sign-in as somebody else tells that the lists have changed", async () => {
  const scene = await makeScene()
  scene.page.subject = "alice"
  const bridge = scene.start()
  await bridge.open()
  await bridge.request("tools/list")

  await nextTurn()
  scene.page.subject = undefined
  await bridge.request("tools/call", { name: "echo", arguments: { text: "as alice" } })
  expect(changes(bridge)).toEqual([])
  scene.page.subject = undefined
  scene.page.next = "bob"
  await bridge.request("tools/call", { name: "echo", arguments: { text: "as bob" } })

  await bridge.heard(({ method }) => method === "notifications/tools/list_changed")
  expect(changes(bridge)).toEqual(["tools", "prompts"])
  expect(scene.kept.get("tools/list")).toBeDefined()
})

test("eager opens the browser at the start, and never opens none", async () => {
  const eager = await makeScene()
  const bridge = eager.start({ mode: "eager" })
  await bridge.open()
  await bridge.heard(({ method }) => method === "notifications/tools/list_changed")
  expect(eager.opened).toHaveLength(1)
  expect(namesOf(await bridge.request("tools/list"), "tools")).toEqual(["echo"])

  const never = await makeScene()
  const quiet = never.start({ mode: "never" })
  await quiet.open()
  await quiet.request("tools/list")
  const answer = await quiet.request("tools/call", { name: "authenticate", arguments: {} })
  expect(textOf(answer)).toContain("Next: postern auth test")
  expect(never.opened).toEqual([])
})

test("a door that was opened elsewhere is noticed at the next call, without a question", async () => {
  const scene = await makeScene()
  const bridge = scene.start()
  await bridge.open()
  await bridge.request("tools/list")
  scene.page.subject = "alice" // `postern auth linear`, in a terminal

  const answer = await bridge.request("tools/call", { name: "authenticate", arguments: {} })

  expect(textOf(answer)).toContain("as alice")
  expect(scene.opened).toEqual([])
  await bridge.heard(({ method }) => method === "notifications/tools/list_changed")
})

test("a modern client's probe of a locked server is answered so that it falls back", async () => {
  const scene = await makeScene()
  const bridge = scene.start()

  const answer = await bridge.request("server/discover", { _meta: modernMeta() })

  expect(answer.error?.code).toBe(-32601)
  expect((await bridge.open()).result).toBeDefined()
})

test("in mid-session a list that nothing stands in for is an error: an empty one would take the tools away", async () => {
  const scene = await makeScene()
  scene.page.subject = "alice"
  const bridge = scene.start({ memory: undefined })
  await bridge.open()
  scene.page.subject = undefined

  expect((await bridge.request("tools/list")).error?.data?.code).toBe("not-signed-in")
})

/** Answers some methods with a result of its own, whoever asks; the rest as usual. */
function answering(results: Readonly<Record<string, (request: SeenRequest) => string>>): McpServer["handler"] {
  return (request, response) => {
    const result = results[request.message?.method ?? ""]?.(request)
    if (result === undefined) return false
    response.writeHead(200, { "content-type": "application/json" })
    response.end(`{"jsonrpc":"2.0","id":${JSON.stringify(request.message?.id)},"result":${result}}`)
    return true
  }
}

test.each([null, { capabilities: null }])("an opening of a server that says %o of itself passes as it is", async (result) => {
  const scene = await makeScene()
  scene.server.handler = ({ message }, response) =>
    message?.method === "initialize" && json(response, { jsonrpc: "2.0", id: message.id, result })
  const bridge = scene.start()

  expect((await bridge.request("initialize", {})).result).toEqual(result)
})
