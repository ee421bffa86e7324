/** `node … FOLDER URL`: renews the grant "oauth/one" if its token is still token-1, and prints the token that it has then. */
import { join } from "node:path"
import { systemClock } from "../../src/core/clock.ts"
import { openVault } from "../../src/vault/open.ts"
import type { SecretFacts } from "../../src/vault/vault.ts"

const [folder = "", url = ""] = process.argv.slice(2)
const places = { vault: join(folder, "data", "vault.json"), vaultKey: join(folder, "state", "vault.key") }
const facts: SecretFacts = { kind: "grant", subject: "alice" }

const token = await openVault(places, systemClock).renew(
  { name: "oauth/one", origin: "https://example.com" },
  async (present, keep) => {
    if (present?.secret !== "token-1") return { result: present?.secret }
    await keep({ secret: "token-1, and an exchange has begun", facts })
    const answer = await fetch(url, { method: "POST", body: "token-1" })
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
    const secret = await answer.text()
    return { next: { secret, facts }, result: secret }
  },
  { waitMs: 20_000, holdMs: 60_000 },
  new AbortController().signal,
)
process.stdout.write(token ?? "none")
