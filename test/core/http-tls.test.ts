import { chmodSync, symlinkSync } from "node:fs"
import { rename } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { execFile, execFileSync } from "node:child_process"
import { expect, test } from "vitest"
import type { TlsFiles } from "../../src/core/http.ts"
import { compile } from "../harness/compile.ts"
import { openLayer } from "../harness/ways.ts"
import { type Authority, makeAuthority } from "../servers/authority.ts"
import { startMcpServer } from "../servers/mcp-server.ts"

const never = new AbortController().signal

/** @returns what a request over TLS gives with these files */
async function sendWith(tls: TlsFiles, url: string, env: Record<string, string> = {}): Promise<number> {
  using layer = openLayer({ tls, env })
  const answer = await layer.send({ method: "GET", url: new URL(url), headers: {} }, never)
  await answer.read(1024)
  return answer.status
}

test.each<[string, (authority: Authority) => Promise<{ readonly tls: TlsFiles; readonly file: string; readonly why: RegExp }>]>([
  ["is missing", async ({ folder }) => ({ tls: { caFile: `${folder}/none.pem` }, file: "none.pem", why: /"tls.ca".*no such file/ })],
  ["is a folder", async ({ folder }) => ({ tls: { caFile: folder }, file: "postern-ca-", why: /"tls.ca"/ })],
  [
    "holds no certificate",
    async (authority) => ({
      tls: { caFile: await authority.write("a.txt", "hello") },
      file: "a.txt",
      why: /"tls.ca".*no certificate in PEM form/,
    }),
  ],
  [
    "holds a broken certificate",
    async (authority) => ({
      tls: { caFile: await authority.write("b.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") },
      file: "b.pem",
      why: /cannot be read/,
    }),
  ],
  [
    "holds the key of another certificate",
    async (authority) => {
      const [one, other] = [await authority.issue("one"), await authority.issue("other")]
      return {
        tls: { certFile: one.certFile, keyFile: other.keyFile },
        file: other.keyFile,
        why: /"tls.key".*does not belong to the certificate/,
      }
    },
  ],
  [
    "holds no key",
    async (authority) => {
      const { certFile } = await authority.issue("one")
      return { tls: { certFile }, file: certFile, why: /"tls.key".*no private key/ }
    },
  ],
  [
    "holds a key that is locked with a passphrase",
    async (authority) => {
      const { certFile, keyFile } = await authority.issue("one")
      const locked = join(authority.folder, "locked.key")
      execFileSync("openssl", ["pkcs8", "-topk8", "-in", keyFile, "-out", locked, "-passout", "pass:secret"])
      return { tls: { certFile, keyFile: locked }, file: "locked.key", why: /encrypted with a passphrase/ }
    },
  ],
])("a file that %s is told by its name and its key, and nothing is sent", async (_, make) => {
  await using authority = await makeAuthority()
  await using server = await startMcpServer({ tls: await authority.issue("127.0.0.1") })
  const { tls, file, why } = await make(authority)

  const failure: unknown = await sendWith(tls, server.url).catch((error: unknown) => error)

  expect(failure).toMatchObject({ diagnosis: { code: "certificate-unusable", cause: expect.stringMatching(why) as string } })
  expect(JSON.stringify(failure)).toContain(file)
  expect(server.seen).toEqual([])
})

test("a file that may not be read is told by its name", async ({ skip }) => {
  if (process.getuid?.() === 0) skip("root may read everything")
  await using authority = await makeAuthority()
  chmodSync(authority.caFile, 0)

  await expect(sendWith({ caFile: authority.caFile }, "https://127.0.0.1:1/")).rejects.toMatchObject({
    diagnosis: { code: "certificate-unusable" },
  })
})

test("certificate and key may lie in one file, and behind a symbolic link", async () => {
  await using authority = await makeAuthority()
  const tls = { ...(await authority.issue("127.0.0.1")), ca: authority.ca, requestCert: true, rejectUnauthorized: true }
  await using server = await startMcpServer({ tls })
  const { cert, key } = await authority.issue("client-17")
  await authority.write("both.pem", cert + key)
  const link = join(authority.folder, "link.pem")
  symlinkSync("both.pem", link)

  expect(await sendWith({ caFile: authority.caFile, certFile: link }, server.url)).toBe(400)
})

test("a server's own authority is added to those that are known without it, those of NODE_EXTRA_CA_CERTS included", async () => {
  await using company = await makeAuthority("Company CA")
  await using team = await makeAuthority("Team CA")
  await using ofCompany = await startMcpServer({ tls: await company.issue("127.0.0.1") })
  await using ofTeam = await startMcpServer({ tls: await team.issue("127.0.0.1") })
  // Node.js reads the variable when it starts, so this needs a process of its own.
  await using child = await compile(new URL("./ask-over-tls.child.ts", import.meta.url))
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: company.caFile, TEAM_CA: team.caFile, COMPANY: ofCompany.url, TEAM: ofTeam.url }

  const { stdout: printed } = await promisify(execFile)(process.execPath, [child.path], { env })

  expect(printed.trim().split("\n")).toEqual(["400", "tls-refused", "400", "400"])
})

test("a renewed certificate is used from the next connection on, without a restart", async () => {
  await using authority = await makeAuthority()
  const names: unknown[] = []
  const tls = { ...(await authority.issue("127.0.0.1")), ca: authority.ca, requestCert: true, rejectUnauthorized: true }
  await using server = await startMcpServer({ tls, onSecure: (socket) => names.push(socket.getPeerCertificate().subject?.CN) })
  const [old, renewed] = [await authority.issue("old"), await authority.issue("renewed")]
  server.handler = (_, response) => {
    response.writeHead(200, { connection: "close" }).end()
    return true
  }
  using layer = openLayer({ tls: { caFile: authority.caFile, certFile: old.certFile, keyFile: old.keyFile } })
  const send = async (): Promise<void> => {
    const answer = await layer.send({ method: "GET", url: new URL(server.url), headers: {} }, never)
    await answer.read(10)
  }

  await send()
  await rename(renewed.certFile, old.certFile)
  await rename(renewed.keyFile, old.keyFile)
  await send()

  expect(names).toEqual(["old", "renewed"])
})
