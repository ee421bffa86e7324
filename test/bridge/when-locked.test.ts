/** When what deals with a locked door is loaded. */
import { expect, onTestFinished, test } from "vitest"
import { whenLocked } from "../../src/bridge/when-locked.ts"
import { editResult, withCapabilities } from "../../src/bridge/sign-in/promises.ts"
import { type TestBridge, startBridge } from "../harness/bridge.ts"
import { startMcpServer } from "../servers/mcp-server.ts"
import { startSignInPage } from "../servers/sign-in-page.ts"

/** A bridge that counts how often that is loaded; what it loads lets messages through. */
async function makeScene({
  signedIn,
  promises,
}: {
  signedIn: boolean
  promises: boolean
}): Promise<{ bridge: TestBridge; loads: unknown[] }> {
  const server = await startMcpServer({ key: "k-1" })
  const page = await startSignInPage(() => "k-1")
  if (signedIn) page.subject = "alice"
  const loads: unknown[] = []
  const bridge = startBridge(server.url, {
    authenticator: page.authenticator,
    wrap: (side) =>
      whenLocked(side, {
        promise: promises ? (answer) => editResult(answer, withCapabilities) : undefined,
        load: async ({ initialize, answer }) => {
          loads.push([initialize?.method, answer?.kind])
          return side
        },
      }),
  })
  onTestFinished(async () => {
    await bridge[Symbol.asyncDispose]()
    await page[Symbol.asyncDispose]()
    await server.close()
  })
  return { bridge, loads }
}

test("a server that lets us in never loads it, and passes untouched", async () => {
  const { bridge, loads } = await makeScene({ signedIn: true, promises: false })

  const opened = await bridge.open()
  await bridge.request("tools/list")

  expect(opened.result?.["capabilities"]).toEqual({ tools: {} })
  expect(loads).toEqual([])
})

test("where somebody has signed in the opening promises a prompt, and the first request after it loads what keeps that", async () => {
  const { bridge, loads } = await makeScene({ signedIn: true, promises: true })

  const opened = await bridge.open()
  expect(loads).toEqual([])
  await Promise.all([bridge.request("tools/list"), bridge.request("prompts/list")])

  expect(opened.result?.["capabilities"]).toEqual({ tools: { listChanged: true }, prompts: { listChanged: true } })
  expect(loads).toEqual([["initialize", "response"]]) // once, and it knows how the session was opened
})

test("the first locked door loads it, and the message that met the door is carried by it", async () => {
  const { bridge, loads } = await makeScene({ signedIn: false, promises: false })

  const opened = await bridge.open()

  expect(opened.error?.data?.code).toBe("not-signed-in") // what was loaded here only lets messages through
  expect(loads).toEqual([["initialize", undefined]])
})
