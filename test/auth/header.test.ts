import { spawnSync } from "node:child_process"
import { setMaxListeners } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, onTestFinished, test, vi } from "vitest"
import { headerAuthenticator } from "../../src/auth/header.ts"
import type { AuthTools } from "../../src/auth/tools.ts"
import type { HttpServer } from "../../src/config/server.ts"
import { systemClock } from "../../src/core/clock.ts"
import type { Answer } from "../../src/core/http.ts"
import { createRedactor } from "../../src/core/redact.ts"
import { openVault } from "../../src/vault/open.ts"
import { personWho } from "../harness/interaction.ts"

const ORIGIN = "https://api.example.com"
const signal = new AbortController().signal
setMaxListeners(0, signal) // many calls wait on it
const request = { method: "POST" as const, url: new URL(`${ORIGIN}/mcp`), headers: { "x-kept": "1" } }
const refusal = (status: number): Answer => ({
  status,
  headers: {},
  read: async () => Buffer.alloc(0),
  readBriefly: async () => Buffer.alloc(0),
  async *stream() {},
  discard: () => undefined,
})

async function makeTools(env: Record<string, string> = {}): Promise<AuthTools> {
  const folder = await mkdtemp(join(tmpdir(), "postern-header-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const vault = openVault({ vault: join(folder, "vault.json"), vaultKey: join(folder, "vault.key") }, systemClock)
  return { vault, env, redactor: createRedactor(), clock: systemClock }
}

const serverWith = (headers: Record<string, string>, more: Partial<HttpServer> = {}): HttpServer => ({
  name: "weather",
  scope: "user",
  file: "/config.json",
  trusted: true,
  enabled: true,
  transport: "http",
  url: `${ORIGIN}/mcp`,
  headers,
  ...more,
})

test("the proof is added to the request, and the request that came in is unchanged", async () => {
  const tools = await makeTools({ ORG: "org-888" })
  await tools.vault.write("weather", ORIGIN, "Bearer first-key")
  const authenticator = headerAuthenticator(serverWith({ Authorization: "${vault:weather}", "X-Org-Id": "${ORG}" }), ORIGIN, tools)

  const authorized = await authenticator.authorize(request, signal)

  expect(authorized.headers).toEqual({ "x-kept": "1", authorization: "Bearer first-key", "x-org-id": "org-888" })
  expect(request.headers).toEqual({ "x-kept": "1" })
  expect(tools.redactor.clean("it was first-key")).toBe("it was [redacted]")
})

test("1.3: a rotated key is used from the next request on, and a refusal of the old one is tried again", async () => {
  const tools = await makeTools()
  await tools.vault.write("weather", ORIGIN, "Bearer first-key")
  const authenticator = headerAuthenticator(serverWith({ Authorization: "${vault:weather}" }), ORIGIN, tools)
  const sent = await authenticator.authorize(request, signal)

  const refusedBefore = await authenticator.recover(sent, refusal(401), signal)
  await tools.vault.write("weather", ORIGIN, "Bearer second-key")
  const refusedAfter = await authenticator.recover(sent, refusal(401), signal)

  expect([refusedBefore.advice, refusedAfter.advice]).toEqual(["denied", "retry"])
  expect(refusedBefore.diagnosis).toMatchObject({ code: "header-refused", next: "postern rotate weather" })
  const after = await authenticator.authorize(request, signal)
  expect(after.headers["authorization"]).toBe("Bearer second-key")
  expect(after.identity).not.toBe(sent.identity) // nor do cookies of the old one go with it
  expect((await authenticator.authorize(request, signal)).identity).toBe(after.identity)
})

test("a secret is never given to another origin than its own", async () => {
  const tools = await makeTools()
  await tools.vault.write("weather", ORIGIN, "Bearer first-key")
  const authenticator = headerAuthenticator(serverWith({ Authorization: "${vault:weather}" }), "https://api.example.com:8443", tools)

  await expect(authenticator.authorize(request, signal)).rejects.toMatchObject({
    diagnosis: { code: "vault-origin-mismatch", kind: "guard" },
  })
})

test("a refusal names the header that is the key, and where its value came from", async () => {
  const tools = await makeTools({ APP_API_TOKEN: "token-of-the-environment" })
  const authenticator = headerAuthenticator(serverWith({ "X-Org-Id": "org-888", Authorization: "Bearer ${APP_API_TOKEN}" }), ORIGIN, tools)

  const { diagnosis, advice } = await authenticator.recover(await authenticator.authorize(request, signal), refusal(403), signal)

  expect(advice).toBe("denied")
  expect(diagnosis.cause).toContain("header Authorization")
  expect(diagnosis.evidence).toEqual(["answer: HTTP 403", "the value came from the variable APP_API_TOKEN"])
  expect(diagnosis.next).toContain("set APP_API_TOKEN")
})

test("a refused value that stands in the file is to be corrected there: there is no key to rotate", async () => {
  const server = serverWith({ "X-Org-Id": "org-888" })
  const authenticator = headerAuthenticator(server, ORIGIN, await makeTools())

  const { diagnosis } = await authenticator.recover(await authenticator.authorize(request, signal), refusal(401), signal)

  expect(diagnosis.next).toBe(`correct the header in ${server.file}`)
})

test("identity tells the key by its fingerprint, its source and its age, and reads no secret", async () => {
  const tools = await makeTools()
  const entry = await tools.vault.write("weather", ORIGIN, "Bearer first-key")
  const authenticator = headerAuthenticator(serverWith({ Authorization: "${vault:weather}" }), "another origin: nothing is sent", tools)

  expect(await authenticator.identity()).toEqual({
    subject: `key ${entry.fingerprint}`,
    source: "vault:weather",
    sinceMs: entry.changedAtMs,
  })
})

test("signing in asks for the key and binds it; signing out forgets it", async () => {
  const tools = await makeTools()
  const authenticator = headerAuthenticator(serverWith({ Authorization: "${vault:weather}" }), ORIGIN, tools)

  await authenticator.signIn(personWho({ askSecret: async () => "Bearer typed-key" }), signal)
  const read = await tools.vault.read("weather", ORIGIN)
  await authenticator.signOut()

  expect(read).toBe("Bearer typed-key")
  expect(await tools.vault.read("weather", ORIGIN)).toBeUndefined()
})

test("twenty calls on a cold headers command run it once, and one that fails is not remembered", async () => {
  const folder = await mkdtemp(join(tmpdir(), "postern-mint-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const tools = await makeTools({ PATH: process.env["PATH"] ?? "" })
  const count = join(folder, "count")
  const line = `echo x >> ${count}; sleep 0.2; [ -e ${folder}/ready ] || { touch ${folder}/ready; exit 1; }; printf '{"Authorization":"Bearer %s"}' "$(wc -l < ${count})"`
  const authenticator = headerAuthenticator(serverWith({}, { headersHelper: line }), ORIGIN, tools)

  await expect(authenticator.authorize(request, signal)).rejects.toMatchObject({ diagnosis: { code: "headers-command-failed" } })
  const authorized = await Promise.all(Array.from({ length: 20 }, () => authenticator.authorize(request, signal)))

  expect(new Set(authorized.map(({ headers }) => headers["authorization"]))).toEqual(new Set(["Bearer 2"]))
})

/** A headers command that mints once there is a file `go`, and callers that may each give up. */
async function waitingCommand() {
  const folder = await mkdtemp(join(tmpdir(), "postern-mint-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const line = `cd ${folder}; echo $$ >> pids; while [ ! -e go ]; do sleep 0.05; done; printf '{"Authorization":"Bearer minted"}'`
  const tools = await makeTools({ PATH: process.env["PATH"] ?? "" })
  const authenticator = headerAuthenticator(serverWith({}, { headersHelper: line }), ORIGIN, tools)
  const pids = async (): Promise<number[]> =>
    ((await readFile(join(folder, "pids"), "utf8").catch(() => "")).match(/\d+/g) ?? []).map(Number)
  return {
    async mint(caller: AbortController): Promise<unknown> {
      return (await authenticator.authorize(request, caller.signal)).headers["authorization"]
    },
    /** Waits for so many runs. @returns the last one */
    async runs(count: number): Promise<number | undefined> {
      await expect.poll(async () => (await pids()).length, { timeout: 20_000 }).toBe(count)
      return (await pids()).at(-1)
    },
    go: () => writeFile(join(folder, "go"), ""),
  }
}

test("a caller that gives up does not end a run of the headers command that others wait for", async () => {
  const command = await waitingCommand()
  const [one, other] = [new AbortController(), new AbortController()]
  const minted = [command.mint(one), command.mint(other)].map((promise) => promise.catch(String))
  await command.runs(1)

  one.abort(new Error("cancelled"))
  expect(await minted[0]).toBe("Error: cancelled") // before anything is minted
  await command.go()

  expect(await minted[1]).toBe("Bearer minted")
  await command.runs(1)
})

test("a run of the headers command ends with its last caller, and the next caller has one of its own", async () => {
  const command = await waitingCommand()
  const callers = [new AbortController(), new AbortController()]
  const minted = Promise.allSettled(callers.map((caller) => command.mint(caller)))
  const pid = await command.runs(1)
  const isAlive = (): boolean => spawnSync("kill", ["-0", String(pid)]).status === 0
  expect(isAlive()).toBe(true)

  for (const caller of callers) caller.abort(new Error("cancelled"))
  expect((await minted).map(({ status }) => status)).toEqual(["rejected", "rejected"])
  await expect.poll(isAlive, { timeout: 20_000 }).toBe(false)
  await command.go()

  expect(await command.mint(new AbortController())).toBe("Bearer minted")
  await command.runs(2)
})

test("a headers command that is given up before it is started is not started", async () => {
  const command = await waitingCommand()
  const caller = new AbortController()
  const minted = command.mint(caller).catch(String)

  caller.abort(new Error("cancelled"))
  expect(await minted).toBe("Error: cancelled")
  await command.go()

  expect(await command.mint(new AbortController())).toBe("Bearer minted")
  await command.runs(1)
})

test("a character that comes in two pieces from the headers command is whole", async () => {
  const line = `printf '{"X-Name":"J\\303'; sleep 0.3; printf '\\274rgen"}'`
  const tools = await makeTools({ PATH: process.env["PATH"] ?? "" })
  const authenticator = headerAuthenticator(serverWith({}, { headersHelper: line }), ORIGIN, tools)

  expect((await authenticator.authorize(request, signal)).headers["x-name"]).toBe("Jürgen")
})

test("a clock that is set back by a day makes no minted token younger", async () => {
  const folder = await mkdtemp(join(tmpdir(), "postern-mint-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  let nowMs = 1_000_000_000_000
  const tools = { ...(await makeTools({ PATH: process.env["PATH"] ?? "" })), clock: { ...systemClock, now: () => nowMs } }
  const line = `echo x >> ${folder}/count; printf '{"Authorization":"Bearer %s"}' "$(wc -l < ${folder}/count)"`
  const authenticator = headerAuthenticator(serverWith({}, { headersHelper: line }), ORIGIN, tools)
  const mint = async (): Promise<unknown> => (await authenticator.authorize(request, signal)).headers["authorization"]

  const minted = [await mint(), await mint()]
  nowMs -= 24 * 3_600_000
  minted.push(await mint())

  expect(minted).toEqual(["Bearer 1", "Bearer 1", "Bearer 2"])
})

test("what a headers command printed is used for a minute, and minted anew then, or once it was refused", async () => {
  const folder = await mkdtemp(join(tmpdir(), "postern-mint-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  let nowMs = 1_000_000_000_000
  const tools = { ...(await makeTools({ PATH: process.env["PATH"] ?? "" })), clock: { ...systemClock, now: () => nowMs } }
  const line = `echo x >> ${folder}/count; printf '{"Authorization":"Bearer %s"}' "$(wc -l < ${folder}/count)"`
  const authenticator = headerAuthenticator(serverWith({ authorization: "an old key" }, { headersHelper: line }), ORIGIN, tools)

  const first = await authenticator.authorize(request, signal)
  nowMs += 59_999
  const reused = await authenticator.authorize(request, signal)
  nowMs += 1
  const second = await authenticator.authorize(request, signal)
  const { advice } = await authenticator.recover(second, refusal(401), signal)
  const third = await authenticator.authorize(request, signal)

  const all = [first, reused, second, third].map(({ headers }) => headers["authorization"])
  expect(all).toEqual(["Bearer 1", "Bearer 1", "Bearer 2", "Bearer 3"]) // and never the configured one, which is older
  expect(advice).toBe("retry")
})

test("a headers command that prints without end is ended, and told", async () => {
  const tools = await makeTools({ PATH: process.env["PATH"] ?? "" })
  const authenticator = headerAuthenticator(serverWith({}, { headersHelper: "yes" }), ORIGIN, tools)

  await expect(authenticator.authorize(request, signal)).rejects.toMatchObject({
    diagnosis: { code: "headers-command-failed", cause: expect.stringContaining("printed more than 65536 bytes") },
  })
})

test("a headers command that does not end is given up after ten seconds, with whatever it has started", async () => {
  const folder = await mkdtemp(join(tmpdir(), "postern-mint-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const tools = await makeTools({ PATH: process.env["PATH"] ?? "" })
  const line = `sleep 600 & echo $! > ${folder}/new; mv ${folder}/new ${folder}/pid; wait`
  const authenticator = headerAuthenticator(serverWith({}, { headersHelper: line }), ORIGIN, tools)
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  onTestFinished(() => void vi.useRealTimers())
  let outcome: unknown

  const asking = Promise.resolve(authenticator.authorize(request, signal)).catch((error: unknown) => (outcome = error))
  let pid = ""
  while (pid === "") pid = (await readFile(join(folder, "pid"), "utf8").catch(() => "")).trim() // a poll would move the clock
  // A zombie does nothing any more; it only waits for its parent to look.
  const runs = (): Promise<boolean> =>
    readFile(`/proc/${pid}/stat`, "utf8").then(
      (stat) => !/\) [ZX] /.test(stat),
      () => false,
    )
  expect(await runs()).toBe(true)
  vi.advanceTimersByTime(9_999)
  await new Promise(setImmediate)
  expect(outcome).toBeUndefined()
  vi.advanceTimersByTime(1)
  await asking
  vi.useRealTimers()

  expect(outcome).toMatchObject({ diagnosis: { code: "headers-command-failed", cause: expect.stringContaining("within 10 s") } })
  await expect.poll(runs, { timeout: 20_000 }).toBe(false)
})

test.each([
  ["project", undefined],
  ["user", "secret-of-another-tool"],
] as const)("a headers command of the scope %s gets of a variable named like a secret: %s", async (scope, seen) => {
  const folder = await mkdtemp(join(tmpdir(), "postern-mint-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const tools = await makeTools({ PATH: process.env["PATH"] ?? "", OTHER_TOKEN: "secret-of-another-tool", LEVEL: "debug" })
  const line = `printf '{"X-Level":"%s","X-Seen":"%s"}' "$LEVEL" "\${OTHER_TOKEN-none}"`
  const server = serverWith({}, { headersHelper: line, scope, file: join(folder, ".postern.json") })

  const { headers } = await headerAuthenticator(server, ORIGIN, tools).authorize(request, signal)

  expect(headers).toMatchObject({ "x-level": "debug", "x-seen": seen ?? "none" })
})
