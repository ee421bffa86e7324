/** Every attack is refused with its diagnosis; each pending call is answered once; nothing leaks, and nobody is led astray. */
import { expect, test } from "vitest"
import { runsOnNode } from "../../../harness/node-version.ts"
import { attacks } from "./attacks.ts"
import { setAttackStage } from "./stage.ts"

// oxlint-disable-next-line no-control-regex -- they are what is looked for
const RAW_CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

test("an honest server lets in, and all calls of a bridge with one sign-in", async () => {
  await using stage = await setAttackStage()

  const answers = await stage.callAtOnce(3)

  for (const all of answers) expect(all).toEqual([expect.objectContaining({ result: { content: [{ type: "text", text: "alice" }] } })])
  expect((await stage.browser.opened()).length).toBe(1)
  expect((await stage.auth()).code).toBe(0)
  expect(await stage.leaks()).toEqual([])
})

const rows = attacks.map((attack) => [attack.what, attack.code, attack] as const)

test.runIf(runsOnNode(24)).concurrent.for(rows)("%s is refused with %s", async ([, , attack], { expect: expectHere }) => {
  await using stage = await setAttackStage()
  attack.arrange(stage)

  const answers = await stage.callAtOnce(3)
  const { code, error, stdout, stderr } = await stage.auth()

  expectHere(attack.isReached(stage)).toBe(true)
  expectHere({ exit: code, code: error?.code }).toEqual({ exit: expectHere.not.stringMatching("0"), code: attack.code })
  for (const all of answers) {
    expectHere(all.length).toBe(1)
    const [answer] = all
    if (!process.env["NO_LADDER"])
      expectHere(answer?.error?.data?.code ?? answer?.result?.["isError"]).toSatisfy((said) => said === true || said === attack.code)
  }
  expectHere([stage.elsewhere.received, await stage.leaks()]).toEqual([[], []])
  expectHere(`${stdout}${stderr}${JSON.stringify(answers)}`).not.toMatch(RAW_CONTROLS)
  const opened = await stage.browser.opened()
  expectHere(opened.length > 0).toBe(attack.asksPerson === true)
  for (const address of opened) expectHere(new URL(address).origin).toBe(stage.server.authorization.origin)
})
