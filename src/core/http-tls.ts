/** Certificates from files: further authorities, and our own certificate for servers that ask for one. */
import { X509Certificate, createPrivateKey } from "node:crypto"
import tls, { type SecureContext } from "node:tls"
import { PosternError, defineDiagnosis } from "./diagnosis.ts"
import type { TlsFiles } from "./http.ts"
import type { Certificates } from "./http-route.ts"
import type { Environment } from "./places.ts"
import { fileStamp, readTextFile } from "./read-file.ts"
import { escapeControls } from "./redact.ts"
import { shellWord } from "./shell.ts"

/** What names the file: a key of the entry, or a variable. */
type Key = string

/** Told by the first connection after the files have changed, and by each until they are right; `key` is what names the file. */
export const certificateUnusable = defineDiagnosis({
  code: "certificate-unusable",
  about:
    "A file with certificates or a private key, named by `tls` in a server's entry or by AWS_CA_BUNDLE, is missing, cannot be read, is not in PEM form, or the key does not belong to the certificate. Nothing was sent. The files are read again when they change, so a renewed certificate needs no restart.",
  tell: ({ key, file, problem }: { key: Key; file: string; problem: string }) => ({
    cause: `The file of "${key}" cannot be used: ${problem}.`,
    evidence: [`file: ${escapeControls(file)}`, "nothing was sent"],
    next: `ls -l ${shellWord(file)}`,
  }),
})

/** @param env - names the file that Node.js reads its own further authorities from (NODE_EXTRA_CA_CERTS) */
export function readCertificates(files: TlsFiles, env: Environment): Certificates {
  const named = [files.caFile, files.certFile, files.keyFile].filter((file) => file !== undefined)
  let known: { readonly stamp: string; readonly contexts: Promise<Record<"server" | "proxy", SecureContext>> } | undefined

  const read = (): Promise<Record<"server" | "proxy", SecureContext>> => {
    const stamp = named.map((file) => fileStamp(file)).join()
    if (known?.stamp !== stamp) known = { stamp, contexts: makeContexts(files, env) }
    return known.contexts
  }

  return {
    forServer: async () => (await read()).server,
    forProxy: async () => (await read()).proxy,
  }
}

async function makeContexts(
  { caFile, caVariable, certFile, keyFile }: TlsFiles,
  env: Environment,
): Promise<Record<"server" | "proxy", SecureContext>> {
  const ca = caFile === undefined ? {} : { ca: [...(await knownAuthorities(env)), await readAuthorities(caVariable ?? "tls.ca", caFile)] }
  const own = certFile === undefined ? {} : await readOwn(certFile, keyFile ?? certFile)
  return { server: tls.createSecureContext({ ...ca, ...own }), proxy: tls.createSecureContext(ca) }
}

/** Those that hold without `ca`: naming one takes all others away, so they are named too. */
async function knownAuthorities(env: Environment): Promise<readonly string[]> {
  // From Node.js 22.15 on it says itself; before, only the file of NODE_EXTRA_CA_CERTS can add to those that it brings along.
  const { getCACertificates } = tls as { getCACertificates?: (kind: "default") => string[] }
  if (getCACertificates) return getCACertificates("default")
  const extra = env["NODE_EXTRA_CA_CERTS"]
  // Node.js has warned of one that it cannot read, and goes on without it.
  const more = extra ? await readTextFile(extra).catch(() => undefined) : undefined
  return more === undefined ? tls.rootCertificates : [...tls.rootCertificates, more]
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g

async function readAuthorities(key: Key, file: string): Promise<string> {
  const text = await readNamed(key, file)
  parseCertificates(key, file, text)
  return text
}

async function readOwn(certFile: string, keyFile: string): Promise<{ cert: string; key: string }> {
  const cert = await readNamed("tls.cert", certFile)
  const [leaf] = parseCertificates("tls.cert", certFile, cert)
  const key = certFile === keyFile ? cert : await readNamed("tls.key", keyFile)
  if (!leaf.checkPrivateKey(parseKey(keyFile, key)))
    throw unusable("tls.key", keyFile, `its key does not belong to the certificate in ${escapeControls(certFile)}`)
  return { cert, key }
}

function parseCertificates(key: Key, file: string, text: string): [X509Certificate, ...X509Certificate[]] {
  const [first, ...others] = text.match(CERTIFICATE) ?? []
  if (first === undefined) throw unusable(key, file, "it holds no certificate in PEM form")
  try {
    return [new X509Certificate(first), ...others.map((one) => new X509Certificate(one))]
  } catch (error) {
    throw unusable(key, file, "a certificate in it cannot be read", error)
  }
}

function parseKey(file: string, text: string): ReturnType<typeof createPrivateKey> {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text))
    throw unusable("tls.key", file, "its key is encrypted with a passphrase, and there is nobody to ask for it when a bridge starts")
  try {
    return createPrivateKey(text)
  } catch (error) {
    throw unusable("tls.key", file, "it holds no private key in PEM form", error)
  }
}

async function readNamed(key: Key, file: string): Promise<string> {
  try {
    const text = await readTextFile(file)
    if (text !== undefined) return text
  } catch (error) {
    throw unusable(key, file, error instanceof PosternError ? error.message : "it cannot be read", error)
  }
  throw unusable(key, file, "there is no such file")
}

function unusable(key: Key, file: string, problem: string, cause?: unknown): PosternError {
  return new PosternError(certificateUnusable({ key, file, problem }), { cause })
}
