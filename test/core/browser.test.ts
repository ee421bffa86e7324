/** Starting a browser: what runs, with which arguments and variables, and which addresses never get that far. */
import { chmod, mkdir, readFile, readdir, writeFile } from "node:fs/promises"
import fc from "fast-check"
import { expect, onTestFinished, test } from "vitest"
import { type Opener, findBrowser, openersOf } from "../../src/core/browser.ts"
import type { Environment } from "../../src/core/places.ts"
import { type TestFolder, makeFolder } from "./folder.ts"

const signal = new AbortController().signal
const PAGE = new URL("https://auth.example.com/authorize?state=1&x=%24%28id%29")

interface Desktop {
  readonly env: Environment
  readonly folder: TestFolder
  /** What the openers were started with: one list of arguments for each start, its program first. */
  started(): Promise<readonly (readonly string[])[]>
}

/** A desktop with programs of our own first in PATH, each of which logs its arguments and does what `script` says. */
async function makeDesktop(programs: Readonly<Record<string, string>>, env: Environment = { DISPLAY: ":1" }): Promise<Desktop> {
  const folder = await makeFolder()
  onTestFinished(() => folder[Symbol.asyncDispose]())
  await mkdir(folder.at("log"))
  await mkdir(folder.at("bin"))
  for (const [name, script] of Object.entries(programs)) {
    const log = `log=$(mktemp ${folder.at("log")}/$(date +%s%N).XXXXXX); printf '%s\\0' ${name} "$@" > $log`
    await writeFile(folder.at("bin", name), `#!/bin/sh\n${log}\n${script}\n`)
    await chmod(folder.at("bin", name), 0o755)
  }
  return {
    folder,
    env: { PATH: `${folder.at("bin")}:/usr/bin:/bin`, ...env },
    async started() {
      const logs = (await readdir(folder.at("log"))).toSorted()
      return Promise.all(logs.map(async (file) => (await readFile(folder.at("log", file), "utf8")).split("\0").slice(0, -1)))
    },
  }
}

test("the address is one argument of the opener, as it is serialised", async () => {
  const desktop = await makeDesktop({ "xdg-open": "exit 0" })

  const opened = await findBrowser(desktop.env, "linux").open(PAGE, signal)

  expect(opened).toBe(true)
  expect(await desktop.started()).toEqual([["xdg-open", "https://auth.example.com/authorize?state=1&x=%24%28id%29"]])
})

test("no shell reads an address: what it would run is not run", async () => {
  const desktop = await makeDesktop({ "xdg-open": "exit 0" })
  const canary = desktop.folder.at("canary")
  const hostile = new URL(
    `https://a.example/$(touch$\{IFS}${canary})\`touch$\{IFS}${canary}\`;touch$\{IFS}${canary}&touch$\{IFS}${canary}|'x`,
  )

  await findBrowser(desktop.env, "linux").open(hostile, signal)

  expect(await desktop.started()).toEqual([["xdg-open", hostile.href]]) // the trap was reached
  expect(await readdir(desktop.folder.path)).not.toContain("canary")
})

test("an opener that fails or is missing gives way to the next one, and the last failure is told", async () => {
  const desktop = await makeDesktop({ "xdg-open": "exit 3", gio: "exit 0" })
  const poor = await makeDesktop({ "xdg-open": "exit 3", gio: "exit 1", "x-www-browser": "exit 4" })

  expect(await findBrowser(desktop.env, "linux").open(PAGE, signal)).toBe(true)
  expect(await findBrowser(poor.env, "linux").open(PAGE, signal)).toBe(false)

  expect((await desktop.started()).map(([program]) => program)).toEqual(["xdg-open", "gio"])
  expect((await poor.started()).map(([program]) => program)).toEqual(["xdg-open", "gio", "x-www-browser"])
})

test("BROWSER is used without a display too, one command after the other, and nothing else", async () => {
  const named = "missing-browser:failing --new:good --app=%s --quiet"
  const desktop = await makeDesktop({ failing: "exit 1", good: "exit 0", "xdg-open": "exit 0" }, { BROWSER: named })

  const opened = await findBrowser(desktop.env, "linux").open(PAGE, signal)

  expect(opened).toBe(true)
  expect(await desktop.started()).toEqual([
    ["failing", "--new", PAGE.href],
    ["good", `--app=${PAGE.href}`, "--quiet"],
  ])
})

test("a browser that stays in the foreground counts as opened, and lives on", async () => {
  const desktop = await makeDesktop({ foreground: `sleep 4; : > "$(dirname "$0")/../lived-on"` }, { BROWSER: "foreground" })

  const opened = await findBrowser(desktop.env, "linux").open(PAGE, signal)

  expect(opened).toBe(true)
  await expect.poll(() => readdir(desktop.folder.path), { timeout: 30_000 }).toContain("lived-on")
})

