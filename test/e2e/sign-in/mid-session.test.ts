/** The built program, whose grant dies in the middle of a session: many processes, a person who refuses, the ends of a session. */
import { expect, test } from "vitest"
import type { Spoken } from "../../harness/conversation.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"
import { makeSignInScene } from "./scene.ts"

const echo = (text: string) => ({ name: "echo", arguments: { text } })
const textOf = ({ result }: Spoken): unknown => (result?.["content"] as { text: string }[] | undefined)?.[0]?.text

test("3.3: a token that dies in the middle of a call: the person signs in, and that call is answered", async () => {
  await using scene = await makeSignInScene()
  await scene.signIn()
  await using client = scene.start()
  await client.open()
  let died = 0
  scene.server.handler = ({ message }) => {
    if (message?.method === "tools/call" && died++ === 0) scene.revoke() // the call has left, and its token is worth nothing on arrival
    return false
  }

  const answer = await client.request("tools/call", echo("hello"), "the-call")

  expect(died).toBe(2) // refused, then taken
  expect(answer).toMatchObject({ id: "the-call" })
  expect(textOf(answer)).toBe("hello")
  expect(client.messages.filter(({ id }) => id === "the-call")).toHaveLength(1)
  await expect.poll(() => scene.browser.walks()).toHaveLength(2)
})

test("3.3: ten processes with five pending calls each open one tab, and all fifty calls are answered", async () => {
  await using scene = await makeSignInScene()
  await scene.signIn()
  const clients = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const client = scene.start()
      await client.open()
      return client
    }),
  )
  scene.revoke()

  const answers = await Promise.all(
    clients.flatMap((client, at) => [1, 2, 3, 4, 5].map(async (call) => textOf(await client.request("tools/call", echo(`${at}.${call}`))))),
  )

  expect(answers).toEqual(clients.flatMap((_, at) => [1, 2, 3, 4, 5].map((call) => `${at}.${call}`)))
  await expect.poll(() => scene.browser.walks()).toHaveLength(2) // the one before, and one for all of them
  expect(scene.server.authorization.tokens.reuses).toBe(0)
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
})

test("consent that is refused in the browser ends the call with the reason, and the next call may ask again", async () => {
  await using scene = await makeSignInScene({ pages: true })
  await scene.signIn()
  await using client = scene.start()
  await client.open()
  scene.revoke()
  await scene.browser.becomes({ decision: "deny" })

  const refused = await client.request("tools/call", echo("no"))
  await scene.browser.becomes({ decision: "allow" })
  const allowed = await client.request("tools/call", echo("yes"))

  expect(refused.result?.["isError"]).toBe(true)
  expect(textOf(refused)).toMatch(/access_denied|refused|declined/)
  expect(textOf(allowed)).toBe("yes")
  await expect.poll(() => scene.browser.walks()).toHaveLength(3)
})

test("a client that ends while a person is waited for takes the bridge with it", async () => {
  await using scene = await makeSignInScene({ decision: "nothing" })
  await using client = scene.start()
  await client.open()
  client.send({ id: 7, method: "tools/call", params: echo("hello") })
  await expect.poll(() => scene.browser.walks()).toHaveLength(1) // the tab is open, and nobody looks at it

  client.child.kill("SIGTERM")

  expect(await client.exited).toBe(0)
  expect(client.messages.filter(({ id }) => id === 7)).toMatchObject([{ error: { data: { code: "bridge-stopping" } } }])
})

test("run --sign-in eager opens the browser at the start; never only tells the command", async () => {
  await using scene = await makeSignInScene()

  await using eager = scene.start({ args: ["--sign-in", "eager"] })
  await eager.open()
  await eager.heard(({ method }) => method === "notifications/tools/list_changed")
  await expect.poll(() => scene.browser.walks()).toHaveLength(1)
  expect(textOf(await eager.request("tools/call", echo("hello")))).toBe("hello")

  scene.revoke()
  await using never = scene.start({ args: ["--sign-in", "never"] })
  await never.open({ elicitation: { url: {} } })
  const told = await never.request("tools/call", echo("hello"))
  expect(textOf(told)).toMatch(/Next: postern auth linear$/)
  expect(await scene.browser.walks()).toHaveLength(1)
})

test("run --auth-prompt off leaves what the server says of its prompts as it is", async () => {
  await using scene = await makeSignInScene()
  await scene.signIn()

  await using asUsual = scene.start()
  const added = await asUsual.open()
  await using without = scene.start({ args: ["--auth-prompt", "off"] })
  const untouched = await without.open()

  expect(added.result?.["capabilities"]).toMatchObject({ prompts: { listChanged: true } })
  expect(untouched.result?.["capabilities"]).toEqual({ tools: {} })
})

test("a refused key is told, and never becomes a sign-in; a server that lets everybody in passes untouched", async () => {
  await using scene = await makeSignInScene()
  await using open = await startMcpServer()
  await scene.person.added(["add", "keyed", "--header", "Authorization: Bearer some-key-123", scene.server.url], ["add", "open", open.url])
  const stdin = `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25" } })}\n`

  const keyed = await scene.person.postern(["run", "keyed"], { stdin })
  const everybody = await scene.person.postern(["run", "open"], { stdin })

  expect(keyed.json<Spoken>().error?.data?.code).toBe("header-refused")
  expect(everybody.json<Spoken>().result?.["capabilities"]).toEqual({ tools: {} })
})
