/**
 * A client and a server of revision 2026-07-28 that are not ours, both by the official SDK, with the built `postern` between them; and
 * what happens where one of the two speaks an earlier era only.
 */
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test, vi } from "vitest"
import { type Answers, type ForeignClient, type LocalServer, connectForeignClient, modernSdk, sdks } from "../harness/foreign-client.ts"
import { startEverything } from "../servers/everything.ts"
import { type SdkServer, sdkServerProgram, startSdkServer } from "../servers/sdk-server.ts"

const postern = fileURLToPath(new URL("../../dist/bin/postern.js", import.meta.url))

interface Bridge extends AsyncDisposable {
  readonly home: string
  readonly command: LocalServer
}

/** A home with one server in a file, and how to start the bridge to it. */
async function bridgeTo(entry: Record<string, unknown>): Promise<Bridge> {
  const home = await mkdtemp(join(tmpdir(), "postern-modern-"))
  const file = join(home, "servers.json")
  await writeFile(file, JSON.stringify({ mcpServers: { modern: entry } }))
  const command = {
    command: process.execPath,
    args: [postern, "run", "modern", "--config", file],
    env: { PATH: process.env["PATH"] ?? "", HOME: home, POSTERN_HOME: home },
  }
  return { home, command, [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true, maxRetries: 5 }) }
}

interface Session extends AsyncDisposable {
  readonly client: ForeignClient
  readonly server: SdkServer
  readonly home: string
}

