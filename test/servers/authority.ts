/** A certificate authority of a company: nobody knows it who was not told. Certificates for servers, proxies and clients. */
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

export interface Certificate {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

export interface Authority extends AsyncDisposable {
  /** The certificate of the authority, as a text and as a file. */
  readonly ca: string
  readonly caFile: string
  /** A folder for files of the test. */
  readonly folder: string
  /** @param names - hosts or addresses; the first one is the subject */
  issue(...names: readonly string[]): Promise<Certificate>
  /** Writes a file into the folder. @returns its path */
  write(name: string, text: string): Promise<string>
}

export async function makeAuthority(name = "Test Company CA"): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), "postern-ca-"))
  const path = (file: string): string => join(folder, file)
  const make = async (file: string, subject: string, more: readonly string[]): Promise<Certificate> => {
    const [keyFile, certFile] = [path(`${file}.key`), path(`${file}.pem`)]
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keyFile]
    await run("openssl", ["req", "-x509", ...key, "-out", certFile, "-days", "2", "-subj", `/CN=${subject}`, ...more])
    return { certFile, keyFile, cert: await readFile(certFile, "utf8"), key: await readFile(keyFile, "utf8") }
  }
  const root = await make("ca", name, ["-addext", "keyUsage=critical,keyCertSign"])
  let count = 0

  return {
    ca: root.cert,
    caFile: root.certFile,
    folder,
    issue(...names) {
      const alternatives = names.map((one) => (/^[\d.]+$|:/.test(one) ? `IP:${one}` : `DNS:${one}`)).join(",")
      const signed = ["-CA", root.certFile, "-CAkey", root.keyFile]
      return make(`issued-${++count}`, names[0] ?? "", [
        ...signed,
        "-addext",
        `subjectAltName=${alternatives}`,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
      ])
    },
    async write(file, text) {
      await writeFile(path(file), text)
      return path(file)
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  }
}
