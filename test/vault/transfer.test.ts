import { scryptSync } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { expect, test } from "vitest"
import { systemClock } from "../../src/core/clock.ts"
import { type RecordHead, formatVault, newVault, newVaultId, sealSecret, withRecords } from "../../src/vault/format.ts"
import type { Vault, VaultImport } from "../../src/vault/vault.ts"
import { noSession, startKeyringSession } from "./keyring-session.ts"
import { type VaultFolder, makeVaultFolder } from "./vault-folder.ts"

const origin = "https://example.com"
const prodOrigin = "https://prod.example.com"
const passphrase = "correct horse"
const nothing: VaultImport = { added: [], replaced: [], unchanged: [], kept: [] }

/** The vault, with a person who types the same at every question. */
const open = (folder: VaultFolder, typed = passphrase): Vault => folder.open(systemClock, { askSecret: async () => typed })

/** The vault, with files that hold the passphrases. */
async function withFiles(
  folder: VaultFolder,
  files: { readonly vault?: string; readonly export?: string },
  askSecret?: (question: string) => Promise<string>,
): Promise<Vault> {
  for (const [name, typed] of Object.entries(files)) await writeFile(folder.at(name), typed, { mode: 0o600 })
  const env = {
    XDG_RUNTIME_DIR: folder.path,
    ...(files.vault === undefined ? {} : { POSTERN_PASSPHRASE_FILE: folder.at("vault") }),
    ...(files.export === undefined ? {} : { POSTERN_EXPORT_PASSPHRASE_FILE: folder.at("export") }),
  }
  return folder.open(systemClock, { env, ...(askSecret ? { askSecret } : {}) })
}

const take = (vault: Vault, text: string | Buffer, replace = false): Promise<VaultImport> =>
  vault.importAll({ path: "/home/you/secrets.postern", bytes: Buffer.from(text) }, { replace })

async function makeExport(): Promise<string> {
  await using folder = await makeVaultFolder()
  await open(folder).write("dev", origin, "secret of dev")
  await open(folder).write("prod", prodOrigin, "secret of prod")
  return (await open(folder).exportAll()).text
}

/** An export as an attacker with a passphrase of their own could make it. */
function forge(...facts: readonly Partial<RecordHead>[]): string {
  const params = { kdf: "scrypt", N: 2 ** 14, r: 8, p: 1, salt: Buffer.alloc(16, 7).toString("base64") }
  const key = scryptSync(passphrase, Buffer.alloc(16, 7), 32, { N: 2 ** 14, r: 8, p: 1 })
  const vault = newVault({ id: newVaultId(), source: "passphrase", params, key })
  const records = facts.map((fact) => sealSecret(vault, { name: "key", origin, createdAtMs: 1, changedAtMs: 1, ...fact }, "secret"))
  return formatVault(withRecords(vault, records))
}

test("what one home exports, another has: names, secrets, origins and times, under a key of its own", async () => {
  await using laptop = await makeVaultFolder()
  await using newLaptop = await makeVaultFolder()
  const entry = await laptop.open({ ...systemClock, now: () => 1_000 }).write("dev", origin, "secret of dev")
  await laptop.open().write("prod", prodOrigin, "ключ 🔑")

  const { text, names } = await open(laptop).exportAll()
  const taken = await take(open(newLaptop), text)

  expect(names).toEqual(["dev", "prod"])
  expect(taken).toEqual({ ...nothing, added: ["dev", "prod"] })
  expect(await newLaptop.open().read("prod", prodOrigin)).toBe("ключ 🔑")
  await expect(newLaptop.open().read("prod", origin)).rejects.toMatchObject({ diagnosis: { code: "vault-origin-mismatch" } })
  const [dev] = await newLaptop.open().list()
  expect(dev).toMatchObject({ name: "dev", origin, createdAtMs: entry.createdAtMs, changedAtMs: entry.changedAtMs })
  expect(await newLaptop.open().status()).toMatchObject({ keySource: "key-file" })
})

test("an export holds no secret in clear, is a vault of a passphrase, and no two are alike", async () => {
  const [one, other] = [await makeExport(), await makeExport()]

  for (const text of [one, other]) {
    expect(text).not.toContain("secret of")
    expect(text).not.toContain(Buffer.from("secret of dev").toString("base64").slice(0, 12))
    expect(JSON.parse(text)).toMatchObject({
      format: "postern-vault",
      version: 1,
      key: { source: "passphrase", params: { kdf: "scrypt" } },
    })
  }
  expect(one).not.toBe(other)
})

