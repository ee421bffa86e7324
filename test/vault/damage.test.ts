import { randomBytes } from "node:crypto"
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { systemClock } from "../../src/core/clock.ts"
import type { Diagnosis } from "../../src/core/diagnosis.ts"
import { PosternError } from "../../src/core/diagnosis.ts"
import { fileVault } from "../../src/vault/file.ts"
import { keyFile } from "../../src/vault/keys/key-file.ts"
import type { Vault } from "../../src/vault/vault.ts"
import { type VaultFolder, makeVaultFolder } from "./vault-folder.ts"

const origin = "https://example.com"

/** The vault's JSON, for tests that act as a person with an editor. */
interface Written {
  version: number
  revision: number
  key: { source: string; check: string }
  records: Record<string, unknown>[]
}

async function edit(folder: VaultFolder, change: (vault: Written) => void): Promise<void> {
  const vault = JSON.parse(await readFile(folder.vaultPath, "utf8")) as Written
  change(vault)
  await writeFile(folder.vaultPath, JSON.stringify(vault, undefined, 2))
}

async function makeWrittenVault(): Promise<VaultFolder> {
  const folder = await makeVaultFolder()
  const vault = folder.open()
  await vault.write("dev", origin, "secret of dev")
  await vault.write("prod", origin, "secret of prod")
  return folder
}

async function diagnose(use: Promise<unknown>): Promise<Diagnosis | undefined> {
  return use.then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof PosternError) return error.diagnosis
      throw error
    },
  )
}

/** Every verb that needs the key fails with this code, and no byte of any file is changed by the attempt. */
async function expectRefusal(folder: VaultFolder, code: string, open: () => Vault = folder.open): Promise<void> {
  const before = await folder.contents()
  const uses = [
    () => open().read("dev", origin),
    () => open().write("other", origin, "s"),
    () => open().replace("dev", origin, (secret) => secret),
    () => open().remove("dev"),
  ]
  for (const use of uses) expect(await diagnose(use())).toMatchObject({ code, next: expect.any(String) })
  expect(await folder.contents()).toEqual(before)
}

describe("a damaged vault is told as damaged, and left as it is", () => {
  test.each<[string, (bytes: Buffer) => Buffer]>([
    ["empty", () => Buffer.alloc(0)],
    ["half", (bytes) => bytes.subarray(0, bytes.length / 2)],
    ["zeroed", (bytes) => Buffer.alloc(bytes.length)],
    ["another JSON", () => Buffer.from('{"mcpServers": {}}')],
    ["no object", () => Buffer.from("null")],
    ["twice", (bytes) => Buffer.concat([bytes, bytes])],
  ])("%s", async (_, damage) => {
    await using folder = await makeWrittenVault()
    await writeFile(folder.vaultPath, damage(await readFile(folder.vaultPath)))

    await expectRefusal(folder, "vault-corrupt")
    expect(await diagnose(folder.open().list())).toMatchObject({ code: "vault-corrupt" })
    expect(await diagnose(folder.open().status())).toMatchObject({ code: "vault-corrupt" })
  })

  test.each<[string, (vault: Written) => void]>([
    ["a record removed", (vault) => vault.records.pop()],
    ["a record twice", (vault) => vault.records.push({ ...vault.records[0] })],
    ["a record renamed", (vault) => Object.assign(vault.records[0] ?? {}, { name: "mine" })],
    ["an origin changed", (vault) => Object.assign(vault.records[0] ?? {}, { origin: "https://evil.example" })],
    ["a time changed", (vault) => Object.assign(vault.records[0] ?? {}, { changedAtMs: 1 })],
    ["a fingerprint changed", (vault) => Object.assign(vault.records[0] ?? {}, { fingerprint: "00000000" })],
    [
      "the names of two swapped",
      ({ records: [a, b] }) => ([a, b] = [Object.assign(a ?? {}, { name: "prod" }), Object.assign(b ?? {}, { name: "dev" })]),
    ],
    ["the revision changed", (vault) => vault.revision--],
    ["a member added", (vault) => Object.assign(vault, { comment: "hello" })],
  ])("%s", async (_, change) => {
    await using folder = await makeWrittenVault()

    await edit(folder, change)

    await expectRefusal(folder, "vault-corrupt")
  })

  test("one record put back from yesterday", async () => {
    await using folder = await makeWrittenVault()
    const yesterday = JSON.parse(await readFile(folder.vaultPath, "utf8")) as Written
    await folder.open().write("dev", origin, "rotated")

    await edit(folder, (vault) => vault.records.splice(0, 1, yesterday.records[0] ?? {}))

    await expectRefusal(folder, "vault-corrupt")
  })

  test("any byte changed: the right secret or an error of the vault, never another secret and never none", async () => {
    await using folder = await makeWrittenVault()
    const bytes = await readFile(folder.vaultPath)
    let refused = 0

    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const damaged = Buffer.from(bytes)
        damaged.writeUInt8(bytes.readUInt8(at) ^ flip, at)
        await writeFile(folder.vaultPath, damaged)
        const vault = folder.open()

        const fault = await diagnose(vault.read("dev", origin).then((secret) => expect(secret).toBe("secret of dev")))

        if (fault) refused++
        expect(["right", "vault-corrupt", "vault-newer-format", "vault-key-wrong"]).toContain(fault?.code ?? "right")
        expect(JSON.stringify(fault ?? {})).not.toContain("secret of")
      }),
      { numRuns: 400 },
    )

    expect(refused).toBeGreaterThan(200) // the rest was white space
  })
})

