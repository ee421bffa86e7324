/** `node … FOLDER NAME [TIMES]`: writes the secret `NAME-1`, `NAME-2`, … under one name, and prints each number once it is stored. */
import { join } from "node:path"
import { systemClock } from "../../src/core/clock.ts"
import { openVault } from "../../src/vault/open.ts"

const [folder = "", name = "", times = "1"] = process.argv.slice(2)
const places = { vault: join(folder, "data", "vault.json"), vaultKey: join(folder, "state", "vault.key") }
const vault = openVault(places, systemClock)
for (let n = 1; n <= Number(times); n++) {
  await vault.write(name, "https://example.com", `${name}-${n}`)
  process.stdout.write(`${n}\n`)
}
