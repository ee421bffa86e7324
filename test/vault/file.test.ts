import { chmod, mkdir, readFile, stat, symlink, rename } from "node:fs/promises"
import * as fc from "fast-check"
import { expect, test } from "vitest"
import { type Clock, systemClock } from "../../src/core/clock.ts"
import { makeVaultFolder } from "./vault-folder.ts"

const origin = "https://example.com"
/** What this process has read from files in its life, in bytes (proc_pid_io(5)). */
const bytesReadSoFar = async (): Promise<number> => Number(/rchar: (\d+)/.exec(await readFile("/proc/self/io", "utf8"))?.[1])
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777

test("a secret comes back as it was written, whatever text it is", async () => {
  await using folder = await makeVaultFolder()
  const writer = folder.open()

  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 300 }), async (secret) => {
      await writer.write("key", origin, secret)

      expect(await writer.read("key", origin)).toBe(secret)
      expect(await folder.open().read("key", origin)).toBe(secret)
    }),
    { numRuns: 25 },
  )
})

test("a vault that is not there has no secrets, and reading it makes nothing", async () => {
  await using folder = await makeVaultFolder()
  const vault = folder.open()

  expect(await vault.read("key", origin)).toBeUndefined()
  expect(await vault.remove("key")).toBe(false)
  expect(await vault.list()).toEqual([])
  await expect(vault.replace("key", origin, () => "new")).rejects.toMatchObject({ diagnosis: { code: "vault-no-entry" } })

  expect(await folder.contents()).toEqual({})
})

test("1.3: a rotated secret is seen by a vault that is open already", async () => {
  await using folder = await makeVaultFolder()
  const [bridge, command] = [folder.open(), folder.open()]
  await command.write("key", origin, "old")
  expect(await bridge.read("key", origin)).toBe("old")

  await command.replace("key", origin, (present) => `${present}-and-new`)

  expect(await bridge.read("key", origin)).toBe("old-and-new")
})

test("many quick rotations of equal length are each seen at once", async () => {
  await using folder = await makeVaultFolder()
  const [bridge, command] = [folder.open(), folder.open()]

  for (let n = 100; n < 160; n++) {
    await command.write("key", origin, `secret-${n}`)
    if (n % 3 === 0) expect(await bridge.read("key", origin)).toBe(`secret-${n}`)
  }
})

test.skipIf(process.platform !== "linux")("while the file is unchanged, a secret is read from memory", async () => {
  await using folder = await makeVaultFolder()
  const vault = folder.open()
  await vault.write("key", origin, "x".repeat(100_000))
  await vault.read("key", origin)
  const before = await bytesReadSoFar()

  for (let n = 0; n < 200; n++) await vault.read("key", origin)

  expect((await bytesReadSoFar()) - before).toBeLessThan(1_000_000) // of 200 times 100,000
})

test("what is known of a secret needs no key: when it was made, when it was changed, for which origin", async () => {
  await using folder = await makeVaultFolder()
  let nowMs = 1_000
  const vault = folder.open({ ...systemClock, now: () => nowMs } satisfies Clock)
  const first = await vault.write("key", origin, "one")
  nowMs = 2_000
  const second = await vault.write("key", origin, "two")
  await rename(folder.keyPath, `${folder.keyPath}.away`)

  const entries = await folder.open().list()

  expect(first).toMatchObject({ name: "key", origin, createdAtMs: 1_000, changedAtMs: 1_000 })
  expect(second).toMatchObject({ createdAtMs: 1_000, changedAtMs: 2_000 })
  expect(entries).toEqual([second])
})

