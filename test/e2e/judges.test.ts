/**
 * Clients and a server that are not ours, with the built `postern` between them: what they do with each other directly,
 * they must be able to do through the bridge.
 */
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, test, vi } from "vitest"
import { connectForeignClient, sdks, type Answers, type ForeignClient, type LocalServer, type Sdk } from "../harness/foreign-client.ts"
import { inspector, node22 } from "../harness/judges.ts"
import { startEverything, type EverythingServer } from "../servers/everything.ts"

const run = promisify(execFile)
const postern = fileURLToPath(new URL("../../dist/bin/postern.js", import.meta.url))
const token = "secret-token-123"

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "postern-judges-"))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) }
}

/** Adds the server with its token in clear, as the guide types it. */
async function addServer(home: string, url: string): Promise<void> {
  const words = ["add", "everything", "--transport", "http", "--header", `Authorization: Bearer ${token}`, url]
  await run(process.execPath, [postern, ...words], { env: { ...process.env, POSTERN_HOME: home } })
}

const bridgeTo = (home: string, ...options: readonly string[]): LocalServer => ({
  command: process.execPath,
  args: [postern, "run", "everything", ...options],
  env: { PATH: process.env["PATH"] ?? "", HOME: home, POSTERN_HOME: home },
})

type Session = AsyncDisposable & { readonly client: ForeignClient; readonly server: EverythingServer }