test("a vault of a newer format is neither read nor written", async () => {
  await using folder = await makeWrittenVault()
  await edit(folder, (vault) => Object.assign(vault, { version: 3, records: "of another shape" }))

  await expectRefusal(folder, "vault-newer-format")
  expect(await diagnose(folder.open().list())).toMatchObject({ code: "vault-newer-format" })
})

test("a vault whose key comes from a source that this program does not know is of a newer one", async () => {
  await using folder = await makeWrittenVault()
  await edit(folder, (vault) => Object.assign(vault.key, { source: "smartcard" }))

  await expectRefusal(folder, "vault-newer-format")
  expect(await folder.open().status()).toMatchObject({ keySource: "smartcard", fault: { code: "vault-newer-format" } })
})

test("a vault without its key is told as that, no new key is made, and the status still answers", async () => {
  await using folder = await makeWrittenVault()
  await rename(folder.keyPath, `${folder.keyPath}.away`)

  await expectRefusal(folder, "vault-key-missing")
  const status = await folder.open().status()

  expect(status).toMatchObject({ exists: true, keyPlace: folder.keyPath, fault: { code: "vault-key-missing" } })
  expect(status.entries.map(({ name }) => name)).toEqual(["dev", "prod"])
})

test("a key that comes back opens the vault without a restart", async () => {
  await using folder = await makeWrittenVault()
  const bridge = folder.open()
  await rename(folder.keyPath, `${folder.keyPath}.away`)
  expect(await diagnose(bridge.read("dev", origin))).toMatchObject({ code: "vault-key-missing" })

  await rename(`${folder.keyPath}.away`, folder.keyPath)

  expect(await bridge.read("dev", origin)).toBe("secret of dev")
})

test("the key of another vault is told as wrong", async () => {
  await using folder = await makeWrittenVault()
  await writeFile(folder.keyPath, `${randomBytes(32).toString("base64")}\n`)

  await expectRefusal(folder, "vault-key-wrong")
  expect((await folder.open().status()).fault).toMatchObject({ code: "vault-key-wrong" })
})

test.each(["", "\n", "c2hvcnQ=\n", `${randomBytes(33).toString("base64")}\n`, `${"A".repeat(42)}B=\n`, "{}"])(
  "a key file that holds no key (%j) is told as wrong",
  async (content) => {
    await using folder = await makeWrittenVault()
    await writeFile(folder.keyPath, content)

    await expectRefusal(folder, "vault-key-wrong")
  },
)

test("a key that an interrupted first write has left is used, and not replaced", async () => {
  await using folder = await makeWrittenVault()
  const key = await readFile(folder.keyPath)
  await rm(folder.vaultPath)

  await folder.open().write("dev", origin, "again")

  expect(await readFile(folder.keyPath)).toEqual(key)
  expect(await folder.open().read("dev", origin)).toBe("again")
})

test("a store that does not give its key back is found before a vault depends on it", async () => {
  await using folder = await makeVaultFolder()
  const forgetful = { ...keyFile(folder.keyPath), load: () => Promise.resolve(undefined) }
  const sources = { keys: [forgetful], forNew: [forgetful], forExport: forgetful } as const
  const vault = fileVault({ path: folder.vaultPath, ...sources, clock: systemClock })

  expect(await diagnose(vault.write("key", origin, "secret"))).toMatchObject({ code: "vault-key-wrong" })

  expect(Object.keys(await folder.contents())).toEqual(["state/vault.key"])
})

/** Written by the first version of Postern. Whatever comes later must open it. */
const firstFormat = {
  key: `${Buffer.alloc(32, 7).toString("base64")}\n`,
  vault: `{
  "format": "postern-vault",
  "version": 1,
  "id": "c9184e033868ba0d339eb090129c6674",
  "revision": 2,
  "key": {
    "source": "key-file",
    "params": {},
    "check": "FtjvcXir6aXIv7JLUco6FQpthBYQzytDZQYSnKcRVmE="
  },
  "records": [
    {
      "name": "build/ci",
      "origin": "https://[::1]:8443",
      "createdAtMs": 1760000000000,
      "changedAtMs": 1760000000000,
      "fingerprint": "73e6d7c6",
      "nonce": "6hGvmFk09leK6J89",
      "sealed": "lYfLUgNKhn4uXkeJVHvLrBeGWJCvwQYDqbm9chY="
    },
    {
      "name": "weather",
      "origin": "https://api.weather-data.com",
      "createdAtMs": 1760000000000,
      "changedAtMs": 1760000000000,
      "fingerprint": "975b23e8",
      "nonce": "m2HBCuSN2ne7OO82",
      "sealed": "4FgrctLaKkttKhR/zoeEd0rY8UA6R26UihlD148ullloylD8LWWx"
    }
  ],
  "mac": "08cF1z7QZaeunT0wcd1uYNTA0WnSKsvYNTOFnxsKlh8="
}
`,
}

test("a vault of the first format is read, and written on", async () => {
  await using folder = await makeVaultFolder()
  for (const name of ["data", "state"]) await mkdir(folder.at(name), { mode: 0o700 })
  await writeFile(folder.vaultPath, firstFormat.vault, { mode: 0o600 })
  await writeFile(folder.keyPath, firstFormat.key, { mode: 0o600 })

  expect(await folder.open().read("weather", "https://api.weather-data.com")).toBe("Bearer secret-token-123")
  expect(await folder.open().read("build/ci", "https://[::1]:8443")).toBe("ключ 🔑")
  await folder.open().write("new", origin, "secret")

  expect((await folder.open().list()).map(({ name }) => name)).toEqual(["build/ci", "new", "weather"])
})
