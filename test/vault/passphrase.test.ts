import { randomBytes, scryptSync } from "node:crypto"
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises"
import { describe, expect, test } from "vitest"
import { systemClock } from "../../src/core/clock.ts"
import { formatVault, newVault, newVaultId, sealSecret, withRecords } from "../../src/vault/format.ts"
import type { KeyParams } from "../../src/vault/keys/key-source.ts"
import type { Vault } from "../../src/vault/vault.ts"
import { type VaultFolder, makeVaultFolder } from "./vault-folder.ts"

const origin = "https://example.com"

/** A vault whose passphrase lies in a private file, as a client without a person has it. */
async function openWithFile(folder: VaultFolder, content: string | Buffer): Promise<Vault> {
  const path = folder.at("passphrase")
  await writeFile(path, content, { mode: 0o600 })
  return folder.open(systemClock, { env: { XDG_RUNTIME_DIR: folder.path, POSTERN_PASSPHRASE_FILE: path } })
}

/** A person who types these answers, one after the other; `asked` are the questions. */
function person(...answers: readonly string[]): { readonly asked: string[]; askSecret(question: string): Promise<string> } {
  const asked: string[] = []
  return {
    asked,
    async askSecret(question) {
      asked.push(question)
      return answers[asked.length - 1] ?? Promise.reject(new Error(`nobody expects the question: ${question}`))
    },
  }
}

test("POSTERN_PASSPHRASE_FILE makes and opens a vault, without a question and without a key file", async () => {
  await using folder = await makeVaultFolder()
  await (await openWithFile(folder, "correct horse\n")).write("key", origin, "secret")

  const opened = await openWithFile(folder, "correct horse") // one final newline is no part of it

  expect(await opened.read("key", origin)).toBe("secret")
  expect(Object.keys(await folder.contents())).toEqual(["data/vault.json", "passphrase"])
  const { key } = JSON.parse(await readFile(folder.vaultPath, "utf8")) as { key: { source: string; params: KeyParams } }
  expect(key).toMatchObject({ source: "passphrase", params: { kdf: "scrypt", N: 131_072, r: 8, p: 1, salt: expect.any(String) } })
  expect(await opened.status()).toMatchObject({ keySource: "passphrase", keyPlace: `the passphrase in ${folder.at("passphrase")}` })
})

test("a wrong passphrase is told as a wrong key, and changes nothing", async () => {
  await using folder = await makeVaultFolder()
  await (await openWithFile(folder, "correct horse")).write("key", origin, "secret")
  const vault = await readFile(folder.vaultPath)

  for (const wrong of ["correct horse ", "Correct horse", "correct horse\n\n"]) {
    const opened = await openWithFile(folder, wrong)
    await expect(opened.read("key", origin)).rejects.toMatchObject({
      diagnosis: { code: "vault-key-wrong", next: expect.stringContaining("passphrase") },
    })
  }
  const opened = await openWithFile(folder, "wrong")
  await expect(opened.write("key", origin, "other")).rejects.toMatchObject({ diagnosis: { code: "vault-key-wrong" } })

  expect(await readFile(folder.vaultPath)).toEqual(vault)
})

test("a mistyped passphrase is told as that, and not as a key", async () => {
  await using folder = await makeVaultFolder()
  await (await openWithFile(folder, "correct horse")).write("key", origin, "secret")

  await expect(folder.open(systemClock, person("correct house")).read("key", origin)).rejects.toMatchObject({
    diagnosis: {
      cause: `The passphrase that was typed does not open the vault: it is not the one that ${folder.vaultPath} was written with.`,
      next: "run the command again with the right passphrase",
    },
  })
})

test("with nobody to ask, a variable that is set and empty is told as empty", async () => {
  await using folder = await makeVaultFolder()
  await (await openWithFile(folder, "correct horse")).write("key", origin, "secret")
  const empty = folder.open(systemClock, { env: { XDG_RUNTIME_DIR: folder.path, POSTERN_PASSPHRASE_FILE: "" } })

  await expect(empty.read("key", origin)).rejects.toMatchObject({
    diagnosis: { code: "vault-passphrase-needed", evidence: expect.arrayContaining(["POSTERN_PASSPHRASE_FILE is empty"]) },
  })
})