test("1.4: equal secrets of one vault have equal fingerprints, others have others", async () => {
  await using folder = await makeVaultFolder()
  await using elsewhere = await makeVaultFolder()
  const vault = folder.open()

  const [dev, prod, other] = [
    await vault.write("dev", origin, "one key"),
    await vault.write("prod", "https://prod.example.com", "one key"),
    await vault.write("other", origin, "another key"),
  ]
  const stranger = await elsewhere.open().write("dev", origin, "one key")

  expect(dev.fingerprint).toMatch(/^[0-9a-f]{8}$/)
  expect(prod.fingerprint).toBe(dev.fingerprint)
  expect(other.fingerprint).not.toBe(dev.fingerprint)
  expect(stranger.fingerprint).not.toBe(dev.fingerprint) // keyed: says nothing outside of its vault
})

test("a removed secret is gone, and the others stay", async () => {
  await using folder = await makeVaultFolder()
  const vault = folder.open()
  await vault.write("a", origin, "first")
  await vault.write("b", origin, "second")

  expect(await vault.remove("a")).toBe(true)
  expect(await vault.remove("a")).toBe(false)

  expect(await vault.read("a", origin)).toBeUndefined()
  expect(await folder.open().read("b", origin)).toBe("second")
})

test("a replacement that fails to be decided changes nothing", async () => {
  await using folder = await makeVaultFolder()
  const vault = folder.open()
  await vault.write("key", origin, "old")
  const before = await folder.contents()

  const replacing = vault.replace("key", origin, () => {
    throw new RangeError("no")
  })

  await expect(replacing).rejects.toThrow(RangeError)
  expect(await folder.contents()).toEqual(before)
})

test("a secret is given to the origin that it was stored for, and to no other", async () => {
  await using folder = await makeVaultFolder()
  const vault = folder.open()
  const origins = fc.webUrl().map((url) => new URL(url).origin)

  await fc.assert(
    fc.asyncProperty(origins, origins, async (stored, asked) => {
      await vault.write("key", stored, "secret")

      const reading = vault.read("key", asked)

      if (stored === asked) expect(await reading).toBe("secret")
      else await expect(reading).rejects.toMatchObject({ diagnosis: { code: "vault-origin-mismatch", kind: "guard" } })
    }),
    {
      numRuns: 20,
      examples: [
        [origin, origin],
        [origin, `${origin}:8443`],
        [origin, "http://example.com"],
        [origin, `${origin}/`],
      ],
    },
  )
})

test("a refusal because of the origin names both, and not the secret", async () => {
  await using folder = await makeVaultFolder()
  const vault = folder.open()
  await vault.write("key", origin, "secret-value")

  const refusal = await vault.replace("key", "https://evil.example", (present) => present).catch((error: unknown) => error)

  expect(refusal).toMatchObject({
    diagnosis: { evidence: ["stored for: https://example.com", "asked for: https://evil.example", "nothing was sent"] },
  })
  expect(JSON.stringify(refusal)).not.toContain("secret-value")
})

test("names have a grammar: no path, no control character, no surprise", async () => {
  await using folder = await makeVaultFolder()
  const vault = folder.open()
  const bad = ["", ".", "../x", "a b", "a\0b", "a\n", "é", "-x", "x".repeat(129)]

  for (const name of bad) {
    for (const use of [
      vault.read(name, origin),
      vault.write(name, origin, "s"),
      vault.remove(name),
      vault.replace(name, origin, (s) => s),
    ]) {
      await expect(use, name).rejects.toMatchObject({ diagnosis: { code: "vault-bad-name", kind: "usage" } })
    }
  }
  for (const name of ["__proto__", "constructor", "a.b_c-d:e/f@g", "x".repeat(128)]) {
    await vault.write(name, origin, name)
    expect(await folder.open().read(name, origin)).toBe(name)
  }
})

test("an origin that is empty or steers a terminal, and a secret that is no text, are mistakes of the caller", async () => {
  await using folder = await makeVaultFolder()
  const vault = folder.open()

  for (const wrong of ["", "a\nb", "a\u001b[2J", "a\u0085"]) await expect(vault.write("key", wrong, "s")).rejects.toThrow(TypeError)
  await expect(vault.write("key", origin, "half \ud800")).rejects.toThrow(TypeError)
})

