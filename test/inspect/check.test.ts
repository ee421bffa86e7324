import { setTimeout as delay } from "node:timers/promises"
import { expect, test } from "vitest"
import type { AuthTools } from "../../src/auth/tools.ts"
import type { Server } from "../../src/config/server.ts"
import { systemClock } from "../../src/core/clock.ts"
import { createRedactor } from "../../src/core/redact.ts"
import { checkServers } from "../../src/inspect/check.ts"
import { openVault } from "../../src/vault/open.ts"
import { makeFolder } from "../config/folder.ts"
import { json, startMcpServer } from "../servers/mcp-server.ts"

async function toolsIn(folder: Awaited<ReturnType<typeof makeFolder>>): Promise<AuthTools> {
  const { env, places } = folder
  return { vault: openVault(places, systemClock, { env }), env, redactor: createRedactor(), clock: systemClock }
}

const http = (name: string, url: string, more: Partial<Server> = {}): Server =>
  ({ name, scope: "user", file: "/config.json", trusted: true, enabled: true, transport: "http", url, headers: {}, ...more }) as Server // all of it stands here

test("at most eight servers are asked at a time, and progress is told from none to all", async ({ signal }) => {
  await using folder = await makeFolder()
  await using server = await startMcpServer()
  let open = 0
  let most = 0
  const eightAtOnce = new Promise<void>((resolve) => {
    server.handler = async ({ message }) => {
      if (message?.method !== "initialize") return false
      most = Math.max(most, ++open)
      if (open === 8) resolve()
      await eightAtOnce
      await delay(60)
      open--
      return false
    }
  })
  const servers = Array.from({ length: 20 }, (_, at) => http(`s${at}`, server.url))
  const progress: string[] = []

  const settings = {
    tools: await toolsIn(folder),
    version: "0",
    onProgress: (done: number, total: number) => progress.push(`${done}/${total}`),
  }
  const verdicts = await checkServers({ servers, invalid: [] }, settings, signal)

  expect([...verdicts.values()].every(({ is }) => is === "ok")).toBe(true)
  expect(verdicts.size).toBe(20)
  expect(most).toBe(8)
  expect([progress[0], progress.at(-1), progress.length]).toEqual(["0/20", "20/20", 21])
})

test("a server that takes the question and says nothing is given up after the limit, and the others are not", async ({ signal }) => {
  await using folder = await makeFolder()
  await using honest = await startMcpServer()
  await using silent = await startMcpServer()
  silent.handler = ({ message }) => message?.method === "tools/list"

  const settings = { tools: await toolsIn(folder), version: "0", limitMs: 500 }
  const verdicts = await checkServers({ servers: [http("silent", silent.url), http("honest", honest.url)], invalid: [] }, settings, signal)

  expect(silent.seenOf("tools/list")).toHaveLength(1)
  expect(verdicts.get("silent")).toMatchObject({ is: "failed", diagnosis: { code: "check-timeout", next: "postern tools silent" } })
  expect(verdicts.get("honest")).toEqual({ is: "ok" })
})

test("a server without tools is pinged, since it has none to list", async ({ signal }) => {
  await using folder = await makeFolder()
  await using server = await startMcpServer()
  server.handler = ({ message }, response) =>
    message?.method === "initialize" &&
    json(response, {
      jsonrpc: "2.0",
      id: message.id,
      result: { protocolVersion: "2025-11-25", capabilities: { prompts: {} }, serverInfo: { name: "t", version: "1" } },
    })

  server.sessions.add("any")
  const verdicts = await checkServers(
    { servers: [http("p", server.url)], invalid: [] },
    { tools: await toolsIn(folder), version: "0" },
    signal,
  )

  expect(server.seenOf("tools/list")).toHaveLength(0)
  expect(server.seenOf("ping")).toHaveLength(1)
  expect(verdicts.get("p")?.is).toBe("failed") // this one opened no session
})

test("an interrupted check is no verdict on anybody", async () => {
  await using folder = await makeFolder()
  await using server = await startMcpServer()
  const stop = new AbortController()
  server.handler = () => {
    stop.abort(new Error("stopped"))
    return true
  }

  const check = checkServers({ servers: [http("s", server.url)], invalid: [] }, { tools: await toolsIn(folder), version: "0" }, stop.signal)

  await expect(check).rejects.toThrow("stopped")
})
