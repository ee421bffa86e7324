/** The library's face: what `postern run` does, from code, with a real server on the other side. */
import { getEventListeners } from "node:events"
import { writeFile } from "node:fs/promises"
import { PassThrough } from "node:stream"
import { expect, onTestFinished, test } from "vitest"
import { type OpenBridge, type ServerMessage, loadServers, openBridge, pipeBridge } from "../../src/index.ts"
import { makeFolder } from "../core/folder.ts"
import { sse, startMcpServer } from "../servers/mcp-server.ts"

/** A server, and the surroundings of somebody who has configured it as "weather". */
async function configured() {
  const server = await startMcpServer({ key: "key-of-the-library" })
  const folder = await makeFolder()
  const entry = { type: "http", url: server.url, headers: { Authorization: "Bearer ${WEATHER_KEY}" } }
  const configFile = folder.at("servers.json")
  await writeFile(configFile, JSON.stringify({ mcpServers: { weather: entry } }))
  const env = { POSTERN_HOME: folder.at("home"), WEATHER_KEY: "key-of-the-library" }
  return {
    server,
    options: { configFile, env, cwd: folder.path },
    async [Symbol.asyncDispose]() {
      await server.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

function makeCycle(): object {
  const cycle: { self?: object } = {}
  cycle.self = cycle
  return cycle
}

test("a configured server is opened by its name, with its proof, asked, told and closed", async () => {
  await using set = await configured()

  const bridge = await openBridge("weather", set.options)
  const answer = await bridge.request("tools/call", { name: "echo", arguments: { text: "sunny" } })
  await bridge.notify("notifications/roots/list_changed")
  await bridge.close()

  expect(bridge.welcome).toMatchObject({ serverInfo: { name: "test" }, capabilities: { tools: {} } })
  expect(answer).toEqual({ content: [{ type: "text", text: "sunny" }] })
  expect(set.server.seenOf("notifications/roots/list_changed")).toHaveLength(1)
  expect(set.server.seen.every(({ headers }) => headers.authorization === "Bearer key-of-the-library")).toBe(true)
  expect(set.server.sessions.size).toBe(0)
})

test("what is asked as text is answered as text, without a rounded number, or fails as any request does", async () => {
  await using set = await configured()
  const large = '{"n":12345678901234567890,"x":1.0}'
  set.server.handler = ({ message, body }, response) => {
    if (message?.method !== "tools/call") return false
    const outcome = body.includes(large) ? `"result":${large}` : '"error":{"code":-32602,"message":"rounded"}'
    response.writeHead(200, { "content-type": "application/json" })
    response.end(`{"jsonrpc":"2.0","id":${String(message.id)},${outcome}}`)
    return true
  }
  await using bridge = await openBridge("weather", set.options)

  const answer = await bridge.requestText("tools/call", `{"name":"echo","arguments":${large}}`)
  const failed = bridge.requestText("tools/call", '{"name":"echo","arguments":{}}')

  expect(answer).toBe(large)
  await expect(failed).rejects.toMatchObject({ diagnosis: { code: "server-error", evidence: ["rounded"] } })
})

test("an entry of loadServers is opened as it is, and knows who asks", async () => {
  await using set = await configured()
  const { servers } = await loadServers(set.options)

  await using bridge = await openBridge(servers[0]!, { ...set.options, clientInfo: { name: "a-script", version: "7" } })

  expect(bridge.welcome.serverInfo?.name).toBe("test")
  expect(set.server.seenOf("initialize")[0]?.message?.params).toMatchObject({ clientInfo: { name: "a-script", version: "7" } })
})

test("a signal that many bridges share is left without a trace by each that has ended", async () => {
  await using set = await configured()
  const { signal } = new AbortController()

  const bridge = await openBridge("weather", { ...set.options, signal })
  await bridge.request("ping")
  expect(getEventListeners(signal, "abort")).not.toHaveLength(0)
  await bridge.close()

  expect(getEventListeners(signal, "abort")).toHaveLength(0)
})

test("who does not say who asks is told to the server as Postern, with its version", async () => {
  await using set = await configured()
  const bridge = await openBridge("weather", set.options)
  await bridge.close()

  expect(set.server.seenOf("initialize")[0]?.message?.params).toMatchObject({ clientInfo: { name: "postern", version: /^\d+\./ } })
})

test.each<[string, object, string]>([
  ["a name that nobody has", {}, "unknown-server"],
  ["a key that the server refuses", { WEATHER_KEY: "another-key" }, "header-refused"],
  ["a variable that is not set", { WEATHER_KEY: undefined }, "variable-not-set"],
])("%s throws its diagnosis, and leaves no session", async (what, env, code) => {
  await using set = await configured()
  const options = { ...set.options, env: { ...set.options.env, ...env } }

  const opening = openBridge(what.startsWith("a name") ? "wether" : "weather", options)

  await expect(opening).rejects.toMatchObject({ diagnosis: { code } })
  expect(set.server.sessions.size).toBe(0)
})

test("what the server says meanwhile is heard, and what it asks is answered under its own id", async () => {
  await using set = await configured()
  let finish: (() => void) | undefined
  set.server.handler = ({ message, body }, response) => {
    if (message?.method === "tools/call") {
      const event = sse(response)
      event({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 1, progress: 0.5 } })
      response.write('data: {"jsonrpc":"2.0","id":12345678901234567890,"method":"roots/list"}\n\n')
      finish = () => {
        event({ jsonrpc: "2.0", id: message.id, result: { done: true } })
        response.end()
      }
      return true
    }
    if (body.includes("12345678901234567890") && message?.result) finish?.()
    return false
  }
  const heard: ServerMessage[] = []
  await using bridge = await openBridge("weather", {
    ...set.options,
    capabilities: { roots: {} },
    onNotification: (notification) => void heard.push(notification),
    onRequest: ({ method }) => (method === "roots/list" ? { roots: [] } : undefined),
  })

  const answer = await bridge.request("tools/call", { name: "echo" })

  expect(answer).toEqual({ done: true })
  expect(heard).toContainEqual({ method: "notifications/progress", params: { progressToken: 1, progress: 0.5 } })
  expect(set.server.seen.map(({ body }) => body)).toContain('{"jsonrpc":"2.0","id":12345678901234567890,"result":{"roots":[]}}')
})

test.each([
  ["a BigInt", () => ({ roots: [12n] })],
  ["a cycle", () => makeCycle()],
  ["a function", () => () => "roots"],
])("a result of onRequest that JSON cannot hold, %s, is answered as an error under the id of the request", async (_, onRequest) => {
  await using set = await configured()
  set.server.handler = ({ message }, response) => {
    if (message?.method !== "tools/call") return false
    const event = sse(response)
    event({ jsonrpc: "2.0", id: "asked", method: "roots/list" })
    event({ jsonrpc: "2.0", id: message.id, result: {} })
    response.end()
    return true
  }
  await using bridge = await openBridge("weather", { ...set.options, capabilities: { roots: {} }, onRequest })

  await bridge.request("tools/call", { name: "echo" })
  const answers = (): unknown[] => set.server.seen.flatMap(({ message }) => (message?.id === "asked" ? [message] : []))
  await expect.poll(answers).toHaveLength(1)

  expect(answers()[0]).toMatchObject({ error: { code: -32603, message: /./ } })
  expect(await bridge.request("tools/list")).toMatchObject({ tools: [{ name: "echo" }] })
})

test("a request that is given up is cancelled at the server, and the bridge goes on", async () => {
  await using set = await configured()
  set.server.handler = ({ message }) => message?.method === "tools/call" // never answers
  await using bridge = await openBridge("weather", set.options)
  const stop = new AbortController()

  const call = bridge.request("tools/call", { name: "echo" }, stop.signal)
  await expect.poll(() => set.server.seenOf("tools/call").length).toBe(1)
  stop.abort(new Error("not wanted any more"))

  await expect(call).rejects.toThrow("not wanted any more")
  await expect.poll(() => set.server.seenOf("notifications/cancelled").length).toBe(1)
  const [asked] = set.server.seenOf("tools/call")
  expect(set.server.seenOf("notifications/cancelled")[0]?.message?.params).toEqual({ requestId: asked?.message?.id })
  expect(await bridge.request("tools/list")).toMatchObject({ tools: [{ name: "echo" }] })
})

test("as many requests as there are wait on one signal, and as many bridges: nothing is told to the host program of that", async () => {
  await using set = await configured()
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on("warning", onWarning)
  onTestFinished(() => void process.off("warning", onWarning))
  const { signal } = new AbortController()

  const bridges = await Promise.all(Array.from({ length: 12 }, () => openBridge("weather", { ...set.options, signal })))
  const [bridge] = bridges
  const own = new AbortController()
  await Promise.all(Array.from({ length: 12 }, () => bridge?.request("tools/list")))
  await Promise.all(Array.from({ length: 12 }, () => bridge?.request("tools/list", {}, own.signal)))
  await Promise.all(bridges.map((one) => one.close()))
  await new Promise(setImmediate) // warnings come a turn later

  expect(warnings).toEqual([])
})

test("what names no server is a mistake in the program, and told as that", async () => {
  await expect(openBridge(undefined as never)).rejects.toThrow(TypeError)
  await expect(openBridge({} as never)).rejects.toThrow("by the name of a server")
})

test("a closed bridge takes no request any more", async () => {
  await using set = await configured()
  const bridge: OpenBridge = await openBridge("weather", set.options)
  await bridge.close()
  const before = set.server.seen.length

  await expect(bridge.request("tools/list")).rejects.toMatchObject({ diagnosis: { code: "bridge-closed" } })
  expect(set.server.seen).toHaveLength(before)
})

test("a client on two streams is piped to the server, byte for byte, until it has gone", async () => {
  await using set = await configured()
  const [input, output] = [new PassThrough(), new PassThrough()]
  set.server.handler = ({ message }, response) => {
    if (message?.method !== "x/exact") return false
    response.writeHead(200, { "content-type": "application/json" }).end('{"jsonrpc":"2.0","id":"e","result":{"n":12345678901234567890}}')
    return true
  }

  const piped = pipeBridge("weather", { input, output }, set.options)
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } }
  input.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`)
  input.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
  input.end('{"jsonrpc":"2.0","id":"e","method":"x/exact"}\n')

  expect(await piped).toBeUndefined()
  expect(String(output.read()).split("\n")[1]).toBe('{"jsonrpc":"2.0","id":"e","result":{"n":12345678901234567890}}')
  expect(set.server.sessions.size).toBe(0)
})
