/** The library's face: what `postern run` does, from code, with a real server on the other side. */
import { getEventListeners } from "node:events"
import { expect, onTestFinished, test } from "vitest"
import { openTools } from "../../src/auth/index.ts"
import { keepLocked } from "../../src/bridge/door-memory.ts"
import { NotAMessage } from "../../src/bridge/index.ts"
import { memoryFile } from "../../src/bridge/memory-file.ts"
import { silentLog } from "../../src/core/log.ts"
import { findPlaces } from "../../src/core/places.ts"
import { type OpenBridge, type ServerMessage, describeServers, loadServers, openBridge } from "../../src/index.ts"
import { sse } from "../servers/mcp-server.ts"
import { configured } from "./configured.ts"

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

test.each(['{},"id":99', '{},"method":"tools/list"', "7", "null", "[]", '{"name":', ""])(
  "parameters that are not one object of JSON, %j, are no message, and nothing is sent",
  async (params) => {
    await using set = await configured()
    await using bridge = await openBridge("weather", set.options)

    await expect(bridge.requestText("tools/call", params)).rejects.toThrow(NotAMessage)

    await bridge.request("ping")
    expect(set.server.seen.filter(({ message }) => message?.id !== undefined).map(({ message }) => message?.method)).toEqual([
      "initialize",
      "ping",
    ])
  },
)

test.each<[string, (bridge: OpenBridge) => Promise<unknown>]>([
  ["method", (bridge) => bridge.request(undefined as never)],
  ["method", (bridge) => bridge.request("")],
  ["method", (bridge) => bridge.requestText(7 as never, "{}")],
  ["method", (bridge) => bridge.notify(undefined as never)],
  ["params", (bridge) => bridge.request("ping", "text" as never)],
  ["params", (bridge) => bridge.request("ping", (() => ({})) as never)],
  ["params", (bridge) => bridge.notify("notifications/x", 7 as never)],
])("an argument of another kind than its type, such as %s, is named, and nothing is sent", async (name, ask) => {
  await using set = await configured()
  await using bridge = await openBridge("weather", set.options)
  const before = set.server.seenOf("ping").length

  const asking = ask(bridge)

  await expect(asking).rejects.toThrow(TypeError)
  await expect(asking).rejects.toThrow(name)
  expect(set.server.seenOf("ping")).toHaveLength(before)
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

test("what a server repeats of our key in an error does not stand in what is thrown", async () => {
  await using set = await configured()
  set.server.handler = ({ message, headers }, response) => {
    const said = `you sent ${headers.authorization}`
    if (message?.method === "x/refused") response.writeHead(500).end(said)
    else if (message?.method !== "x/failed") return false
    else response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, error: { code: headers.authorization, message: said } }))
    return true
  }
  await using bridge = await openBridge("weather", set.options)

  const refused = await bridge.request("x/refused").catch((error: unknown) => error)
  const failed = await bridge.request("x/failed").catch((error: unknown) => error)

  expect(refused).toMatchObject({ diagnosis: { code: "server-refused", evidence: ["it said: you sent [redacted]"] } })
  expect(failed).toMatchObject({
    message: "The server answered x/failed with error [redacted].",
    diagnosis: { code: "server-error", evidence: ["you sent [redacted]"] },
  })
})

test("the value of a variable is taken for a secret, whatever its header is called", async () => {
  await using set = await configured()
  set.server.handler = ({ message, headers }, response) => {
    if (message?.method !== "x/refused") return false
    response.writeHead(500).end(`you sent ${headers["x-trace"]}`)
    return true
  }
  await using bridge = await openBridge("weather", { ...set.options, env: { ...set.options.env, WEATHER_TRACE: "who-knows-what" } })

  const refused = await bridge.request("x/refused").catch((error: unknown) => error)

  expect(set.server.seenOf("x/refused")[0]?.headers["x-trace"]).toBe("who-knows-what") // the trap was reached
  expect(refused).toMatchObject({ diagnosis: { code: "server-refused", evidence: ["it said: you sent [redacted]"] } })
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

test("a request whose signal has aborted before is not sent", async () => {
  await using set = await configured()
  await using bridge = await openBridge("weather", set.options)

  const call = bridge.request("tools/call", { name: "echo" }, AbortSignal.abort(new Error("not wanted at all")))
  await expect(call).rejects.toThrow("not wanted at all")
  await bridge.request("ping")

  expect(set.server.seenOf("ping")).toHaveLength(1)
  expect(set.server.seenOf("tools/call")).toEqual([])
})

test("what a local server writes to its standard error is handed on, whatever the function gives back that takes it", async () => {
  await using set = await configured()
  let words = ""

  await using bridge = await openBridge("local", { ...set.options, onServerStderr: (chunk) => (words += chunk) })
  await expect.poll(() => words).toMatch(/server \d+ starts/)

  expect(await bridge.request("tools/list")).toEqual({ method: "tools/list" })
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
  await expect(openBridge({ name: "weather" } as never)).rejects.toThrow("by the name of a server")
})

test.each<[string, unknown]>([
  ["cwd", 5],
  ["env", "HOME=/"],
  ["configFile", new URL("file:///servers.json")],
  ["tools", {}],
  ["log", () => undefined],
  ["signal", "abort"],
  ["clientInfo", "a-script"],
  ["capabilities", ["roots"]],
  ["onNotification", {}],
  ["onRequest", null],
  ["onServerStderr", process.stderr],
])("an option of another kind than its type, %s, is named, and nothing is opened", async (name, value) => {
  await using set = await configured()

  const opening = openBridge("weather", { ...set.options, [name]: value })

  await expect(opening).rejects.toThrow(TypeError)
  await expect(opening).rejects.toThrow(name)
  expect(set.server.seen).toEqual([])
})

test("an entry that is switched off is not opened, as by its name", async () => {
  await using set = await configured()
  const { servers } = await loadServers(set.options)
  const off = servers.find(({ name }) => name === "off")

  await expect(openBridge(off!, set.options)).rejects.toMatchObject({ diagnosis: { code: "server-disabled" } })
  await expect(openBridge("off", set.options)).rejects.toMatchObject({ diagnosis: { code: "server-disabled" } })
  expect(set.server.seen).toEqual([])
})

test("a server that a bridge has met locked is described as one that needs a sign-in, without naming the folder of that memory", async () => {
  await using set = await configured()
  const configuration = await loadServers(set.options)
  const open = configuration.servers.find(({ name }) => name === "open")
  const describe = async () => (await describeServers(configuration, openTools(set.options))).find(({ name }) => name === "open")

  const before = await describe()
  await keepLocked(memoryFile(findPlaces(set.options.env).memory, open!, silentLog))
  const after = await describe()

  expect(before).toMatchObject({ method: "none", needsSignIn: false })
  expect(after).toMatchObject({ method: "oauth", needsSignIn: true, problem: { code: "oauth-sign-in-needed" } })
})

test("a closed bridge takes no request any more", async () => {
  await using set = await configured()
  const bridge: OpenBridge = await openBridge("weather", set.options)
  await bridge.close()
  const before = set.server.seen.length

  await expect(bridge.request("tools/list")).rejects.toMatchObject({ diagnosis: { code: "bridge-closed" } })
  expect(set.server.seen).toHaveLength(before)
})
