/** A machine of its own for the sessions that the pages show: a home, a shell, a protected server, and scenes to begin with. */
import { execFile } from "node:child_process"
import { chmod, mkdir, mkdtemp, readFile, realpath, rename, rm, writeFile } from "node:fs/promises"
import { type RequestListener, createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { startEverything } from "../../servers/everything.ts"
import { type KeyringSession, noSession, startKeyringSession } from "../../vault/keyring-session.ts"

const DIST = process.env["POSTERN_DIST"] ?? fileURLToPath(new URL("../../../dist", import.meta.url))
const TOKEN = "secret-token-123"

/** What differs from run to run, as the pages show it. */
const SHOWN = {
  home: "/home/you",
  session: "/run/user/1000",
  server: "127.0.0.1:45975",
  portal: "127.0.0.1:45999",
  moved: "127.0.0.1:45998",
  silent: "127.0.0.1:45997",
  time: "2026-11-23T23:22:59.441Z",
  fingerprints: ["40826f4d", "b816c1ad", "36a72866"],
} as const

export interface Stage extends AsyncDisposable {
  /** Runs one line of a shell, as it is shown, in the project folder. @returns all that it wrote, as it is shown */
  run(line: string): Promise<string>
  /**
   * Sets a scene up by its name.
   *
   * @returns false where it cannot be played on this machine
   */
  setUp(scene: string): Promise<boolean>
}

/** What a scene works with. */
interface Set {
  type(line: string): Promise<string>
  /** Writes a file; a relative path starts at the home. */
  write(path: string, text: string): Promise<void>
  edit(path: string, change: (text: string) => string): Promise<void>
  /** From here on commands run in a desktop session with a keychain. */
  enterDesktop(): Promise<void>
  readonly home: string
}

const CONFIG = ".config/postern/config.json"
const KEY = ".local/state/postern/vault.key"
const PROJECT = "projects/shop/.postern.json"
const SERVER = `http://${SHOWN.server}/mcp`
const add = (name: string, rest: string): string => `postern add ${name} ${rest}`
const withKey = (set: Set): Promise<string> => set.type(add("weather-service", `--header 'Authorization: Bearer ${TOKEN}' ${SERVER}`))

const DATA_TOOL = { type: "http", url: SERVER, headers: { Authorization: "Bearer ${APP_API_TOKEN}", "X-Org-Id": "org-888" } }
const SHOP_API = { type: "http", url: SERVER, headers: { Authorization: "Bearer ${SHOP_TOKEN}" } }
const HELPER = { command: "node", args: ["./helper.js"], env: { MODE: "dev" } }

/** Needs the programs of a desktop session. */
const WITH_KEYCHAIN = "with-keychain"

const scenes: Readonly<Record<string, (set: Set) => Promise<unknown>>> = {
  empty: () => Promise.resolve(),
  "with-key": withKey,
  "with-new-key": async (set) => {
    await withKey(set)
    await set.write("projects/shop/new-key.txt", "secret-token-456")
  },
  "wrong-key": (set) => set.type(add("weather-service", `--header 'Authorization: Bearer wrong' ${SERVER}`)),
  "no-proof": (set) => set.type(add("bare", SERVER)),
  variable: (set) => set.type(add("weather-var", `--header 'Authorization: Bearer \${APP_API_TOKEN}' ${SERVER}`)),
  several: async (set) => {
    await withKey(set)
    await scenes["variable"]?.(set)
    await set.type(add("minted", `--headers-command 'my-token-tool --as-headers' ${SERVER}`))
    await set.type(add("files", "--env LOG_LEVEL=debug --env API_TOKEN=abcdef123456 -- node /path/to/server.js"))
  },
  "changed-project": async (set) => {
    await set.type(add("shop-api", `--scope project --header 'Authorization: Bearer \${SHOP_TOKEN}' ${SERVER}`))
    await set.write("projects/shop/helper.js", "console.log(1)\n")
    await set.write(PROJECT, JSON.stringify({ mcpServers: { "shop-api": SHOP_API, helper: HELPER } }))
  },
  "settings-file": (set) => set.write("projects/shop/.claude/settings.json", JSON.stringify({ mcpServers: { "data-tool": DATA_TOOL } })),
  "bad-file": (set) => set.write("projects/shop/bad.json", '{"mcpServers": {"a": {"url": "https://x.example/mcp", "headers": {"A": 5}}}}'),
  "other-address": async (set) => {
    await withKey(set)
    await set.edit(CONFIG, (text) => text.replace(/http:\/\/[^/]+/, "http://localhost:1"))
  },
  "secret-gone": async (set) => {
    await withKey(set)
    await set.type("postern vault remove weather-service.authorization")
  },
  "loose-key": async (set) => {
    await withKey(set)
    await chmod(join(set.home, KEY), 0o644)
  },
  "lost-key": async (set) => {
    await withKey(set)
    await rename(join(set.home, KEY), join(set.home, "vault.key"))
  },
  "with-passphrase": async (set) => {
    await set.write(".passphrase", "correct horse battery staple\n")
    await chmod(join(set.home, ".passphrase"), 0o600)
    const given = `POSTERN_PASSPHRASE_FILE=${set.home}/.passphrase`
    await set.type(`${given} ${add("weather-service", `--header 'Authorization: Bearer ${TOKEN}' ${SERVER}`)}`)
  },
  [WITH_KEYCHAIN]: async (set) => {
    await set.enterDesktop()
    await withKey(set)
  },
  silent: (set) => set.type(`postern add-json silent '{"url": "http://${SHOWN.silent}/mcp", "timeout": 1000}'`),
  down: (set) => set.type(add("down", "http://127.0.0.1:9/mcp")),
  portal: (set) => set.type(add("portal", `http://${SHOWN.portal}/mcp`)),
  moved: (set) => set.type(add("moved", `http://${SHOWN.moved}/mcp`)),
  "failing-command": (set) => set.type(add("hc", `--headers-command 'echo nope; exit 1' ${SERVER}`)),
  "failing-process": (set) => set.type(add("exits", `-- node -e 'console.error("Error: cannot find module x");process.exit(3)'`)),
}

/** Builds the stage: a server that asks for its token, one that answers like a network's sign-in page, one that redirects away. */
export async function openStage(): Promise<Stage> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "postern-words-")))
  const home = join(root, "home")
  const session = join(root, "session")
  const everything = await startEverything(TOKEN)
  const portal = await listen((_, answer) => answer.setHeader("content-type", "text/html").end("<html>Sign in to the network</html>"))
  const moved = await listen((_, answer) => answer.writeHead(307, { location: "https://elsewhere.example/mcp" }).end())
  const silent = await listen(() => undefined)
  const places = [
    [home, SHOWN.home],
    [session, SHOWN.session],
    [new URL(everything.url).host, SHOWN.server],
    [portal.host, SHOWN.portal],
    [moved.host, SHOWN.moved],
    [silent.host, SHOWN.silent],
  ] as const
  await mkdir(join(root, "bin"))
  await writeFile(join(root, "bin/postern"), `#!/bin/sh\nexec '${process.execPath}' '${join(DIST, "bin/postern.js")}' "$@"\n`, {
    mode: 0o755,
  })

  const real = (text: string): string => places.reduce((all, [inside, shown]) => all.replaceAll(shown, inside), text)
  let show = shownText(places)
  let keyring: KeyringSession | undefined
  /** Which keychain commands reach. */
  let desktop: NodeJS.ProcessEnv = {}
  const enterDesktop = async (): Promise<void> => {
    keyring ??= await startKeyringSession()
    const { DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR } = keyring.env
    desktop = { DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR }
  }
  const type = async (line: string): Promise<string> => {
    const env = { PATH: `${join(root, "bin")}:${process.env["PATH"]}`, HOME: home, XDG_RUNTIME_DIR: session, ...desktop }
    // A credential that is asked for comes from a pipe here; everything else has nothing to read.
    const command = / -'/.test(line) ? `printf %s ${TOKEN} | ${real(line)}` : `${real(line)} ${line.includes(" < ") ? "" : "</dev/null"}`
    const options = { env, cwd: join(home, "projects/shop") }
    const { stdout } = await promisify(execFile)("sh", ["-c", `{ ${command}\n} 2>&1; true`], options)
    return stdout
  }
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(resolve(home, path)), { recursive: true })
    await writeFile(resolve(home, path), real(text))
  }
  const set: Set = {
    type,
    write,
    home,
    enterDesktop,
    edit: async (path, change) => write(path, change(await readFile(resolve(home, path), "utf8"))),
  }

  return {
    run: async (line) => show(await type(line)),
    async setUp(scene) {
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
      await mkdir(join(home, "projects/shop/.git"), { recursive: true })
      show = shownText(places)
      desktop = {}
      const play = scenes[scene]
      if (play === undefined) throw new Error(`there is no scene "${scene}"`)
      if (scene === WITH_KEYCHAIN && noSession !== undefined) return false
      await play(set)
      return true
    },
    async [Symbol.asyncDispose]() {
      await keyring?.[Symbol.asyncDispose]()
      await everything[Symbol.asyncDispose]()
      portal.close()
      moved.close()
      silent.close()
      await rm(root, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Fingerprints are keyed by chance: within a scene, each new one is shown as the next of a fixed list. */
function shownText(places: readonly (readonly [string, string])[]): (text: string) => string {
  const fingerprints = new Map<string, string>()
  const showFingerprint = (fingerprint: string): string => {
    const shown = fingerprints.get(fingerprint) ?? SHOWN.fingerprints[fingerprints.size % SHOWN.fingerprints.length] ?? fingerprint
    fingerprints.set(fingerprint, shown)
    return shown
  }
  return (text) =>
    places
      .reduce((all, [inside, shown]) => all.replaceAll(inside, shown), text)
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, SHOWN.time)
      .replace(/\b[0-9a-f]{8}\b/g, showFingerprint)
}

async function listen(answer: RequestListener): Promise<{ readonly host: string; close(): void }> {
  const server = createServer(answer)
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  const { port } = server.address() as AddressInfo // it listens on a port
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  return { host: `127.0.0.1:${port}`, close }
}
