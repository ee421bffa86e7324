/**
 * A public server that names private addresses. In a network namespace of its own these addresses exist, and count who comes; nothing
 * leaves it, since it has no way out.
 */
import { execFile, spawnSync } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { makeFolder } from "../../../core/folder.ts"
import { makeAuthority } from "../../../servers/authority.ts"

/** One case, as the program in the namespace prints it. */
interface Case {
  readonly named: string
  /** Whether the entry has `allowPrivate`. */
  readonly allowed: boolean
  readonly code: string | undefined
  /** How often the server's metadata was read: the trap. */
  readonly metadataAsked: number
  /** Connections to private addresses. */
  readonly trapped: number
}

const ADDRESSES = ["93.184.216.34/32", "10.1.2.3/32", "169.254.169.254/32"]
const canUnshare = spawnSync("unshare", ["-n", "-m", "ip", "link", "set", "lo", "up"]).status === 0

test.skipIf(!canUnshare)("a public server that names private addresses gets nobody to go there, by whatever spelling or name", async () => {
  await using folder = await makeFolder()
  await using authority = await makeAuthority()
  const names = ["93.184.216.34", "10.1.2.3", "127.0.0.1", "169.254.169.254", "localhost", "*.example.com"]
  const { certFile, keyFile } = await authority.issue(...names)
  const hosts = folder.at("hosts")
  await writeFile(hosts, "127.0.0.1 localhost loopback.example.com\n10.1.2.3 inside.example.com\n")
  const lines = [`mount --bind ${hosts} /etc/hosts`, "ip link set lo up", ...ADDRESSES.map((address) => `ip addr add ${address} dev lo`)]
  const program = fileURLToPath(new URL("private-network.child.mjs", import.meta.url))
  const words = [process.execPath, program, postern, folder.path, authority.caFile, certFile, keyFile]

  const script = `${lines.join(" && ")} && exec "$@"`
  const { stdout } = await promisify(execFile)("unshare", ["-n", "-m", "sh", "-c", script, "sh", ...words])

  const cases = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Case) // the program's own format
  for (const { metadataAsked } of cases) expect(metadataAsked).toBeGreaterThan(0)
  const strict = cases.filter(({ allowed }) => !allowed)
  expect(strict.map(({ named, code, trapped }) => ({ named, code, trapped }))).toEqual(
    strict.map(({ named }) => ({ named, code: "address-refused", trapped: 0 })),
  )
  // With the person's word the private one is reached, which shows that the trap stands; the cloud's own address is not.
  const [intranet, cloud] = cases.filter(({ allowed }) => allowed)
  expect(intranet?.trapped).toBeGreaterThan(0)
  expect([cloud?.code, cloud?.trapped]).toEqual(["address-refused", 0])
})

const postern = join(process.env["POSTERN_DIST"] ?? fileURLToPath(new URL("../../../../dist", import.meta.url)), "bin/postern.js")