test("an export is a vault: put in the vault's place, it opens with its passphrase", async () => {
  await using folder = await makeVaultFolder()
  await open(folder).write("dev", origin, "something else")

  await writeFile(folder.vaultPath, await makeExport())

  expect(await open(folder).read("dev", origin)).toBe("secret of dev")
})

test("a name that is there with another secret is kept and told, unless it is to be replaced", async () => {
  await using folder = await makeVaultFolder()
  const text = await makeExport()
  await open(folder).write("dev", origin, "secret of this home")
  await open(folder).write("own", origin, "of this home only")

  expect(await take(open(folder), text)).toEqual({ ...nothing, added: ["prod"], kept: ["dev"] })
  expect(await folder.open().read("dev", origin)).toBe("secret of this home")
  expect(await take(open(folder), text, true)).toEqual({ ...nothing, replaced: ["dev"], unchanged: ["prod"] })

  expect(await folder.open().read("dev", origin)).toBe("secret of dev")
  expect(await folder.open().read("own", origin)).toBe("of this home only")
  const vault = await readFile(folder.vaultPath)
  expect(await take(open(folder), text)).toEqual({ ...nothing, unchanged: ["dev", "prod"] })
  expect(await readFile(folder.vaultPath)).toEqual(vault)
})

test("a fingerprint stays with its secret through a move and an import, and is another one in another vault", async () => {
  await using folder = await makeVaultFolder()
  const own = await folder.open().write("own", origin, "secret of dev")
  await open(folder).move("passphrase")
  const text = await makeExport()
  const { records } = JSON.parse(text) as { records: { name: string; fingerprint: string }[] }

  await take(open(folder), text)
  const exported = (await open(folder).exportAll()).text

  const [dev, kept] = (await folder.open().list()).filter(({ name }) => name !== "prod")
  expect(kept).toEqual(own)
  expect(dev?.fingerprint).not.toBe(records.find(({ name }) => name === "dev")?.fingerprint)
  expect(exported).not.toContain(own.fingerprint)
})

test("the same secret for another origin is another secret: it is kept", async () => {
  await using folder = await makeVaultFolder()
  await open(folder).write("dev", prodOrigin, "secret of dev")

  expect(await take(open(folder), await makeExport())).toMatchObject({ kept: ["dev"] })

  expect(await folder.open().read("dev", prodOrigin)).toBe("secret of dev")
})

test("a vault without a secret is not exported", async () => {
  await using folder = await makeVaultFolder()

  await expect(open(folder).exportAll()).rejects.toMatchObject({ diagnosis: { code: "vault-empty" } })
  await folder.open().move("key-file")
  await expect(open(folder).exportAll()).rejects.toMatchObject({ diagnosis: { code: "vault-empty" } })
})

test("with nobody to ask, and no file that holds it, an export or import says that it needs a passphrase", async () => {
  await using folder = await makeVaultFolder()
  await folder.open().write("dev", origin, "secret")

  await expect(folder.open().exportAll()).rejects.toMatchObject({ diagnosis: { code: "vault-passphrase-needed" } })
  await expect(take(folder.open(), await makeExport())).rejects.toMatchObject({ diagnosis: { code: "vault-passphrase-needed" } })
})

test("a wrong passphrase imports nothing, and is told of the export and not of the vault", async () => {
  await using folder = await makeVaultFolder()

  const typed = take(open(folder, "wrong"), await makeExport())
  await expect(typed).rejects.toMatchObject({
    diagnosis: {
      code: "vault-key-wrong",
      cause: "The passphrase that was typed does not open the export: it is not the one that /home/you/secrets.postern was written with.",
      next: "run the command again with the passphrase that the export was made with",
    },
  })
  expect(await folder.contents()).toEqual({})

  const written = take(await withFiles(folder, { export: "wrong" }), await makeExport())
  await expect(written).rejects.toMatchObject({
    diagnosis: {
      code: "vault-key-wrong",
      cause: expect.stringContaining(`The passphrase in ${folder.at("export")} does not open the export`),
      next: "let POSTERN_EXPORT_PASSPHRASE_FILE name a private file (mode 0600) that holds the passphrase that the export was made with",
    },
  })
  expect(Object.keys(await folder.contents())).toEqual(["export"])
})