test("the opener gets what a desktop needs, and no secret of ours", async () => {
  const secrets = { LINEAR_PAT: "secret-1", AWS_SECRET_ACCESS_KEY: "secret-2" }
  const session = { DISPLAY: ":1", XAUTHORITY: "/x", DBUS_SESSION_BUS_ADDRESS: "unix:path=/y", https_proxy: "http://127.0.0.1:1" }
  const desktop = await makeDesktop({ "xdg-open": `env > "$(dirname "$0")/../env"` }, { ...secrets, ...session })

  await findBrowser(desktop.env, "linux").open(PAGE, signal)

  const got = await readFile(desktop.folder.at("env"), "utf8")
  for (const [name, value] of Object.entries(session)) expect(got).toContain(`${name}=${value}`)
  expect(got).not.toMatch(/secret-/)
})

test("an address that no person may be sent to is refused, and no opener is started", async () => {
  const desktop = await makeDesktop({ "xdg-open": "exit 0" })
  const refused = [
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://auth.example.com/",
    "http://127.0.0.1.example.com/",
    "http://[::2]/",
    "https://user:word@auth.example.com/",
    "ms-settings:about",
    "vscode://x",
    "ssh://-oProxyCommand=x/",
  ]

  for (const address of refused) await expect(findBrowser(desktop.env, "linux").open(new URL(address), signal)).rejects.toThrow(TypeError)
  await findBrowser(desktop.env, "linux").open(new URL("http://[::1]:8/"), signal)

  expect(await desktop.started()).toEqual([["xdg-open", "http://[::1]:8/"]])
})

test("whatever an address holds, an opener that is called gets https, or http on this machine, in one word", async () => {
  const desktop = await makeDesktop({ "xdg-open": "exit 0" })
  const scheme = fc.constantFrom("https", "http", "HTTPS", "file", "javascript", "data", "ftp", "-x", "vbscript")
  const host = fc.oneof(fc.constantFrom("localhost", "127.0.0.1", "[::1]", "0x7f.1", "2130706433", "LOCALHOST.", "-rf"), fc.webAuthority())
  const rest = fc.tuple(fc.constantFrom("/", "?", "#", "/-", "@", "", ":"), fc.string({ unit: "binary" }))
  const address = fc
    .tuple(scheme, fc.constantFrom("://", ":", ":\\\\"), host, rest)
    .map(([name, parted, at, end]) => `${name}${parted}${at}${end.join("")}`)
  const browser = findBrowser(desktop.env, "linux")

  const runs = fc.asyncProperty(address, async (text) => {
    if (!URL.canParse(text)) return
    await browser.open(new URL(text), signal).catch((error: unknown) => expect(error).toBeInstanceOf(TypeError))
  })
  await fc.assert(runs, { numRuns: 150 })

  const started = await desktop.started()
  expect(started.length).toBeGreaterThan(10) // some got through
  for (const [, ...args] of started) {
    expect(args).toHaveLength(1)
    expect(args[0]).toMatch(/^(https:\/\/|http:\/\/(([\w-]+\.)*localhost\.?|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?\/)[!-~]*$/)
    expect(new URL(args[0] ?? "").username).toBe("")
  }
})

test.each<[string, Environment, NodeJS.Platform, readonly Opener[]]>([
  ["Linux without a display", {}, "linux", []],
  ["SSH without a display", { SSH_CONNECTION: "x" }, "linux", []],
  [
    "SSH with a display of one's own",
    { SSH_CONNECTION: "x", DISPLAY: "localhost:10.0" },
    "linux",
    [
      ["xdg-open", "%s"],
      ["gio", "open", "%s"],
      ["x-www-browser", "%s"],
    ],
  ],
  ["macOS", {}, "darwin", [["/usr/bin/open", "%s"]]],
  ["macOS over SSH", { SSH_CONNECTION: "x" }, "darwin", []],
  ["Windows", { SystemRoot: "D:\\Win" }, "win32", [["D:\\Win\\System32\\rundll32.exe", "url.dll,FileProtocolHandler", "%s"]]],
  ["Windows over SSH", { SSH_CONNECTION: "x" }, "win32", []],
  [
    "WSL",
    { WSL_DISTRO_NAME: "Debian" },
    "linux",
    [
      ["/mnt/c/Windows/System32/rundll32.exe", "url.dll,FileProtocolHandler", "%s"],
      ["rundll32.exe", "url.dll,FileProtocolHandler", "%s"],
    ],
  ],
  [
    "a quoted path in BROWSER",
    { BROWSER: `"/opt/My Browser/run" -P 'a b' x\\ y &` },
    "linux",
    [["/opt/My Browser/run", "-P", "a b", "x y", "%s"]],
  ],
  [
    "a path of Windows in BROWSER",
    { BROWSER: `"C:\\My Browser\\run.exe";other.exe %s` },
    "win32",
    [
      ["C:\\My Browser\\run.exe", "%s"],
      ["other.exe", "%s"],
    ],
  ],
  ["a BROWSER that would run the address", { BROWSER: "%s" }, "linux", []],
])("what is tried: %s", (_, env, platform, openers) => {
  expect(openersOf(env, platform)).toEqual(openers)
  expect(findBrowser(env, platform).present).toBe(openers.length > 0)
})
