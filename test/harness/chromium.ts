/** A real browser: Debian's Chromium, driven by playwright-core. A test plays the person who looks at its pages. */
import { existsSync } from "node:fs"
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { requireJudge } from "./judges.ts"

// The parts of playwright's face that are used here, as its documentation has them.
interface PageResponse {
  status(): number
  url(): string
  headers(): Readonly<Record<string, string>>
}
export interface Page {
  goto(url: string): Promise<PageResponse | null>
  fill(selector: string, text: string): Promise<void>
  click(selector: string): Promise<void>
  innerText(selector: string): Promise<string>
  content(): Promise<string>
  title(): Promise<string>
  url(): string
  screenshot(options: { path: string }): Promise<unknown>
  waitForURL(url: RegExp): Promise<void>
  on(event: "response", listener: (response: PageResponse) => void): void
  on(event: "dialog" | "pageerror", listener: () => void): void
}
interface Context {
  newPage(): Promise<Page>
  close(): Promise<void>
}
interface Chromium {
  launch(options: object): Promise<{ newContext(): Promise<Context>; close(): Promise<void> }>
}

const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]

/** Where the browser is; undefined where there is none. `.ci/run` installs it. */
export const chromiumPath: string | undefined = PROGRAMS.find((path) => existsSync(path))

export interface Window extends AsyncDisposable {
  /** For the environment of a command: the program that hands an address to this window. */
  readonly env: { readonly BROWSER: string }
  /** Waits for the next address that is to be opened, and opens it. */
  opened(): Promise<Page>
  /** Every address that was to be opened. */
  readonly addresses: readonly string[]
  /** Forgets who is signed in anywhere, as another profile does. */
  forget(): Promise<void>
}

/** Starts the browser, without a page yet. */
export async function openWindow(): Promise<Window> {
  const { chromium } = requireJudge("playwright-core") as { readonly chromium: Chromium }
  const browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox"] }) // CI runs as root
  let context = await browser.newContext()
  const inbox = await startInbox()
  let taken = 0

  return {
    env: { BROWSER: inbox.program },
    addresses: inbox.addresses,
    async opened() {
      const address = await inbox.at(taken++)
      const page = await context.newPage()
      await page.goto(address)
      return page
    },
    async forget() {
      await context.close()
      context = await browser.newContext()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([browser.close(), inbox[Symbol.asyncDispose]()])
    },
  }
}

interface Inbox extends AsyncDisposable {
  /** Puts its first argument into the inbox. */
  readonly program: string
  readonly addresses: readonly string[]
  /** Waits for the address with this number. */
  at(number: number): Promise<string>
}

async function startInbox(): Promise<Inbox> {
  const addresses: string[] = []
  const waiting = new Map<number, (address: string) => void>()
  const listener = http.createServer(async (request, response) => {
    let address = ""
    for await (const chunk of request) address += String(chunk)
    addresses.push(address)
    waiting.get(addresses.length - 1)?.(address)
    response.end()
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  const folder = await mkdtemp(join(tmpdir(), "postern-window-"))
  const program = join(folder, "browser.mjs")
  const to = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  await writeFile(program, `#!/usr/bin/env node\nawait fetch("${to}", { method: "POST", body: process.argv[2] })\n`)
  await chmod(program, 0o700)
  return {
    program,
    addresses,
    at: (number) => {
      const there = addresses[number]
      return there === undefined ? new Promise((resolve) => waiting.set(number, resolve)) : Promise.resolve(there)
    },
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