async function openSession(answers?: Answers): Promise<Session> {
  const server = await startSdkServer()
  const bridge = await bridgeTo({ type: "http", url: server.url })
  const client = await connectForeignClient(modernSdk, bridge.command, answers)
  return {
    client,
    server,
    home: bridge.home,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      await bridge[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

const textOf = (result: Awaited<ReturnType<ForeignClient["call"]>>): string => result.content.map(({ text }) => text ?? "").join("\n")

test("tools, resources and prompts pass, and every request names its revision and method", async () => {
  await using session = await openSession()
  const { client, server } = session

  const { tools } = await client.listTools()
  const echo = await client.call("echo", { message: "hello" })
  const read = await client.readResource({ uri: "note://one" })
  const prompt = await client.getPrompt({ name: "greet" })

  expect(client.getProtocolEra?.()).toBe("modern")
  expect(tools.map(({ name }) => name)).toContain("echo")
  expect(textOf(echo)).toBe("Echo: hello")
  expect(read.contents[0]?.text).toBe("a note")
  expect(prompt.messages).toHaveLength(1)
  await vi.waitFor(() => expect(server.seen.map(({ rpc }) => rpc)).toContain("prompts/get"))
  expect(server.seen.every(({ http, revision, rpc }) => http === "POST" && revision === "2026-07-28" && rpc !== undefined)).toBe(true)
})

test("an annotated parameter reaches a server that compares headers with the body, with no list asked for by the client (S11)", async () => {
  await using session = await openSession()

  const result = await session.client.call("query", { region: "Åland " })

  expect(textOf(result)).toBe("asked in Åland ")
  await vi.waitFor(() => expect(session.server.seen).toContainEqual(expect.objectContaining({ rpc: "tools/call", status: 200 })))
})

test("progress arrives on the stream of its call", async () => {
  await using session = await openSession()
  const steps: number[] = []

  const result = await session.client.call("count", {}, { onprogress: ({ progress }) => steps.push(progress) })

  expect(steps.slice(0, 2)).toEqual([1, 2]) // the last comes with the result, and then the SDK may not tell it
  expect(textOf(result)).toBe("counted")
})

test.each([
  ["sample", "sampling/createMessage", { role: "assistant", model: "a-model", content: { type: "text", text: "forty-two" } }, "forty-two"],
  ["elicit", "elicitation/create", { action: "accept", content: { name: "Ada" } }, "Ada"],
  ["roots", "roots/list", { roots: [{ uri: "file:///srv/work" }] }, "file:///srv/work"],
])(
  "what the server asks in a result of %s is answered by the client, and the call comes again (MRTR)",
  async (tool, method, answer, told) => {
    await using session = await openSession({ [method]: answer })

    const result = await session.client.call(tool)

    expect(textOf(result)).toContain(told)
    await vi.waitFor(() => expect(session.server.seen.filter(({ rpc }) => rpc === "tools/call")).toHaveLength(2))
  },
)

test("a call that the client gives up ends at the server, by its stream alone (S16)", async () => {
  await using session = await openSession()
  const giveUp = new AbortController()

  const call = session.client.call("wait", {}, { signal: giveUp.signal, onprogress: () => giveUp.abort() })

  await expect(call).rejects.toThrow()
  await vi.waitFor(() => expect(session.server.said()).toContain("a call was cancelled"), 5000)
  expect(session.server.seen.map(({ rpc }) => rpc)).not.toContain("notifications/cancelled")
  expect(textOf(await session.client.call("echo", { message: "still here" }))).toBe("Echo: still here")
})

test("a changed list is told on the subscription (S18)", async () => {
  await using session = await openSession()
  const subscription = await session.client.listen?.({ toolsListChanged: true })

  await session.client.call("change")
  await session.client.sawNotification("notifications/tools/list_changed")
  await subscription?.close()

  await vi.waitFor(() => expect(session.server.seen.map(({ rpc }) => rpc)).toContain("subscriptions/listen"), 5000) // its stream is over
})

test("a local server of that revision is reached with the client's own lines (S23)", async () => {
  await using bridge = await bridgeTo({ command: process.execPath, args: [sdkServerProgram, "stdio"] })
  await using client = await connectForeignClient(modernSdk, bridge.command)

  const subscription = await client.listen?.({ toolsListChanged: true })
  await client.call("change")
  await client.sawNotification("notifications/tools/list_changed")
  await subscription?.close()

  expect(client.getProtocolEra?.()).toBe("modern")
  expect(textOf(await client.call("echo", { message: "local" }))).toBe("Echo: local")
})

test("before a server of an earlier era the same client falls back by itself, and the next start asks nothing (S24, S27)", async () => {
  const token = "secret-token-123"
  await using server = await startEverything(token)
  await using bridge = await bridgeTo({ type: "http", url: server.url, headers: { Authorization: `Bearer ${token}` } })
  const connect = async (): Promise<string | undefined> => {
    await using client = await connectForeignClient(modernSdk, bridge.command)
    expect(textOf(await client.call("echo", { message: "hello" }))).toBe("Echo: hello")
    return client.getProtocolEra?.()
  }

  const eras = [await connect(), await connect()]

  expect(eras).toEqual(["legacy", "legacy"])
  expect(server.seen.filter(({ rpc }) => rpc === "server/discover")).toHaveLength(1)
  const file = (await readdir(join(bridge.home, "memory"))).find((name) => name.endsWith(".json"))
  expect(JSON.parse(await readFile(join(bridge.home, "memory", file ?? ""), "utf8"))).toMatchObject({
    era: expect.stringMatching(/^\{"era":"legacy","seen":"20/),
  })
})

test.for(sdks)("$title, which opens with initialize, is told what the server speaks (S29)", async (sdk) => {
  await using server = await startSdkServer()
  await using bridge = await bridgeTo({ type: "http", url: server.url })

  const connecting = connectForeignClient(sdk, bridge.command)

  await expect(connecting).rejects.toThrow(/speaks only 2026-07-28/)
})

test("a server of both eras serves both clients, and neither costs a question", async () => {
  await using server = await startSdkServer("stateless")
  await using bridge = await bridgeTo({ type: "http", url: server.url })
  const eras: unknown[] = []
  for (const sdk of [modernSdk, ...sdks]) {
    await using client = await connectForeignClient(sdk, bridge.command)
    expect(textOf(await client.call("echo", { message: sdk.title }))).toBe(`Echo: ${sdk.title}`)
    eras.push(client.getProtocolEra?.())
  }

  expect(eras).toEqual(["modern", undefined, "legacy"])
  expect(server.seen.filter(({ rpc }) => rpc === "server/discover")).toHaveLength(1)
})
