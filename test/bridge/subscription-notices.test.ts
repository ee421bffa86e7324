import { expect, test } from "vitest"
import type { Authenticator } from "../../src/auth/method.ts"
import { withLockedStart } from "../../src/bridge/locked-start.ts"
import { systemClock } from "../../src/core/clock.ts"
import { silentLog } from "../../src/core/log.ts"
import { startBridge } from "../harness/bridge.ts"
import { withoutProof } from "../harness/without-proof.ts"
import { modern, startModernServer } from "../servers/modern-server.ts"

const CHANGED = "notifications/tools/list_changed"

test("a modern client hears on its subscription, under its id, that somebody else is signed in; without one it hears nothing", async () => {
  await using server = await startModernServer()
  let subject = "alice"
  const authenticator: Authenticator = { ...withoutProof, identity: async () => ({ subject, source: "test" }) }
  const browser = { present: false, open: async () => false }
  const rest = { mode: "ask", prompt: false, clean: (text: string) => text, clock: systemClock, log: silentLog } as const
  const named = { name: "linear", command: "postern auth linear", memory: undefined }
  await using bridge = startBridge(server.url, {
    authenticator,
    wrap: (side, tell, life) => withLockedStart(side, { ...named, ...rest, authenticator, browser, tell, life }),
  })
  const heard = () => bridge.messages.filter(({ method }) => method === CHANGED)
  await bridge.request("tools/list", modern({}))
  subject = "bob"
  await bridge.request("tools/list", modern({}))
  expect(heard()).toEqual([])
  bridge.send({ id: "sub", method: "subscriptions/listen", params: modern({ notifications: { toolsListChanged: true } }) })
  await bridge.heard(({ method }) => method === "notifications/subscriptions/acknowledged")

  subject = "carol"
  await bridge.request("tools/list", modern({}))
  await bridge.heard(({ method }) => method === CHANGED)

  expect(heard()).toMatchObject([{ params: { _meta: { "io.modelcontextprotocol/subscriptionId": "sub" } } }])
})
