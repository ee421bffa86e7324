import { randomBytes } from "node:crypto"
import { expect, test } from "vitest"
import { type SealedRecord, newVault, newVaultId, sealSecret, unsealSecret } from "../../src/vault/format.ts"

const facts = { name: "key", origin: "https://example.com", createdAtMs: 1, changedAtMs: 2 }
const corrupt = expect.objectContaining({ diagnosis: expect.objectContaining({ code: "vault-corrupt" }) })

test.each<Partial<SealedRecord>>([
  { name: "other" },
  { origin: "https://evil.example" },
  { createdAtMs: 3 },
  { changedAtMs: 3 },
  { fingerprint: "00000000" },
  { nonce: randomBytes(12).toString("base64") },
  { nonce: "" },
  { sealed: "" },
  { name: 'key","https://example.com', origin: "" }, // the facts cannot be told as others
])("a record opens only with the facts that it was sealed with: not with %o", (change) => {
  const vault = newVault({ id: newVaultId(), source: "test", params: {}, key: randomBytes(32) })
  const record = sealSecret(vault, facts, "secret")

  expect(unsealSecret("vault.json", vault, record)).toBe("secret")
  expect(() => unsealSecret("vault.json", vault, { ...record, ...change })).toThrow(corrupt)
})

test("a record opens in its own vault only, also where the key is the same", () => {
  const key = randomBytes(32)
  const make = () => newVault({ id: newVaultId(), source: "test", params: {}, key })
  const [vault, other] = [make(), make()]
  const record = sealSecret(vault, facts, "secret")

  expect(() => unsealSecret("vault.json", other, record)).toThrow(corrupt)
  expect(() => unsealSecret("vault.json", { ...vault, file: { ...vault.file, id: other.file.id } }, record)).toThrow(corrupt)
})
