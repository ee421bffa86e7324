/** The vault's key in a real keychain: a GNOME Keyring on a D-Bus of the test's own (keyring-session.ts). */
import { randomBytes } from "node:crypto"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, chown, copyFile, mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises"
import { type Server, createServer } from "node:net"
import { dirname } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { systemClock } from "../../src/core/clock.ts"
import { fileVault } from "../../src/vault/file.ts"
import { keyFile } from "../../src/vault/keys/key-file.ts"
import { keychainKey } from "../../src/vault/keys/keychain.ts"
import { passphraseKey } from "../../src/vault/keys/passphrase.ts"
import type { Vault } from "../../src/vault/vault.ts"
import { compile } from "../harness/compile.ts"
import { type KeyringSession, type SessionOptions, noSession, startKeyringSession } from "./keyring-session.ts"
import { type VaultFolder, makeVaultFolder } from "./vault-folder.ts"

const origin = "https://example.com"
const writerSource = new URL("./write.child.ts", import.meta.url)

interface Desktop extends AsyncDisposable {
  readonly session: KeyringSession
  readonly folder: VaultFolder
  /** The vault as another process of this session sees it. */
  open(): Vault
}

async function makeDesktop(options?: SessionOptions): Promise<Desktop> {
  const session = await startKeyringSession(options)
  const folder = await makeVaultFolder()
  return {
    session,
    folder,
    open: () => folder.open(systemClock, { env: session.env }),
    async [Symbol.asyncDispose]() {
      await folder[Symbol.asyncDispose]()
      await session[Symbol.asyncDispose]()
    },
  }
}

/** A vault whose keychain has a time limit that a test can wait for. */
function openWithLimit(
  { folder }: Pick<Desktop, "folder">,
  env: Readonly<Record<string, string>>,
  limitMs: number,
  onWait?: () => void,
): Vault {
  const [keychain, file] = [keychainKey({ env, limitMs, onWait }), keyFile(folder.keyPath)]
  const forExport = passphraseKey({ of: "the export", variable: "none", env, right: "another" })
  return fileVault({ path: folder.vaultPath, keys: [keychain, file], forNew: [keychain, file], forExport, clock: systemClock })
}

