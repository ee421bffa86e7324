/** Official clients, each with what it can declare, whose token dies in the middle of a session: the same call is answered. */
import { expect, test } from "vitest"
import { sdks } from "../../harness/foreign-client.ts"
import { json } from "../../servers/mcp-server.ts"
import { makeSignInScene, textOf } from "./scene.ts"

const ECHO = { text: "hello" }

/** By what a client declares: what it is asked, and what it does then. */
const clients = [
  { declares: "URL elicitation", capabilities: { elicitation: { url: {} } }, asked: ["url"], tabs: "the client's" },
  { declares: "both", capabilities: { elicitation: { form: {}, url: {} } }, asked: ["url"], tabs: "the client's" },
  { declares: "forms only, as Claude Code", capabilities: { elicitation: {} }, asked: ["form"], tabs: "Postern's" },
  { declares: "nothing", capabilities: {}, asked: [], tabs: "Postern's" },
] as const

const matrix = sdks.flatMap((sdk) => clients.map((client) => ({ ...client, sdk, title: sdk.title })))

test.each(matrix)(
  "3.3: $title that declares $declares: the person signs in, and the call that met the dead token is answered",
  async (row) => {
    await using scene = await makeSignInScene({ login: "alice" })
    await scene.signIn()
    const asked: string[] = []
    const elicit = async ({ mode = "form", url }: { mode?: string; url?: string }): Promise<object> => {
      asked.push(mode)
      if (url !== undefined) void scene.follow(url) // the client's own browser
      return { action: "accept", ...(url === undefined ? { content: {} } : {}) }
    }
    const canBeAsked = "elicitation" in row.capabilities
    const answers = canBeAsked ? { "elicitation/create": elicit } : {}
    await using client = await scene.connect(row.sdk, { answers, traits: { capabilities: row.capabilities } })
    expect(textOf(await client.call("echo", { text: "before" }))).toBe("before")

    scene.revoke()
    const answer = await client.call("echo", ECHO)

    expect(answer.isError).not.toBe(true)
    expect(textOf(answer)).toBe("hello")
    expect(asked).toEqual(row.asked)
    await expect.poll(() => scene.browser.walks()).toHaveLength(2) // the first sign-in, and this one
    expect(scene.server.callsOf("echo")).toHaveLength(2)
    expect(textOf(await client.call("echo", { text: "after" }))).toBe("after") // the session lives on
  },
)

test.each(sdks)("3.3: $title without a display gets the link and the command, and goes on once somebody has followed it", async (sdk) => {
  await using scene = await makeSignInScene()
  await scene.signIn()
  await using client = await scene.connect(sdk, { browser: false })
  await client.call("echo", ECHO)
  scene.revoke()

  const told = await client.call("echo", ECHO)
  const [link = ""] = /https?:\/\/\S+/.exec(textOf(told)?.split("open ")[1] ?? "") ?? []
  await scene.follow(link)

  expect(told.isError).toBe(true)
  expect(textOf(told)).toContain("postern auth linear")
  expect(textOf(await client.call("echo", ECHO))).toBe("hello")
})

test.each(sdks)("$title that starts while nobody is signed in sees a tool to sign in with, and then the server's own", async (sdk) => {
  await using scene = await makeSignInScene()
  scene.server.handler = ({ message }, response) => {
    if (message?.method !== "resources/list") return false
    return json(response, { jsonrpc: "2.0", id: message.id, error: { code: -32601, message: "Method not found" } })
  }
  await using client = await scene.connect(sdk)

  const before = await client.listTools()
  const prompts = await client.listPrompts()
  const signedIn = await client.call("authenticate")
  await client.sawNotification("notifications/tools/list_changed")
  const after = await client.listTools()

  expect(before.tools.map(({ name }) => name)).toEqual(["authenticate"])
  expect(prompts.prompts.map(({ name }) => name)).toEqual(["auth"])
  expect(textOf(signedIn)).toContain("Signed in to linear")
  expect(after.tools.map(({ name }) => name)).toEqual(["echo", "whoami", "write", "admin"])
  await expect.poll(() => scene.browser.walks()).toHaveLength(1)
  expect((await client.listResources()).resources).toEqual([]) // the server has none, and the client was told that it may
})

test.each(sdks)("3.3: $title signs in by the prompt auth, as a person asks for it", async (sdk) => {
  await using scene = await makeSignInScene()
  await scene.signIn()
  await using client = await scene.connect(sdk)
  scene.revoke()

  const prompt = await client.getPrompt({ name: "auth" })

  expect(JSON.stringify(prompt.messages)).toContain("I am signed in to linear")
  await expect.poll(() => scene.browser.walks()).toHaveLength(2)
})

test.each(sdks)("$title whose person declines gets a clean answer, and the session lives on", async (sdk) => {
  await using scene = await makeSignInScene()
  await scene.signIn()
  await using client = await scene.connect(sdk, { answers: { "elicitation/create": { action: "decline" } } })
  scene.revoke()

  const declined = await client.call("echo", ECHO)
  const again = await client.call("echo", ECHO)
  await scene.signIn() // in a terminal

  expect(textOf(declined)).toContain("the sign-in was declined")
  expect(textOf(again)).toContain("declined a short while ago")
  expect(textOf(await client.call("echo", ECHO))).toBe("hello")
  await expect.poll(() => scene.browser.walks()).toHaveLength(2) // both by the command
})