/** A guarded server, Postern with its token in the vault, and a foreign client that reaches it through the bridge. */
async function openSession(sdk: Sdk, answers?: Answers): Promise<Session> {
  const opened: AsyncDisposable[] = []
  const open = <Part extends AsyncDisposable>(part: Part): Part => (opened.unshift(part), part)
  const close = async (): Promise<void> => {
    for (const part of opened) await part[Symbol.asyncDispose]()
  }
  try {
    const home = open(await temporaryFolder())
    const server = open(await startEverything(token))
    await addServer(home.path, server.url)
    const client = open(await connectForeignClient(sdk, bridgeTo(home.path), answers))
    return { client, server, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Waits for the stream on which a server speaks first: what it says before goes nowhere. */
const untilListening = (server: EverythingServer): Promise<void> =>
  vi.waitFor(() => expect(server.seen).toContainEqual({ http: "GET", token: "right", status: 200 }), 5000)

const textOf = (result: Awaited<ReturnType<ForeignClient["call"]>>): string => result.content.map(({ text }) => text ?? "").join("\n")

describe.for(sdks)("$title", (sdk) => {
  test("1.1: a literal token goes to the vault, and the client gets in through the bridge without it", async () => {
    await using session = await openSession(sdk)
    const { client, server } = session

    const { tools } = await client.listTools()
    const echo = await client.call("echo", { message: "hello" })

    expect(client.getServerVersion()).toMatchObject({ name: "mcp-servers/everything" })
    expect(tools.map(({ name }) => name)).toContain("echo")
    expect(echo.content).toEqual([{ type: "text", text: "Echo: hello" }])
    expect(server.seen.map((request) => request.token)).not.toContain("none")
    expect(server.seen).toContainEqual({ http: "POST", rpc: "tools/call", token: "right", status: 200 })
  })

  test("1.2: a client's own file is read as it is, with the variable of the environment in the header", async () => {
    await using home = await temporaryFolder()
    await using server = await startEverything(token)
    const file = join(home.path, ".mcp.json")
    const entry = { url: server.url, type: "http", headers: { Authorization: "Bearer ${APP_API_TOKEN}", "X-Org-Id": "org-888" } }
    await writeFile(file, JSON.stringify({ mcpServers: { everything: entry } }))
    const bridge = bridgeTo(home.path, "--config", file)

    await using client = await connectForeignClient(sdk, { ...bridge, env: { ...bridge.env, APP_API_TOKEN: token } })

    expect(textOf(await client.call("echo", { message: "from a file" }))).toBe("Echo: from a file")
  })

  test("progress arrives while the call is running", async () => {
    await using session = await openSession(sdk)
    const steps: number[] = []

    const result = await session.client.call(
      "trigger-long-running-operation",
      { duration: 0.3, steps: 3 },
      { onprogress: ({ progress }) => steps.push(progress) },
    )

    expect(steps.slice(0, 2)).toEqual([1, 2]) // the last comes with the result, and then the SDKs may not tell it
    expect(textOf(result)).toContain("completed")
  })

  test("the server samples from the client's model", async () => {
    const answer = { role: "assistant", model: "a-model", content: { type: "text", text: "forty-two" } }
    await using session = await openSession(sdk, { "sampling/createMessage": answer })

    const result = await session.client.call("trigger-sampling-request", { prompt: "what?" })

    expect(textOf(result)).toContain("forty-two")
  })

  test("the server asks the person at the client", async () => {
    await using session = await openSession(sdk, { "elicitation/create": { action: "accept", content: { name: "Ada" } } })

    const result = await session.client.call("trigger-elicitation-request")

    expect(textOf(result)).toContain("Name: Ada")
  })

  test("the server asks for the client's roots", async () => {
    await using session = await openSession(sdk, { "roots/list": { roots: [{ uri: "file:///srv/work", name: "work" }] } })
    await untilListening(session.server)

    const result = await session.client.call("get-roots-list")

    expect(textOf(result)).toContain("file:///srv/work")
  })

  test("a changed list and an updated resource are told by themselves", async () => {
    await using session = await openSession(sdk)
    const { client, server } = session
    await untilListening(server)
    const uri = "demo://resource/dynamic/text/1"

    await client.subscribeResource({ uri })
    await client.call("toggle-subscriber-updates")
    await client.call("gzip-file-as-resource", { name: "note.gz", data: "data:text/plain,hello", outputType: "resourceLink" })

    await client.sawNotification("notifications/resources/updated")
    await client.sawNotification("notifications/resources/list_changed")
  })

  test("resources, prompts and completions pass", async () => {
    await using session = await openSession(sdk)
    const { client } = session

    const { resources } = await client.listResources()
    const read = await client.readResource({ uri: "demo://resource/dynamic/text/7" })
    const { prompts } = await client.listPrompts()
    const prompt = await client.getPrompt({ name: "args-prompt", arguments: { city: "Brno" } })
    const ref = { type: "ref/prompt", name: "completable-prompt" }
    const { completion } = await client.complete({ ref, argument: { name: "department", value: "E" } })

    expect(resources).not.toHaveLength(0)
    expect(read.contents[0]?.text).toContain("Resource 7")
    expect(prompts.map(({ name }) => name)).toContain("args-prompt")
    expect(prompt.messages).toEqual([{ role: "user", content: { type: "text", text: "What's weather in Brno?" } }])
    expect(completion.values).toEqual(["Engineering"])
  })

  test("a call that the client gives up is cancelled at the server, and the session goes on", async () => {
    await using session = await openSession(sdk)
    const { client, server } = session
    const giveUp = new AbortController()

    const call = client.call(
      "trigger-long-running-operation",
      { duration: 30, steps: 300 },
      { signal: giveUp.signal, onprogress: () => giveUp.abort() },
    )

    await expect(call).rejects.toThrow()
    await vi.waitFor(() => expect(server.seen.map(({ rpc }) => rpc)).toContain("notifications/cancelled"), 5000)
    expect(textOf(await client.call("echo", { message: "still here" }))).toBe("Echo: still here")
  })

  test("the session is deleted at the server when the client goes", async () => {
    await using home = await temporaryFolder()
    await using server = await startEverything(token)
    await addServer(home.path, server.url)
    const client = await connectForeignClient(sdk, bridgeTo(home.path))

    await client[Symbol.asyncDispose]()

    await vi.waitFor(() => expect(server.seen).toContainEqual({ http: "DELETE", token: "right", status: 200 }), 5000)
  })

  test("a key that the server refuses is told to the client with the command that replaces it", async () => {
    await using home = await temporaryFolder()
    await using server = await startEverything("another-token")
    await addServer(home.path, server.url)

    const connecting = connectForeignClient(sdk, bridgeTo(home.path))

    await expect(connecting).rejects.toThrow(/postern rotate everything/)
  })
})

describe("MCP Inspector", () => {
  test("1.1: its command line lists and calls tools through the bridge", async () => {
    await using home = await temporaryFolder()
    await using server = await startEverything(token)
    await addServer(home.path, server.url)
    const file = join(home.path, "client.json")
    await writeFile(file, JSON.stringify({ mcpServers: { everything: bridgeTo(home.path) } }))
    const inspect = async (...words: readonly string[]): Promise<unknown> => {
      const target = [inspector, "--cli", "--config", file, "--server", "everything"]
      const { stdout } = await run(node22, [...target, ...words], { env: { PATH: process.env["PATH"], HOME: home.path } })
      return JSON.parse(stdout)
    }

    const list = await inspect("--method", "tools/list")
    const sum = await inspect("--method", "tools/call", "--tool-name", "get-sum", "--tool-arg", "a=2", "b=40")

    expect(list).toMatchObject({ tools: expect.arrayContaining([expect.objectContaining({ name: "get-sum" })]) })
    expect(sum).toMatchObject({ content: [{ type: "text", text: "The sum of 2 and 40 is 42." }] })
    expect(await readFile(file, "utf8")).not.toContain(token)
  })
})
