import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile, writeFile } from "node:fs/promises"
import { text } from "node:stream/consumers"
import { expect, test } from "vitest"
import type { KeptSecret, SecretFacts, Vault } from "../../src/vault/vault.ts"
import { mountSmallDisk } from "../core/folder.ts"
import { compile } from "../harness/compile.ts"
import { startRotatingServer } from "./rotating-server.ts"
import { type VaultFolder, makeVaultFolder, placesIn } from "./vault-folder.ts"

const origin = "https://example.com"
const name = "oauth/one"
const record = { name, origin }
const facts: SecretFacts = {
  kind: "grant",
  subject: "alice",
  account: "https://login.example.com",
  scopes: ["read", "write"],
  expiresAtMs: 1_800_000_000_000,
  renewable: true,
  needsSignIn: "the refresh token was revoked",
}
const terms = { waitMs: 10_000, holdMs: 60_000 }
const { signal } = new AbortController()
const renewerSource = new URL("./renew.child.ts", import.meta.url)

const put = (folder: VaultFolder, kept: KeptSecret): Promise<void> =>
  folder.open().renew(record, async () => ({ next: kept, result: undefined }), terms, signal)
const find = (folder: VaultFolder): Promise<KeptSecret | undefined> =>
  folder.open().renew(record, async (present) => ({ result: present }), terms, signal)

/** The bytes of an export that holds one secret, sealed with `correct horse`. */
async function anExport(): Promise<Buffer> {
  await using folder = await makeVaultFolder()
  await folder.open().write("key", origin, "secret")
  const { text: exported } = await folder.open(undefined, { askSecret: async () => "correct horse" }).exportAll()
  return Buffer.from(exported)
}

test("3.4: of six processes that want to renew one grant, one does, and the others have its result", async () => {
  await using server = await startRotatingServer()
  await using folder = await makeVaultFolder()
  await using program = await compile(renewerSource)
  await put(folder, { secret: "token-1", facts })

  const env = { XDG_RUNTIME_DIR: folder.path }
  const renewers = Array.from({ length: 6 }, () => spawn(process.execPath, [program.path, folder.path, server.url], { env }))
  const printed = await Promise.all(renewers.map(({ stdout }) => text(stdout)))

  expect(printed).toEqual(Array(6).fill("token-2"))
  expect(server.used).toEqual(["token-1"])
  expect(Object.keys(await folder.contents())).toEqual(["data/vault.json", "state/vault.key"])
})

test("3.4: a renewer killed in the middle of its exchange is taken over at once, and leaves word that the exchange had begun", async () => {
  await using server = await startRotatingServer()
  await using folder = await makeVaultFolder()
  await using program = await compile(renewerSource)
  await put(folder, { secret: "token-1", facts })
  const hanging = server.hang()

  const renewer = spawn(process.execPath, [program.path, folder.path, server.url], { env: { XDG_RUNTIME_DIR: folder.path } })
  await hanging
  renewer.kill("SIGKILL")
  await once(renewer, "close")

  expect(server.used).toEqual(["token-1"])
  expect(await find(folder)).toEqual({ secret: "token-1, and an exchange has begun", facts: { kind: "grant", subject: "alice" } })
})

test("a renewal holds up nobody who does something else with the vault", async () => {
  await using folder = await makeVaultFolder()
  await put(folder, { secret: "token-1", facts })

  const result = await folder.open().renew(
    record,
    async (present) => {
      await folder.open().write("key", origin, "another secret")
      return { next: { secret: "token-2", facts }, result: present?.secret }
    },
    terms,
    signal,
  )

  expect(result).toBe("token-1")
  expect(await folder.open().read(name, origin)).toBe("token-2")
  expect(await folder.open().read("key", origin)).toBe("another secret")
})

test.each<[string, (vault: Vault) => Promise<unknown>]>([
  ["an import of another secret", async (vault) => vault.importAll({ path: "export", bytes: await anExport() }, { replace: false })],
  ["a move to another key", (vault) => vault.move("passphrase")],
])("a renewal is stored also where the whole vault is sealed anew in the middle of it: by %s", async (_, sealAnew) => {
  await using folder = await makeVaultFolder()
  await put(folder, { secret: "token-1", facts })
  const passphrase = folder.at("passphrase")
  await writeFile(passphrase, "correct horse\n", { mode: 0o600 })
  const env = { XDG_RUNTIME_DIR: folder.path, POSTERN_PASSPHRASE_FILE: passphrase, POSTERN_EXPORT_PASSPHRASE_FILE: passphrase }
  const open = (): Vault => folder.open(undefined, { env })
  const sealed = async () => (JSON.parse(await readFile(folder.vaultPath, "utf8")) as { records: object[] }).records

  await open().renew(
    record,
    async (_present, keep) => {
      await keep({ secret: "token-1, and an exchange has begun", facts })
      const before = await sealed()
      await sealAnew(open())
      expect(await sealed()).not.toEqual(expect.arrayContaining(before)) // the trap was reached
      return { next: { secret: "token-2", facts }, result: undefined }
    },
    terms,
    signal,
  )

  expect(await open().read(name, origin)).toBe("token-2")
})

