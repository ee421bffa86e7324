/**
 * A desktop session of a test's own: a real D-Bus daemon and a real GNOME Keyring, in a folder that `await using` removes.
 * Nothing of the session that the tests run in is reached.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chown, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { promisify } from "node:util"
import { makeFolder } from "../core/folder.ts"

export interface KeyringSession extends AsyncDisposable {
  /** The folder that XDG_RUNTIME_DIR names. */
  readonly path: string
  /** What a process of this session has, beside PATH. */
  readonly env: Readonly<Record<string, string>>
  /** The keys of all vaults of this session, by account. */
  keys(): Promise<Readonly<Record<string, string>>>
  /** Does what a person would with a keychain program. */
  setKey(account: string, key: string): Promise<void>
  removeKey(account: string): Promise<void>
  /** The daemon ends, and comes back locked: nobody has typed a password. */
  lock(): Promise<void>
  unlock(): Promise<void>
  /** The daemon is killed, whatever it is doing. */
  kill(): Promise<void>
}

export interface SessionOptions {
  /** What asks for a password: nothing that could show a window, or a window that nobody answers. */
  readonly prompter?: "none" | "hangs"
  /** Rules of the bus, in the words of dbus-daemon(1). */
  readonly rules?: string
  /** `none`: there is no keyring that a key could be stored in; `absent`: no Secret Service at all. */
  readonly keyring?: "unlocked" | "none" | "absent"
  /** Whose session it is; default: of whoever runs the test. Another one needs root. */
  readonly uid?: number
}

const TOOLS = ["dbus-daemon", "gnome-keyring-daemon"]
const missing = TOOLS.filter((tool) => spawnSync("sh", ["-c", 'command -v "$0"', tool]).status !== 0)

/** Why a test cannot have a session here; undefined where it can. In CI the packages are there, or the test fails. */
export const noSession =
  missing.length === 0 || process.env["CI"] ? undefined : `not installed here: ${missing.join(", ")} (apt: gnome-keyring dbus)`

export async function startKeyringSession(options: SessionOptions = {}): Promise<KeyringSession> {
  const { prompter = "none", rules = "", keyring = "unlocked", uid } = options
  const as = uid === undefined ? {} : { uid, gid: uid }
  const folder = await makeFolder()
  if (uid !== undefined) await chown(folder.path, uid, uid)
  const started: ChildProcess[] = []
  let said = ""
  const env = {
    HOME: folder.path,
    XDG_RUNTIME_DIR: folder.path,
    XDG_DATA_HOME: folder.at("share"),
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${folder.at("bus")}`,
  }
  const start = (command: string, args: readonly string[]): ChildProcess => {
    const child = spawn(command, args, { env: { PATH: process.env["PATH"], ...env }, ...as, stdio: "pipe" })
    child.stderr.on("data", (text) => (said += String(text)))
    started.push(child)
    return child
  }
  const end = async (child: ChildProcess | undefined): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill("SIGKILL")
    await once(child, "exit")
  }

  // A window that nobody answers, for as long as there is a session.
  const hanging = `/bin/sh -c "while test -S ${folder.at("bus")}; do sleep 0.2; done"`
  const exec = prompter === "hangs" ? hanging : "/bin/false"
  await writeFile(folder.at("prompter.service"), `[D-BUS Service]\nName=org.gnome.keyring.SystemPrompter\nExec=${exec}\n`)
  await writeFile(folder.at("bus.conf"), busConfiguration(folder.path, rules))
  await firstOutput(start("dbus-daemon", [`--config-file=${folder.at("bus.conf")}`, "--nofork", "--print-address"]))

  let daemon: ChildProcess | undefined
  const ask = (...args: readonly string[]): Promise<string> =>
    askLibrary({ env, ...as }, ...args).catch((cause: unknown) => {
      const state = daemon?.exitCode ?? daemon?.signalCode ?? "nothing yet"
      throw new Error(`The keyring cannot be asked; its daemon ended with ${state}, and it and the bus said: ${said}`, { cause })
    })
  const startDaemon = async (password: string | undefined): Promise<void> => {
    await end(daemon)
    const unlock = password === undefined ? [] : ["--unlock"]
    daemon = start("gnome-keyring-daemon", ["--foreground", "--components=secrets", ...unlock])
    daemon.stdin?.end(password ?? "")
    await ask("until-served")
  }
  if (keyring !== "absent") await startDaemon(keyring === "unlocked" ? PASSWORD : undefined)

  return {
    path: folder.path,
    env,
    keys: async () => JSON.parse(await ask("list")) as Readonly<Record<string, string>>, // as the script below says
    setKey: async (account, key) => void (await ask("set", account, key)),
    removeKey: async (account) => void (await ask("remove", account)),
    lock: () => startDaemon(undefined),
    unlock: () => startDaemon(PASSWORD),
    kill: () => end(daemon),
    async [Symbol.asyncDispose]() {
      for (const child of started.toReversed()) await end(child)
      await folder[Symbol.asyncDispose]()
    },
  }
}

const PASSWORD = "the password of this login"

const busConfiguration = (folder: string, rules: string): string => `<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <servicedir>${folder}</servicedir>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>${rules}</policy>
</busconfig>
`

async function firstOutput(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`${child.spawnfile} ended with ${String(code)}`)
  })
  if (child.stdout) await Promise.race([once(child.stdout, "data"), ended])
  ended.catch(() => undefined) // its later end is ours
}

/** Looks with the library itself, in a process of its own: what it blocks is not the test. */
const SCRIPT = `
const { Entry, findCredentials } = require(process.argv[1])
const [op, account, key] = process.argv.slice(2)
const entry = (name) => new Entry("postern", name, { linux: { store: "secret-service" } })
if (op === "set") entry(account).setPassword(key)
if (op === "remove") entry(account).deleteCredential()
if (op === "list") console.log(JSON.stringify(Object.fromEntries(findCredentials("postern").map((one) => [one.account, one.password]))))
const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
for (let tries = 1; op === "until-served"; tries++) {
  try { entry("nobody").getPassword(); break } catch (error) { if (/Rejected/.test(error.message)) break; if (tries === 1000) throw error }
  pause()
}
`

interface Asker {
  readonly env: Readonly<Record<string, string>>
  readonly uid?: number
  readonly gid?: number
}

async function askLibrary(asker: Asker, ...args: readonly string[]): Promise<string> {
  const library = createRequire(import.meta.url).resolve("@napi-rs/keyring")
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", SCRIPT, library, ...args], { ...asker, env: { ...asker.env } })
  return stdout
}
