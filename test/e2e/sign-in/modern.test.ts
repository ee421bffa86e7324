/** A client and a server of revision 2026-07-28: the question stands in the result of the call, which the client sends again (S69 to S71). */
import { expect, test } from "vitest"
import { modernSdk } from "../../harness/foreign-client.ts"
import { makeModernScene, textOf } from "./scene.ts"

test("3.3: SDK v2 of the modern era opens the link of the question, and its repeated call is answered after the sign-in", async () => {
  await using scene = await makeModernScene()
  await scene.signIn()
  const asked: unknown[] = []
  const elicit = async (question: { mode?: string; url?: string }): Promise<object> => {
    asked.push(question.mode)
    void scene.follow(question.url ?? "")
    return { action: "accept" }
  }
  const answers = { "elicitation/create": elicit }
  await using client = await scene.connect(modernSdk, { answers, traits: { capabilities: { elicitation: { url: {} } } } })
  expect(textOf(await client.call("echo", { text: "before" }))).toBe("before")

  scene.revoke()
  const answer = await client.call("echo", { text: "hello" })

  expect(textOf(answer)).toBe("hello")
  expect(asked).toEqual(["url"])
  await expect.poll(() => scene.browser.walks()).toHaveLength(2)
  for (const { body } of scene.seen()) expect(body).not.toMatch(/postern.signin|postern-state/)
})

test("3.3: SDK v2 of the modern era that knows forms only agrees, and then the browser is opened", async () => {
  await using scene = await makeModernScene()
  await scene.signIn()
  const asked: unknown[] = []
  const elicit = async ({ message }: { message?: string }): Promise<object> => {
    asked.push(message)
    return { action: "accept", content: {} }
  }
  await using client = await scene.connect(modernSdk, { answers: { "elicitation/create": elicit } })

  scene.revoke()
  const answer = await client.call("echo", { text: "hello" })

  expect(textOf(answer)).toBe("hello")
  expect(asked).toEqual(["Sign in to linear in the browser?"])
  await expect.poll(() => scene.browser.walks()).toHaveLength(2)
})

test("3.3: SDK v2 of the modern era whose person declines gets a clean answer, and the next call is not asked for", async () => {
  await using scene = await makeModernScene()
  await scene.signIn()
  const answers = { "elicitation/create": { action: "decline" } }
  await using client = await scene.connect(modernSdk, { answers, traits: { capabilities: { elicitation: { url: {} } } } })
  scene.revoke()

  const declined = await client.call("echo", { text: "hello" })
  const again = await client.call("echo", { text: "hello" })

  expect(textOf(declined)).toContain("the sign-in was declined")
  expect(textOf(again)).toContain("declined a short while ago")
})
