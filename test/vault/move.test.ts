import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFile, readFile, writeFile } from "node:fs/promises"
import { describe, expect, test } from "vitest"
import { systemClock } from "../../src/core/clock.ts"
import { fileVault } from "../../src/vault/file.ts"
import { keyFile } from "../../src/vault/keys/key-file.ts"
import type { KeySource } from "../../src/vault/keys/key-source.ts"
import type { KeySourceName, Vault } from "../../src/vault/vault.ts"
import { mountSmallDisk } from "../core/folder.ts"
import { compile } from "../harness/compile.ts"
import { type KeyringSession, noSession, startKeyringSession } from "./keyring-session.ts"
import { type VaultFolder, makeVaultFolder, placesIn } from "./vault-folder.ts"

const origin = "https://example.com"
const moverSource = new URL("./move.child.ts", import.meta.url)

interface Desk extends AsyncDisposable {
  readonly session: KeyringSession
  readonly folder: VaultFolder
  /** What leads a process to all three sources. */
  readonly env: Readonly<Record<string, string>>
  open(): Vault
}

/** A keychain, a passphrase in its file, and a vault of two secrets with a key file. */
async function makeDesk(): Promise<Desk> {
  const session = await startKeyringSession()
  const folder = await makeVaultFolder()
  await folder.open().write("dev", origin, "secret of dev")
  await folder.open().write("prod", "https://prod.example.com", "secret of prod")
  const passphrase = folder.at("passphrase")
  await writeFile(passphrase, "correct horse\n", { mode: 0o600 })
  const env = { ...session.env, POSTERN_PASSPHRASE_FILE: passphrase }
  return {
    session,
    folder,
    env,
    open: () => folder.open(systemClock, { env }),
    async [Symbol.asyncDispose]() {
      await folder[Symbol.asyncDispose]()
      await session[Symbol.asyncDispose]()
    },
  }
}

const readBoth = async (vault: Vault): Promise<readonly (string | undefined)[]> => [
  await vault.read("dev", origin),
  await vault.read("prod", "https://prod.example.com"),
]
const both = ["secret of dev", "secret of prod"]
const hasKeyFile = async ({ folder }: Desk): Promise<boolean> => "state/vault.key" in (await folder.contents())

