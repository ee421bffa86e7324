/**
 * Starts the person's browser: by a program and its arguments, never by a shell.
 *
 * The address comes from a server in the end, so it is one argument in its serialised form. A shell, `cmd /c start` or PowerShell
 * would read it once more (MCP security best practices: never through a shell; CVE-2025-6514).
 */
import { spawn } from "node:child_process"
import { delimiterOf, type Environment } from "./places.ts"

/** The browser of the person at this machine. */
export interface Browser {
  /** Whether there is one to start: not over SSH or in a container without a display, unless `BROWSER` names one. */
  readonly present: boolean
  /**
   * Opens a page.
   *
   * @param url - has passed the gate for addresses
   * @returns whether a browser was started: an opener that is missing, or says that it failed, gives way to the next one
   * @throws {TypeError} if the address is none that a person may be sent to; the reason of `signal` when it aborts first
   */
  open(url: URL, signal: AbortSignal): Promise<boolean>
}

/** A program and its arguments; `%s` stands where the address goes. */
export type Opener = readonly [program: string, ...args: string[]]

const ADDRESS = "%s"
/** An opener that still runs after this has not failed: it is the browser itself, in milliseconds. */
const SETTLED_MS = 3_000

/** Finds the browser of one environment. */
export function findBrowser(env: Environment, platform: NodeJS.Platform = process.platform): Browser {
  const openers = openersOf(env, platform)
  return {
    present: openers.length > 0,
    async open(url, signal) {
      assertLink(url)
      for (const opener of openers) if (await start(opener, url.href, env, signal)) return true
      return false
    },
  }
}

/**
 * Makes sure that an address may be opened by, or shown as a link to, a person: `https`, or `http` on this machine, without a user
 * name. Whoever comes here has asked the gate for addresses before; this holds also if a path round it were found.
 *
 * @throws {TypeError} with the reason
 */
export function assertLink(url: URL): void {
  const refuse = (why: string): never => {
    throw new TypeError(`url: ${why}`)
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") refuse("neither https nor http")
  if (url.protocol === "http:" && !isLoopbackHost(url.hostname)) refuse("http to another machine")
  if (url.username || url.password) refuse("it holds a user name")
  // A serialised address is such a text by its standard; what a browser gets on its command line does not hang on that alone.
  if (!/^https?:\/\/[\u0021-\u007e]+$/.test(url.href)) refuse("it holds characters that no address has")
}

/** Whether a host, as `URL.hostname` spells it, is this machine by its very name (RFC 6761 section 6.3); no name is looked up. */
function isLoopbackHost(host: string): boolean {
  return /(^|\.)localhost\.?$/.test(host) || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host)
}

/**
 * What can be tried, in order.
 *
 * `BROWSER` is read as other tools read it (xdg-open, Python's webbrowser): one or more command lines with the separator of PATH
 * between them, `%s` for the address or else the address at the end. It is then all there is. macOS and Windows were not tried here.
 */
export function openersOf(env: Environment, platform: NodeJS.Platform): readonly Opener[] {
  const named = env["BROWSER"]
  if (named) return named.split(delimiterOf(platform)).flatMap((line) => namedOpener(line, platform))
  const isRemote = env["SSH_CONNECTION"] !== undefined
  if (platform === "darwin") return isRemote ? [] : [["/usr/bin/open", ADDRESS]]
  if (platform === "win32") return isRemote ? [] : [windowsOpener(`${env["SystemRoot"] || "C:\\Windows"}\\System32\\rundll32.exe`)]
  const hasDisplay = Boolean(env["DISPLAY"] || env["WAYLAND_DISPLAY"])
  const isWsl = env["WSL_DISTRO_NAME"] !== undefined && !isRemote
  return [
    ...(isWsl ? [windowsOpener("/mnt/c/Windows/System32/rundll32.exe"), windowsOpener("rundll32.exe")] : []),
    ...(hasDisplay ? LINUX_OPENERS : []),
  ]
}

const LINUX_OPENERS: readonly Opener[] = [
  ["xdg-open", ADDRESS],
  ["gio", "open", ADDRESS],
  ["x-www-browser", ADDRESS],
]

/** Windows' own way to open an address with the program that is registered for it, without a shell in between. */
const windowsOpener = (program: string): Opener => [program, "url.dll,FileProtocolHandler", ADDRESS]

function namedOpener(line: string, platform: NodeJS.Platform): readonly Opener[] {
  const [program, ...args] = words(line, platform).filter((word, index, all) => word !== "&" || index < all.length - 1)
  if (program === undefined || program.includes(ADDRESS)) return []
  return [[program, ...(args.some((word) => word.includes(ADDRESS)) ? args : [...args, ADDRESS])]]
}

/** The words of a command line, with quotes as a shell has them, and nothing else of a shell. A backslash is a letter on Windows. */
function words(line: string, platform: NodeJS.Platform): readonly string[] {
  const text = platform === "win32" ? line.replaceAll("\\", "\\\\") : line
  const found = text.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/g) ?? []
  const unescape = (escaped: string): string => escaped.replace(/\\(.)/g, "$1")
  return found.map((word) =>
    word.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g, (_, double?: string, single?: string, char?: string) =>
      double === undefined ? (single ?? char ?? "") : unescape(double),
    ),
  )
}

/** @returns whether it did not fail, as far as one can tell within `SETTLED_MS`. It lives on after us. */
function start([program, ...args]: Opener, address: string, env: Environment, signal: AbortSignal): Promise<boolean> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const child = spawn(
      program,
      args.map((word) => word.replaceAll(ADDRESS, () => address)),
      { env: sessionEnvironment(env), stdio: "ignore", detached: true, shell: false, windowsHide: true },
    )
    const settle = (end: () => void): void => {
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
      end()
    }
    const onAbort = (): void => settle(() => reject(signal.reason as Error)) // our own reasons are errors
    const timer = setTimeout(() => settle(() => resolve(true)), SETTLED_MS)
    signal.addEventListener("abort", onAbort, { once: true })
    child.on("error", () => settle(() => resolve(false)))
    child.on("exit", (code) => settle(() => resolve(code === 0)))
    child.unref()
  })
}

/**
 * What a program with windows needs of the environment. Nothing else goes there: ours may hold the keys of every server, and a
 * browser hands its own on to all that it starts.
 */
const SESSION_VARIABLES =
  /^(HOME|LOGNAME|PATH|SHELL|TERM|USER|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|TMP|TEMP|APPDATA|LOCALAPPDATA|COMSPEC|HOMEDRIVE|HOMEPATH|PATHEXT|PROGRAMDATA|PROGRAMFILES|SYSTEMDRIVE|SYSTEMROOT|USERNAME|USERPROFILE|WINDIR|BROWSER|DISPLAY|WAYLAND_[A-Z_]+|XAUTHORITY|DBUS_SESSION_BUS_ADDRESS|XDG_[A-Z_]+|DESKTOP_[A-Z_]+|KDE_[A-Z_]+|GNOME_[A-Z_]+|GTK_[A-Z_]+|QT_[A-Z_]+|MOZ_[A-Z_]+|WSL[A-Z_0-9]+|VSCODE_IPC_HOOK_CLI|(HTTP|HTTPS|NO|ALL)_PROXY)$/i

function sessionEnvironment(env: Environment): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => SESSION_VARIABLES.test(name)))
}