test("a secret stands in clear in no file, and files are 0600 in folders of 0700", async () => {
  await using folder = await makeVaultFolder()
  const secret = "in-clear-nowhere-8412"
  const umask = process.umask(0)
  try {
    await folder.open().write("key", origin, secret)
  } finally {
    process.umask(umask)
  }

  for (const content of Object.values(await folder.contents())) {
    expect(content).not.toContain(secret)
    expect(content).not.toContain(Buffer.from(secret).toString("base64").slice(0, 20))
    expect(content).not.toContain(Buffer.from(secret).toString("hex"))
  }
  expect(Object.keys(await folder.contents())).toEqual(["data/vault.json", "state/vault.key"])
  for (const path of [folder.vaultPath, folder.keyPath]) expect(await modeOf(path)).toBe(0o600)
  for (const path of [folder.at("data"), folder.at("state")]) expect(await modeOf(path)).toBe(0o700)
})

test("a vault or key that others can read, or that is a symbolic link, is refused with the step that mends it", async () => {
  for (const which of ["vaultPath", "keyPath"] as const) {
    await using folder = await makeVaultFolder()
    const path = folder[which]
    await folder.open().write("key", origin, "secret")
    const before = await readFile(path)

    await chmod(path, 0o640)
    for (const use of [folder.open().read("key", origin), folder.open().write("other", origin, "s")]) {
      await expect(use).rejects.toMatchObject({ diagnosis: { code: "file-not-private", next: `chmod 600 ${path}` } })
    }
    await chmod(path, 0o600)
    await rename(path, `${path}.real`)
    await symlink(`${path}.real`, path)
    for (const use of [folder.open().read("key", origin), folder.open().write("other", origin, "s")]) {
      await expect(use).rejects.toMatchObject({ diagnosis: { code: "file-not-private" } })
    }

    expect(await readFile(`${path}.real`)).toEqual(before)
  }
})

test("a vault or key in a folder that others can use is not used, and left as it is", async () => {
  for (const [name, mode] of [
    ["data", 0o777],
    ["state", 0o770],
    ["state", 0o755],
  ] as const) {
    await using folder = await makeVaultFolder()
    await folder.open().write("key", origin, "secret")
    const before = await folder.contents()
    await chmod(folder.at(name), mode)

    const reading = folder.open().read("key", origin)

    await expect(reading).rejects.toMatchObject({ diagnosis: { code: "file-not-private", next: `chmod 700 ${folder.at(name)}` } })
    expect(await folder.contents()).toEqual(before)
  }
})

test("a folder without a vault or key may be open to others until the first secret is written", async () => {
  await using folder = await makeVaultFolder()
  await mkdir(folder.at("data"))
  await chmod(folder.at("data"), 0o777)

  expect(await folder.open().read("key", origin)).toBeUndefined()
  await expect(folder.open().write("key", origin, "secret")).rejects.toMatchObject({ diagnosis: { code: "file-not-private" } })
})

test("a folder that others can enter is refused before anything is written to it", async () => {
  await using folder = await makeVaultFolder()
  await folder.open().write("key", origin, "secret")
  const before = await folder.contents()
  await chmod(folder.at("data"), 0o755)

  const writing = folder.open().write("other", origin, "s")

  await expect(writing).rejects.toMatchObject({ diagnosis: { code: "file-not-private", next: `chmod 700 ${folder.at("data")}` } })
  expect(await folder.contents()).toEqual(before)
})

test("the status says where the vault is, what opens it, and what that protects from", async () => {
  await using folder = await makeVaultFolder()

  const before = await folder.open().status()
  const entry = await folder.open().write("key", origin, "secret")
  const after = await folder.open().status()

  expect(before).toMatchObject({ path: folder.vaultPath, exists: false, keySource: "key-file", keyPlace: folder.keyPath, entries: [] })
  expect(after).toMatchObject({ exists: true, keySource: "key-file", entries: [entry] })
  expect(after.fault).toBeUndefined()
  expect(after.protectsFrom.length * after.doesNotProtectFrom.length).toBeGreaterThan(0)
})