describe.skipIf(noSession !== undefined)(`between all sources${noSession ? `, which are ${noSession}` : ""}`, () => {
  test("in every direction: the secrets stay, a running bridge goes on, and the old key is gone", async () => {
    await using desk = await makeDesk()
    const bridge = desk.open()
    const before = await desk.open().list()
    expect(await readBoth(bridge)).toEqual(both)

    let from: KeySourceName = "key-file"
    for (const to of ["keychain", "passphrase", "key-file", "passphrase", "keychain", "key-file"] as const) {
      await copyFile(desk.folder.vaultPath, desk.folder.at("copy"))
      expect(await desk.open().move(to), `${from} to ${to}`).toEqual({ from, to, moved: true })

      expect(await readBoth(bridge)).toEqual(both)
      expect(await readBoth(desk.open())).toEqual(both)
      expect(await desk.open().status()).toMatchObject({ keySource: to })
      expect(Object.keys(await desk.session.keys())).toHaveLength(to === "keychain" ? 1 : 0)
      expect(await hasKeyFile(desk)).toBe(to === "key-file")
      from = to
    }

    expect(await desk.open().list()).toEqual(before) // names, origins, times, and the fingerprints that people know keys by
  })

  test("to where it is: nothing is asked and nothing is written", async () => {
    await using desk = await makeDesk()
    for (const to of ["keychain", "passphrase", "key-file"] as const) {
      await desk.open().move(to)
      const vault = await readFile(desk.folder.vaultPath)

      expect(await desk.open().move(to)).toEqual({ from: to, to, moved: false })

      expect(await readFile(desk.folder.vaultPath)).toEqual(vault)
    }
  })

  test("a keychain that is locked or absent is told, and the vault stays with the key that it has", async () => {
    await using desk = await makeDesk()
    await desk.session.setKey("a".repeat(32), "something, so that there is a keyring to be locked")
    await desk.session.lock()
    const before = await desk.folder.contents()

    // Another key, in its place, is what the vault has: only the keychain itself is worth a step.
    await expect(desk.open().move("keychain")).rejects.toMatchObject({
      diagnosis: { code: "keychain-locked", next: "unlock the keychain, and try again" },
    })
    await expect(desk.folder.open().move("keychain")).rejects.toMatchObject({
      diagnosis: {
        code: "keychain-absent",
        next: "run it where the keychain is (DBUS_SESSION_BUS_ADDRESS names the session)",
      },
    })

    expect(await desk.folder.contents()).toEqual(before)
  })

  test("an old key that cannot be removed is told, and the vault has its new one", async () => {
    await using desk = await makeDesk()
    await desk.open().move("keychain")
    const opened = desk.open()
    await opened.read("dev", origin) // the key is in memory: only its removal needs the keychain now
    await desk.session.lock()

    const moved = await opened.move("key-file")

    expect(moved).toMatchObject({
      from: "keychain",
      to: "key-file",
      moved: true,
      oldKeyLeft: { code: "keychain-locked", next: "unlock the keychain, and try again" },
    })
    expect(await readBoth(desk.folder.open())).toEqual(both)
  })

  const early = ["before the new key", "after the new key", "after the look at the new key"]
  const late = ["before the old key goes", "after the old key went"]
  test.each([
    ["key-file", "keychain", [...early, ...late]],
    ["keychain", "key-file", [...early, ...late]],
    ["keychain", "passphrase", late],
    ["passphrase", "key-file", late],
  ] as const)("from %s to %s, killed at each step: the vault opens, and the move can be made again", async (from, to, steps) => {
    await using desk = await makeDesk()
    await using program = await compile(moverSource)

    for (const step of steps) {
      await desk.open().move(from)
      const mover = spawn(process.execPath, [program.path, desk.folder.path, to, step], {
        env: { ...desk.env },
        stdio: ["ignore", "inherit", "inherit"],
      })
      const [, signal] = (await once(mover, "exit")) as [number | null, string | null] // the event's own arguments
      expect(signal, step).toBe("SIGKILL") // the step was reached

      const next = desk.open()
      expect(await readBoth(next), step).toEqual(both)
      await next.move(to)
      expect(await readBoth(desk.open()), step).toEqual(both)
    }
  })

  test("killed at any moment: the vault opens, and the next one goes on", async () => {
    await using desk = await makeDesk()
    await using program = await compile(moverSource)

    for (let round = 0; round < 8; round++) {
      const mover = spawn(process.execPath, [program.path, desk.folder.path, "keychain,key-file"], {
        env: { ...desk.env },
        stdio: ["ignore", "pipe", "inherit"],
      })
      await once(mover.stdout, "data")
      await systemClock.sleep(Math.random() * 400)
      mover.kill("SIGKILL")
      await once(mover, "close")

      expect(await readBoth(desk.open())).toEqual(both)
      await desk.open().write("other", origin, "s")
    }
  })

  test("while others move it to and fro, ten readers are never told that a key is missing", async () => {
    await using desk = await makeDesk()
    await using program = await compile(moverSource)
    const mover = spawn(process.execPath, [program.path, desk.folder.path, "keychain,key-file"], {
      env: { ...desk.env },
      stdio: ["ignore", "pipe", "inherit"],
    })
    const moves: unknown[] = []
    mover.stdout.on("data", (chunk) => moves.push(chunk))

    while (moves.length < 4) {
      const readers = await Promise.all(Array.from({ length: 10 }, () => readBoth(desk.open())))
      expect(readers).toEqual(readers.map(() => both))
    }
    mover.kill("SIGKILL")
    await once(mover, "close")
  })

  test("ten processes that write the first secrets at once put one key into the keychain", async () => {
    await using session = await startKeyringSession()
    await using folder = await makeVaultFolder()
    await using program = await compile(new URL("./write.child.ts", import.meta.url))
    const names = Array.from({ length: 10 }, (_, n) => `name-${n}`)

    const writers = names.map((name) =>
      spawn(process.execPath, [program.path, folder.path, name], { env: { ...session.env }, stdio: ["ignore", "ignore", "inherit"] }),
    )
    const exits = await Promise.all(writers.map(async (writer) => (await once(writer, "exit"))[0]))

    expect(exits).toEqual(names.map(() => 0))
    const vault = folder.open(systemClock, { env: session.env })
    for (const name of names) expect(await vault.read(name, origin)).toBe(`${name}-1`)
    expect(Object.keys(await session.keys())).toHaveLength(1)
    expect(Object.keys(await folder.contents())).toEqual(["data/vault.json"])
  })
})

test("a reader that looked just before a move, and finds the old key gone just after it, looks again", async () => {
  await using folder = await makeVaultFolder()
  const [first, second] = [keyFile(folder.keyPath), { ...keyFile(folder.at("second", "vault.key")), name: "keychain" }]
  const open = (...keys: [KeySource, ...KeySource[]]): Vault =>
    fileVault({ path: folder.vaultPath, keys, forNew: [keys[0]], forExport: first, clock: systemClock })
  const mover = open(first, second)
  await mover.write("key", origin, "secret")
  const late: KeySource = {
    ...first,
    async load(params) {
      await mover.move("keychain")
      return first.load(params)
    },
  }

  expect(await open(late, second).read("key", origin)).toBe("secret")
})

test("where there is no vault yet, an empty one with that key is made", async () => {
  await using folder = await makeVaultFolder()

  expect(await folder.open().move("key-file")).toEqual({ to: "key-file", moved: true })

  expect(await folder.open().status()).toMatchObject({ exists: true, keySource: "key-file", entries: [] })
})

test("a full disk leaves the vault with the key that it had", async ({ skip }) => {
  await using disk = await mountSmallDisk(64)
  if (disk === undefined) return skip("mounting a small disk is not permitted here")
  const folder = placesIn(disk)
  await folder.open().write("key", origin, "x".repeat(20_000))
  const vault = await readFile(folder.vaultPath)
  await writeFile(disk.at("passphrase"), "correct horse", { mode: 0o600 })
  disk.fill()

  const moving = folder.open(systemClock, { env: { POSTERN_PASSPHRASE_FILE: disk.at("passphrase") } }).move("passphrase")

  await expect(moving).rejects.toMatchObject({ diagnosis: { code: "disk-full" } })
  expect(await readFile(folder.vaultPath)).toEqual(vault)
  expect(await folder.open().read("key", origin)).toHaveLength(20_000)
})