test("with nobody to ask, the passphrase is said to be needed, and no other key is made or tried", async () => {
  await using folder = await makeVaultFolder()
  await (await openWithFile(folder, "correct horse")).write("key", origin, "secret")
  const before = await folder.contents()
  const alone = folder.open()

  for (const use of [
    () => alone.read("key", origin),
    () => alone.write("other", origin, "s"),
    () => alone.move("key-file"),
    () => alone.exportAll(),
  ]) {
    await expect(use()).rejects.toMatchObject({
      diagnosis: { code: "vault-passphrase-needed", kind: "failed", next: expect.stringContaining("POSTERN_PASSPHRASE_FILE") },
    })
  }
  expect(await folder.contents()).toEqual(before)
  expect((await alone.list()).map(({ name }) => name)).toEqual(["key"]) // needs no key
  expect(await alone.status()).toMatchObject({ keySource: "passphrase", fault: { code: "vault-passphrase-needed" } })
})

test("a person is asked once for a command, however much it does", async () => {
  await using folder = await makeVaultFolder()
  await (await openWithFile(folder, "correct horse")).write("key", origin, "secret")
  const typist = person("correct horse")
  const vault = folder.open(systemClock, typist)

  expect(await vault.read("key", origin)).toBe("secret")
  await vault.write("other", origin, "s")
  await vault.remove("key")
  expect((await vault.status()).fault).toBeUndefined()

  expect(typist.asked).toEqual(["Passphrase of the vault (it is not shown)"])
})

test("a new passphrase is typed twice, and two that differ change nothing", async () => {
  await using folder = await makeVaultFolder()
  await folder.open().write("key", origin, "secret")
  const before = await folder.contents()
  const [clumsy, careful] = [person("one", "another"), person("one", "one")]

  const moving = folder.open(systemClock, clumsy).move("passphrase")

  await expect(moving).rejects.toMatchObject({
    diagnosis: {
      code: "vault-passphrase-mistyped",
      kind: "usage",
      cause: "The new passphrase of the vault was typed in two different ways.",
      next: "run the command again, and type the same twice",
    },
  })
  expect(await folder.contents()).toEqual(before)
  await folder.open(systemClock, careful).move("passphrase")
  expect(careful.asked).toHaveLength(2)
  expect(await folder.open(systemClock, person("one")).read("key", origin)).toBe("secret")
})

test("a passphrase is changed by moving to another one: the old is asked for, then the new one twice", async () => {
  await using folder = await makeVaultFolder()
  await (await openWithFile(folder, "old")).write("key", origin, "secret")
  const typist = person("old", "new", "new")

  expect(await folder.open(systemClock, typist).move("passphrase")).toEqual({ from: "passphrase", to: "passphrase", moved: true })

  expect(typist.asked).toHaveLength(3)
  expect(await (await openWithFile(folder, "new")).read("key", origin)).toBe("secret")
  await expect((await openWithFile(folder, "old")).read("key", origin)).rejects.toMatchObject({ diagnosis: { code: "vault-key-wrong" } })
})

test("while a person thinks of a passphrase, nobody else waits", async () => {
  await using folder = await makeVaultFolder()
  await folder.open().write("key", origin, "secret")
  const questions: ((typed: string) => void)[] = []
  const askSecret = (): Promise<string> => new Promise((answer) => questions.push(answer))

  const moving = folder.open(systemClock, { askSecret }).move("passphrase")
  await expect.poll(() => questions.length).toBe(1)
  await folder.open().write("other", origin, "written meanwhile")
  questions[0]?.("typed")
  await expect.poll(() => questions.length).toBe(2)
  questions[1]?.("typed")
  await moving

  expect(await folder.open(systemClock, person("typed")).read("other", origin)).toBe("written meanwhile")
})

test("the same letters in other bytes are the same passphrase", async () => {
  await using folder = await makeVaultFolder()
  await (await openWithFile(folder, "fa\u00e7ade")).write("key", origin, "secret")

  expect(await (await openWithFile(folder, "fac\u0327ade")).read("key", origin)).toBe("secret")
})