test("an export has a passphrase of its own: that of the vault neither makes one nor opens one", async () => {
  await using folder = await makeVaultFolder()
  await (await withFiles(folder, { vault: "of the vault" })).write("dev", origin, "secret of dev")
  const asked: string[] = []
  const askSecret = (question: string): Promise<string> => Promise.resolve(asked.push(question)).then(() => passphrase)

  const { text, key } = await (await withFiles(folder, { vault: "of the vault" }, askSecret)).exportAll()
  const taken = await take(await withFiles(folder, { vault: "of the vault" }, askSecret), text)
  const alone = await withFiles(folder, { vault: "of the vault" })

  expect(asked).toEqual(["New passphrase of the export (it is not shown)", "The same again", "Passphrase of the export (it is not shown)"])
  expect(key).toBe("the passphrase that was typed")
  expect(taken).toEqual({ ...nothing, unchanged: ["dev"] })
  for (const use of [() => alone.exportAll(), () => take(alone, text)]) {
    await expect(use()).rejects.toMatchObject({
      diagnosis: {
        code: "vault-passphrase-needed",
        cause: "The passphrase of the export is needed, and there is nobody to ask.",
        evidence: expect.arrayContaining(["POSTERN_EXPORT_PASSPHRASE_FILE is not set"]),
      },
    })
  }
})

test("POSTERN_EXPORT_PASSPHRASE_FILE makes and opens an export without a question, beside a vault of another passphrase", async () => {
  await using laptop = await makeVaultFolder()
  await using newLaptop = await makeVaultFolder()
  const vault = await withFiles(laptop, { vault: "of the vault", export: passphrase })
  await vault.write("dev", origin, "secret of dev")

  const { text, key } = await vault.exportAll()
  const taken = await take(await withFiles(newLaptop, { vault: "of another vault", export: passphrase }), text)

  expect(key).toBe(`the passphrase in ${laptop.at("export")}`)
  expect(taken).toEqual({ ...nothing, added: ["dev"] })
  expect(await (await withFiles(newLaptop, { vault: "of another vault" })).read("dev", origin)).toBe("secret of dev")
})

test("an export that was cut, changed or is something else is told as that, and imports nothing", async () => {
  await using folder = await makeVaultFolder()
  await using other = await makeVaultFolder()
  const text = forge({ name: "dev" }, { name: "prod" })
  const changed = (change: (file: { records: object[] }) => void): string => {
    const file = JSON.parse(text) as { records: object[] }
    change(file)
    return JSON.stringify(file)
  }
  const damaged = [
    "",
    "not JSON",
    "{}",
    text.slice(0, -40),
    changed(({ records }) => records.pop()),
    changed(({ records }) => Object.assign(records[0] ?? {}, { origin: "https://evil.example" })),
    changed((file) => Object.assign(file, { key: { source: "key-file", params: {}, check: "" } })),
  ]
  expect(await take(open(other), text)).toMatchObject({ added: ["dev", "prod"] }) // the control: undamaged

  for (const one of damaged) {
    await expect(take(open(folder), one), one.slice(0, 60)).rejects.toMatchObject({
      diagnosis: { code: "vault-export-unreadable", next: expect.stringContaining("postern vault export") },
    })
  }
  const newer = changed((file) => Object.assign(file, { version: 3 }))
  await expect(take(open(folder), newer)).rejects.toMatchObject({ diagnosis: { code: "vault-newer-format" } })
  const costly = changed((file) =>
    Object.assign(file, { key: { source: "passphrase", params: { kdf: "scrypt", N: 2 ** 40, r: 8, p: 1, salt: "" }, check: "" } }),
  )
  await expect(take(open(folder), costly)).rejects.toMatchObject({ diagnosis: { code: "vault-key-params-refused" } })
  expect(await folder.contents()).toEqual({})
})

test.each<[string, Partial<RecordHead>[]]>([
  ["a name that is a path", [{ name: "../../x" }]],
  ["a name that steers a terminal", [{ name: "a\u001b[2J" }]],
  ["an origin that steers a terminal", [{ origin: "https://a\u001b[2J" }]],
  ["no origin", [{ origin: "" }]],
  ["one name twice", [{}, {}]],
])("an export by somebody who knows the passphrase is not believed either: %s", async (_, facts) => {
  await using folder = await makeVaultFolder()

  await expect(take(open(folder), forge(...facts))).rejects.toMatchObject({ diagnosis: { code: "vault-export-unreadable" } })

  expect(await folder.contents()).toEqual({})
})

test("an import into a home with a keychain makes a vault of the keychain", async ({ skip }) => {
  if (noSession !== undefined) return skip(noSession)
  await using session = await startKeyringSession()
  await using folder = await makeVaultFolder()
  const env = { env: session.env }

  await take(folder.open(systemClock, { ...env, askSecret: async () => passphrase }), await makeExport())

  expect(await folder.open(systemClock, env).status()).toMatchObject({ keySource: "keychain" })
  expect(await folder.open(systemClock, env).read("dev", origin)).toBe("secret of dev")
})