test("a grant that was removed in the middle of its renewal does not come back", async () => {
  await using folder = await makeVaultFolder()
  await put(folder, { secret: "token-1", facts })

  const renewing = folder.open().renew(
    record,
    async () => {
      await folder.open().remove(name)
      return { next: { secret: "token-2", facts }, result: undefined }
    },
    terms,
    signal,
  )

  await expect(renewing).rejects.toMatchObject({ diagnosis: { code: "vault-overtaken" } })
  expect(await find(folder)).toBeUndefined()
})

test("on a read-only disk the exchange does not begin, and the old grant is read as ever", async ({ skip }) => {
  await using disk = await mountSmallDisk(64)
  if (disk === undefined) return skip("mounting a small disk is not permitted here")
  const folder = placesIn(disk)
  await put(folder, { secret: "token-1", facts })
  let exchanges = 0

  const renewing = folder.open().renew(
    record,
    async (present, keep) => {
      await disk.makeReadOnly()
      await keep({ secret: `${present?.secret}, begun`, facts })
      exchanges++
      return { result: undefined }
    },
    terms,
    signal,
  )

  await expect(renewing).rejects.toMatchObject({ diagnosis: { code: "not-writable" } })
  expect(exchanges).toBe(0)
  expect(await folder.open().read(name, origin)).toBe("token-1")
})

test("what is known of a grant stands beside it, and is read without the key", async () => {
  await using folder = await makeVaultFolder()
  await put(folder, { secret: "token-1", facts })
  await folder.open().write("key", origin, "secret")
  await writeFile(folder.keyPath, "no key")

  const [key, grant] = await folder.open().list()

  expect(grant).toMatchObject({ name, origin, facts })
  expect(key).toMatchObject({ name: "key", facts: { kind: "secret" } })
  expect(await readFile(folder.vaultPath, "utf8")).not.toContain("token-1")
})

test.each<[string, object]>([
  ["another person", { subject: "mallory" }],
  ["a longer life", { expiresAtMs: 1_900_000_000_000 }],
  ["other scopes", { scopes: ["read", "write", "admin"] }],
  ["no need of a sign-in", { needsSignIn: undefined }],
  ["another kind", { kind: "session" }],
])("a grant whose facts were changed in the file to %s does not open", async (_, change) => {
  await using folder = await makeVaultFolder()
  await put(folder, { secret: "token-1", facts })
  const vault = JSON.parse(await readFile(folder.vaultPath, "utf8")) as { records: { facts: object }[] }
  for (const one of vault.records) one.facts = { ...one.facts, ...change }

  await writeFile(folder.vaultPath, JSON.stringify(vault))

  await expect(folder.open().read(name, origin)).rejects.toMatchObject({ diagnosis: { code: "vault-corrupt" } })
})

test("facts that would make the vault unreadable are not written", async () => {
  await using folder = await makeVaultFolder()
  await put(folder, { secret: "token-1", facts })

  await expect(put(folder, { secret: "token-2", facts: { kind: "grant", expiresAtMs: Number.NaN } })).rejects.toThrow(TypeError)

  expect(await folder.open().read(name, origin)).toBe("token-1")
})

test("a vault is of the first version, which an older Postern reads, until it holds a grant, and again after that", async () => {
  await using folder = await makeVaultFolder()
  const version = async () => (JSON.parse(await readFile(folder.vaultPath, "utf8")) as { version: number }).version

  await folder.open().write("key", origin, "secret")
  expect(await version()).toBe(1)
  await put(folder, { secret: "token-1", facts })
  expect(await version()).toBe(2)
  await folder.open().remove(name)

  expect(await version()).toBe(1)
  expect(await folder.open().read("key", origin)).toBe("secret")
})

test("a grant stays in its vault under a new key, and out of an export", async () => {
  await using folder = await makeVaultFolder()
  await put(folder, { secret: "token-1", facts })
  await folder.open().write("key", origin, "secret")
  const vault = folder.open(undefined, { env: { XDG_RUNTIME_DIR: folder.path }, askSecret: async () => "correct horse" })

  const { names } = await vault.exportAll()
  await vault.move("passphrase")

  expect(names).toEqual(["key"])
  expect(await vault.read(name, origin)).toBe("token-1")
  expect((await vault.list()).find((entry) => entry.name === name)?.facts).toEqual(facts)
})
