/** How a person at a terminal is sent to a page. Typed answers are tried on a real terminal in test/e2e. */
import { PassThrough } from "node:stream"
import { expect, test } from "vitest"
import type { Interaction } from "../../src/auth/interaction.ts"
import { terminalInteraction } from "../../src/cli/terminal.ts"
import type { Environment } from "../../src/core/places.ts"

const signal = new AbortController().signal
const link = { url: new URL("https://auth.example.com/authorize?state=abc"), message: "Sign in to linear" }

function makeTerminal(env: Environment, browser = true): { readonly interaction: Interaction; said(): string } {
  const stderr = new PassThrough()
  const note = (text: string): void => void stderr.write(`${text}\n`)
  const interaction = terminalInteraction({ stdin: new PassThrough(), stderr, env, interactive: false, note }, { browser })
  return { interaction, said: () => String(stderr.read() ?? "") }
}

test("a link is opened in the browser, and printed all the same", async () => {
  const { interaction, said } = makeTerminal({ PATH: process.env["PATH"], BROWSER: "true" })

  expect(await interaction.openLink(link, signal)).toBe("opened")

  expect(said()).toBe("Sign in to linear:\n\n  https://auth.example.com/authorize?state=abc\n\n")
})

test("without a browser, or with --no-browser, the link is printed only", async () => {
  const without = makeTerminal({ PATH: process.env["PATH"] })
  const unwanted = makeTerminal({ PATH: process.env["PATH"], BROWSER: "true" }, false)

  expect(await without.interaction.openLink(link, signal)).toBe("shown")
  expect(await unwanted.interaction.openLink({ ...link, code: "WDJB-MJHT" }, signal)).toBe("shown")

  expect(without.said()).toContain(link.url.href)
  expect(unwanted.said()).toContain("The page asks for this code: WDJB-MJHT\n")
})

test("a browser that cannot be started is told", async () => {
  const { interaction, said } = makeTerminal({ PATH: process.env["PATH"], BROWSER: "false" })

  expect(await interaction.openLink(link, signal)).toBe("shown")

  expect(said()).toMatch(/https:\/\/auth\.example\.com\/authorize[^]*No browser could be started\. Open the link by hand\.\n$/)
})

test("a refused address is neither opened nor shown", async () => {
  const { interaction, said } = makeTerminal({ PATH: process.env["PATH"], BROWSER: "true" })

  await expect(interaction.openLink({ ...link, url: new URL("file:///etc/passwd") }, signal)).rejects.toThrow(TypeError)

  expect(said()).toBe("")
})

test("control characters of a message do not reach the terminal", async () => {
  const { interaction, said } = makeTerminal({})

  await interaction.openLink({ ...link, message: "Sign in to \u001b]0;x\u0007 linear", code: "\u009b2J" }, signal)

  // oxlint-disable-next-line no-control-regex -- these characters are what it is about
  expect(said()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
})

test("nobody is asked where there is no terminal", async () => {
  const { interaction } = makeTerminal({})

  await expect(interaction.askText("The address that the browser was sent to", signal)).rejects.toMatchObject({
    diagnosis: { code: "nobody-to-ask", kind: "usage" },
  })
})