/** The processes that this one has started, and that live. */
async function children(): Promise<readonly number[]> {
  const tasks = await readdir("/proc/self/task")
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/self/task/${task}/children`, "utf8").catch(() => "")))
  return lists.join(" ").split(/\s+/).filter(Boolean).map(Number)
}

/** Those of them that speak with a keychain. */
async function helpers(): Promise<readonly string[]> {
  const read = (pid: number, name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "")
  const seen = await Promise.all((await children()).map(async (pid) => `${await read(pid, "cmdline")}\n${await read(pid, "environ")}`))
  return seen.filter((one) => one.includes("AsyncEntry"))
}

describe.skipIf(noSession !== undefined)(`with a keychain${noSession ? `, which is ${noSession}` : ""}`, () => {
  test("the key of a new vault goes to the keychain, one for each vault, and to no file", async () => {
    await using desktop = await makeDesktop()
    await using other = await makeVaultFolder()

    await desktop.open().write("key", origin, "secret")
    await other.open(systemClock, { env: desktop.session.env }).write("key", origin, "secret")

    expect(await desktop.open().read("key", origin)).toBe("secret")
    expect(Object.keys(await desktop.folder.contents())).toEqual(["data/vault.json"])
    const keys = Object.entries(await desktop.session.keys())
    expect(keys).toHaveLength(2)
    for (const [account, key] of keys) {
      expect(account).toMatch(/^[0-9a-f]{32}$/)
      expect(Buffer.from(key, "base64")).toHaveLength(32)
    }
    expect(await desktop.open().status()).toMatchObject({ keySource: "keychain", keyPlace: expect.stringContaining("Secret Service") })
  })

  test("ten kilobytes in a secret are no matter for the keychain, which holds the key only", async () => {
    await using desktop = await makeDesktop()
    const grant = randomBytes(10_000).toString("base64")

    await desktop.open().write("grant", origin, grant)

    expect(await desktop.open().read("grant", origin)).toBe(grant)
    expect(JSON.stringify(await desktop.session.keys()).length).toBeLessThan(200)
  })

  test("a locked keychain is told as locked, is never replaced by another key, and opens the vault once unlocked", async () => {
    await using desktop = await makeDesktop()
    await desktop.open().write("key", origin, "secret")
    const before = await desktop.folder.contents()
    const bridge = desktop.open()
    await desktop.session.lock()

    for (const use of [
      () => bridge.read("key", origin),
      () => desktop.open().write("other", origin, "s"),
      () => desktop.open().move("key-file"),
    ]) {
      await expect(use()).rejects.toMatchObject({
        diagnosis: { code: "keychain-locked", evidence: [expect.stringContaining("unlock prompt was dismissed")] },
      })
    }
    const status = await desktop.open().status()
    expect(await desktop.folder.contents()).toEqual(before)
    await desktop.session.unlock()

    expect(status).toMatchObject({ keySource: "keychain", fault: { code: "keychain-locked" }, entries: [{ name: "key" }] })
    expect(await bridge.read("key", origin)).toBe("secret")
  })

  test("a new vault is not made beside a locked keychain, unless somebody names another key", async () => {
    await using desktop = await makeDesktop()
    await desktop.session.setKey("a".repeat(32), "something, so that there is a keyring to be locked")
    await desktop.session.lock()

    await expect(desktop.open().write("key", origin, "secret")).rejects.toMatchObject({
      diagnosis: { code: "keychain-locked", next: expect.stringContaining("postern vault move --to key-file") },
    })
    expect(await desktop.folder.contents()).toEqual({})
    expect(await desktop.open().move("key-file")).toEqual({ to: "key-file", moved: true })
    await desktop.open().write("key", origin, "secret")

    expect(await desktop.open().status()).toMatchObject({ keySource: "key-file", entries: [{ name: "key" }] })
  })

  test("a keychain that a rule keeps from us is told as refusing", async () => {
    await using desktop = await makeDesktop({ keyring: "absent" })
    await using strict = await makeDesktop({
      rules: '<deny send_destination="org.freedesktop.secrets" send_interface="org.freedesktop.Secret.Service"/>',
    })

    const refused = strict.open().write("key", origin, "secret")

    await expect(refused).rejects.toMatchObject({
      diagnosis: { code: "keychain-denied", evidence: [expect.stringContaining("Rejected send message")] },
    })
    expect(await strict.folder.contents()).toEqual({})
    await desktop.open().write("key", origin, "secret") // the control: without the rule, and without a keyring, there is just none
    expect(await desktop.open().status()).toMatchObject({ keySource: "key-file" })
  })

  test.each(["none", "absent"] as const)("where there is no keychain to store in (%s), a new vault gets a key file", async (keyring) => {
    await using desktop = await makeDesktop({ keyring })

    const before = await desktop.open().status()
    const maker = desktop.open()
    await maker.write("key", origin, "secret")

    expect(before.exists).toBe(false)
    expect(await desktop.open().status()).toMatchObject({ keySource: "key-file", keyPlace: desktop.folder.keyPath })
    expect(await desktop.open().read("key", origin)).toBe("secret")
    const why = keyring === "none" ? "Secret Service: no result found" : "not provided by any .service files"
    expect(await maker.status()).toMatchObject({ noKeychain: expect.stringContaining(why) })
  })

  test("before the first secret, the status promises no keychain: one without a keyring is told from others by storing only", async () => {
    await using desktop = await makeDesktop()
    await using bare = await makeDesktop({ keyring: "none" })
    await using noDesktop = await makeVaultFolder()

    for (const { open, folder } of [desktop, bare]) {
      expect(await open().status()).toMatchObject({
        keySource: "keychain",
        orElse: { keySource: "key-file", keyPlace: folder.keyPath },
      })
    }
    const alone = await noDesktop.open().status()

    expect(alone).toMatchObject({ keySource: "key-file", noKeychain: expect.stringContaining("no D-Bus session") })
    expect(alone).not.toHaveProperty("orElse")
    await desktop.open().write("key", origin, "secret")
    expect(await desktop.open().status()).not.toHaveProperty("orElse")
    expect(await bare.folder.contents()).toEqual({})
  })

  test("a vault of the keychain is not opened where there is none: it is told as absent, and no key file is made", async () => {
    await using desktop = await makeDesktop()
    await desktop.open().write("key", origin, "secret")
    const before = await desktop.folder.contents()

    for (const open of [
      () => desktop.folder.open(),
      () => desktop.folder.open(systemClock, { env: { DBUS_SESSION_BUS_ADDRESS: "unix:path=/nowhere" } }),
    ]) {
      await expect(open().read("key", origin)).rejects.toMatchObject({ diagnosis: { code: "keychain-absent" } })
      await expect(open().write("other", origin, "s")).rejects.toMatchObject({ diagnosis: { code: "keychain-absent" } })
    }

    expect(await desktop.folder.contents()).toEqual(before)
    expect((await desktop.folder.open().list()).map(({ name }) => name)).toEqual(["key"]) // needs no key
  })

  test("a key that was removed from the keychain is told as missing, and none is made in its place", async () => {
    await using desktop = await makeDesktop()
    await desktop.open().write("key", origin, "secret")
    const [[account = "", key = ""] = []] = Object.entries(await desktop.session.keys())
    await desktop.session.removeKey(account)

    await expect(desktop.open().write("other", origin, "s")).rejects.toMatchObject({ diagnosis: { code: "vault-key-missing" } })
    expect(await desktop.session.keys()).toEqual({})
    await desktop.session.setKey(account, key)

    expect(await desktop.open().read("key", origin)).toBe("secret")
  })

  test.each([randomBytes(32).toString("base64"), "no key at all", ""])(
    "another text in the key's place (%j) is told as wrong",
    async (text) => {
      await using desktop = await makeDesktop()
      await desktop.open().write("key", origin, "secret")
      const [account = ""] = Object.keys(await desktop.session.keys())
      await desktop.session.setKey(account, text)

      await expect(desktop.open().read("key", origin)).rejects.toMatchObject({ diagnosis: { code: "vault-key-wrong" } })
    },
  )

  test("a keychain that asks and is not answered is given up in time, and nothing of ours is left hanging", async () => {
    await using desktop = await makeDesktop({ prompter: "hangs" })
    await desktop.open().write("key", origin, "secret")
    await desktop.session.lock()
    const waits: number[] = []
    const startMs = performance.now()
    const vault = openWithLimit(desktop, desktop.session.env, 2_500, () => waits.push(performance.now() - startMs))

    const reading = vault.read("key", origin)

    await expect(reading).rejects.toMatchObject({
      diagnosis: { code: "keychain-slow", evidence: ["no answer within 2500 ms; the call was given up"] },
    })
    expect(performance.now() - startMs).toBeLessThan(8_000)
    expect(waits).toHaveLength(1) // told once, before the end
    await expect.poll(helpers).toEqual([])
  })

  test("a new key on its way to the keychain stands in no argument and no variable of a process", async () => {
    await using desktop = await makeDesktop({ prompter: "hangs" })
    await desktop.session.setKey("a".repeat(32), "something, so that there is a keyring to be locked")
    await desktop.session.lock()
    process.env["POSTERN_TEST_CANARY"] = "a secret of the environment"

    const writing = openWithLimit(desktop, { ...desktop.session.env, OTHER_SECRET: "canary" }, 1_500).write("key", origin, "secret")
    writing.catch(() => undefined)
    await pause(1_000)
    const seen = await helpers()
    delete process.env["POSTERN_TEST_CANARY"]

    await expect(writing).rejects.toMatchObject({ diagnosis: { code: "keychain-slow" } })
    expect(seen).toHaveLength(1) // it was looked at while it held the key
    expect(seen.join()).not.toMatch(/[A-Za-z0-9+/]{43}=/)
    expect(seen.join()).not.toMatch(/CANARY|OTHER_SECRET/)
    expect(await desktop.folder.contents()).toEqual({})
  })

  test("a keychain that dies in the middle of a call is given up in time: the library would wait for ever", async () => {
    await using desktop = await makeDesktop({ prompter: "hangs" })
    await desktop.open().write("key", origin, "secret")
    await desktop.session.lock()

    const reading = openWithLimit(desktop, desktop.session.env, 2_000).read("key", origin)
    reading.catch(() => undefined)
    await expect.poll(async () => (await helpers()).length).toBe(1)
    await desktop.session.kill()

    await expect(reading).rejects.toMatchObject({ diagnosis: { code: expect.stringMatching(/^keychain-(slow|unavailable|absent)$/) } })
    await desktop.session.unlock()
    expect(await desktop.open().read("key", origin)).toBe("secret")
  })

  test("a bridge that a client starts without the variables of the session finds the keychain all the same", async ({ skip }) => {
    if (process.getuid?.() !== 0) return skip("only root can be a user with a session of their own")
    const uid = 65_534 // nobody: a bus wants a user who is known
    await using session = await startKeyringSession({ uid })
    await using folder = await makeVaultFolder()
    await using program = await compile(writerSource)
    await chmod(dirname(program.path), 0o755)
    await chown(folder.path, uid, uid)
    await mkdir("/run/user", { recursive: true })
    await symlink(session.path, `/run/user/${uid}`) // where systemd has it

    try {
      const writer = spawn(process.execPath, [program.path, folder.path, "key"], {
        env: {},
        uid,
        gid: uid,
        stdio: ["ignore", "ignore", "inherit"],
      })
      expect((await once(writer, "exit"))[0]).toBe(0)
    } finally {
      await rm(`/run/user/${uid}`)
    }

    expect(Object.keys(await session.keys())).toHaveLength(1)
    expect(Object.keys(await folder.contents())).toEqual(["data/vault.json"])
  })

  test("where the optional package is not installed, there is no keychain for us, and a new vault gets a key file", async () => {
    await using session = await startKeyringSession()
    await using folder = await makeVaultFolder()
    await using program = await compile(writerSource)
    const alone = folder.at("alone.mjs") // far from any node_modules
    await copyFile(program.path, alone)

    const write = async (path: string, name: string): Promise<unknown> =>
      (await once(spawn(process.execPath, [path, folder.path, name], { env: { ...session.env }, stdio: "ignore" }), "exit"))[0]
    expect(await write(alone, "key")).toBe(0)

    expect(await session.keys()).toEqual({})
    expect(await folder.open().status()).toMatchObject({ keySource: "key-file", entries: [{ name: "key" }] })
    await folder.open(systemClock, { env: session.env }).move("keychain")
    expect(await write(alone, "other")).toBe(1) // and a vault that is there is not opened in another way
    expect(await write(program.path, "other")).toBe(0) // the control
  })
})

/** A bus that does whatever a test wants with who connects. */
async function startBus(
  folder: VaultFolder,
  serve: (greeted: { write(text: string): void; destroy(): void }) => void,
): Promise<AsyncDisposable & { calls(): number }> {
  const open = new Set<{ destroy(): void }>()
  const server: Server = createServer((socket) => {
    open.add(socket)
    socket.on("error", () => undefined).once("data", () => serve(socket))
  })
  await new Promise<void>((listening) => server.listen(folder.at("bus"), listening))
  return {
    calls: () => open.size,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      await new Promise((closed) => server.close(closed))
    },
  }
}

test.runIf(process.platform === "linux")("a bus that takes the call and never answers is given up in time", async () => {
  await using folder = await makeVaultFolder()
  await using bus = await startBus(folder, () => undefined)

  const writing = openWithLimit({ folder }, { XDG_RUNTIME_DIR: folder.path }, 1_000).write("key", origin, "secret")

  await expect(writing).rejects.toMatchObject({ diagnosis: { code: "keychain-slow" } })
  expect(bus.calls()).toBe(1)
  await expect.poll(helpers).toEqual([])
  expect(await folder.contents()).toEqual({}) // and no key file in its place
})

test.runIf(process.platform === "linux")("a bus that talks nonsense is told with the library's own words", async () => {
  await using folder = await makeVaultFolder()
  await using bus = await startBus(folder, (socket) => {
    socket.write("ERROR\r\nREJECTED\r\n\u001b[2Jnonsense\r\n")
    socket.destroy()
  })

  const writing = openWithLimit({ folder }, { XDG_RUNTIME_DIR: folder.path }, 5_000).write("key", origin, "secret")

  await expect(writing).rejects.toMatchObject({
    diagnosis: { code: "keychain-unavailable", evidence: [expect.stringContaining("DBus error")] },
  })
  expect(bus.calls()).toBeGreaterThan(0)
  expect(await folder.contents()).toEqual({})
})

test.runIf(process.platform === "linux")("without a session nothing is started to find that out", async () => {
  await using folder = await makeVaultFolder()
  const node = process.execPath
  process.execPath = folder.at("no such program")
  try {
    await folder.open().write("key", origin, "secret")
  } finally {
    process.execPath = node
  }

  expect(await folder.open().status()).toMatchObject({ keySource: "key-file" })
})

test("a vault whose header names another account than a vault's is refused before the keychain is asked", async () => {
  await using folder = await makeVaultFolder()
  await folder.open().write("key", origin, "secret")
  const vault = JSON.parse(await readFile(folder.vaultPath, "utf8")) as { key: object }

  for (const account of ["probe", "", 7, "../x", "A".repeat(32)]) {
    vault.key = { ...vault.key, source: "keychain", params: { account } }
    await writeFile(folder.vaultPath, JSON.stringify(vault))

    await expect(folder.open().read("key", origin)).rejects.toMatchObject({
      diagnosis: { code: "vault-key-params-refused", kind: "guard" },
    })
  }
})