describe("what POSTERN_PASSPHRASE_FILE names is told when it cannot be used, and nothing is made", () => {
  const remedy = (path: string): string =>
    `put the passphrase into ${path} (mode 0600), or let POSTERN_PASSPHRASE_FILE name the file that holds it`

  test.each<[string, Buffer | string]>([
    ["empty", ""],
    ["a line break", "\n"],
    ["not text", Buffer.from([0xff, 0xfe, 0x00])],
  ])("%s", async (_, content) => {
    await using folder = await makeVaultFolder()
    const vault = await openWithFile(folder, content)

    await expect(vault.write("key", origin, "secret")).rejects.toMatchObject({
      diagnosis: { code: "vault-passphrase-unusable", next: remedy(folder.at("passphrase")) },
    })
    expect(Object.keys(await folder.contents())).toEqual(["passphrase"])
  })

  test("not there", async () => {
    await using folder = await makeVaultFolder()
    const vault = folder.open(systemClock, { env: { POSTERN_PASSPHRASE_FILE: folder.at("nowhere") } })

    await expect(vault.write("key", origin, "secret")).rejects.toMatchObject({
      diagnosis: {
        code: "vault-passphrase-unusable",
        cause: `The passphrase cannot be read from ${folder.at("nowhere")}: there is no such file.`,
        next: remedy(folder.at("nowhere")),
      },
    })
    expect(await folder.contents()).toEqual({})
  })

  test("open to others, or a symbolic link", async () => {
    await using folder = await makeVaultFolder()
    const vault = await openWithFile(folder, "correct horse")
    await symlink(folder.at("passphrase"), folder.at("link"))
    const linked = folder.open(systemClock, { env: { POSTERN_PASSPHRASE_FILE: folder.at("link") } })

    await expect(linked.write("key", origin, "secret")).rejects.toMatchObject({ diagnosis: { code: "file-not-private" } })
    await chmod(folder.at("passphrase"), 0o644)
    await expect(vault.write("key", origin, "secret")).rejects.toMatchObject({
      diagnosis: { code: "file-not-private", next: `chmod 600 ${folder.at("passphrase")}` },
    })
  })
})

describe("the header of a vault is not believed", () => {
  const salt = randomBytes(16).toString("base64")
  const good = { kdf: "scrypt", N: 2 ** 14, r: 8, p: 1, salt }

  test.each<[string, KeyParams]>([
    ["a cost of hours", { ...good, N: 2 ** 30 }],
    ["one step too much", { ...good, N: 2 ** 21 }],
    ["more than 1 GiB", { ...good, N: 2 ** 20, r: 16 }],
    ["many rounds", { ...good, p: 1_000_000 }],
    ["a cost that is none", { ...good, N: 2 }],
    ["no power of two", { ...good, N: 2 ** 17 + 1 }],
    ["a broken number", { ...good, r: 0.5 }],
    ["less than nothing", { ...good, r: -8 }],
    ["texts for numbers", { ...good, N: "131072" }],
    ["nothing", {}],
    ["a short salt", { ...good, salt: "AAAA" }],
    ["a long salt", { ...good, salt: randomBytes(1_000).toString("base64") }],
    ["another derivation", { ...good, kdf: "argon2id" }],
    ["no derivation", { N: 2 ** 14, r: 8, p: 1, salt }],
  ])("%s is refused before a person is asked, and before anything is derived", async (_, params) => {
    await using folder = await makeVaultFolder()
    await folder.open().write("key", origin, "secret")
    const vault = JSON.parse(await readFile(folder.vaultPath, "utf8")) as { key: object }
    vault.key = { ...vault.key, source: "passphrase", params }
    await writeFile(folder.vaultPath, JSON.stringify(vault))
    const [typist, startMs] = [person("correct horse"), performance.now()]

    const reading = folder.open(systemClock, typist).read("key", origin)

    await expect(reading).rejects.toMatchObject({ diagnosis: { code: "vault-key-params-refused", kind: "guard" } })
    expect(typist.asked).toEqual([])
    expect(performance.now() - startMs).toBeLessThan(300)
  })

  test("another cost within the limits opens: the parameters can move", async () => {
    await using folder = await makeVaultFolder()
    const { N, r, p } = good
    const key = scryptSync("correct horse", Buffer.from(salt, "base64"), 32, { N, r, p })
    const vault = newVault({ id: newVaultId(), source: "passphrase", params: good, key })
    const record = sealSecret(vault, { name: "key", origin, createdAtMs: 1, changedAtMs: 1 }, "secret")
    await mkdir(folder.at("data"), { mode: 0o700 })
    await writeFile(folder.vaultPath, formatVault(withRecords(vault, [record])), { mode: 0o600 })

    expect(await (await openWithFile(folder, "correct horse")).read("key", origin)).toBe("secret")
  })

  test("a changed salt or cost does not open, and says so", async () => {
    await using folder = await makeVaultFolder()
    const opened = await openWithFile(folder, "correct horse")
    await opened.write("key", origin, "secret")
    const vault = JSON.parse(await readFile(folder.vaultPath, "utf8")) as { key: { params: object } }
    vault.key.params = { ...vault.key.params, N: 2 ** 14 }
    await writeFile(folder.vaultPath, JSON.stringify(vault))

    await expect((await openWithFile(folder, "correct horse")).read("key", origin)).rejects.toMatchObject({
      diagnosis: { code: "vault-key-wrong" },
    })
  })
})
