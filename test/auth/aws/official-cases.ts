/**
 * The official Signature V4 cases. They lie beside the project, not in it (`AWS_SIGV4_VECTORS` names another folder), so a test that
 * uses them says when they are not here.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const BESIDE = ["../../../../shared/vectors/sigv4", "../../../../../shared/vectors/sigv4"]
const folder = [process.env["AWS_SIGV4_VECTORS"] ?? "", ...BESIDE.map((path) => fileURLToPath(new URL(path, import.meta.url)))].find(
  (path) => existsSync(join(path, "get-vanilla")),
)

/** Whether the cases are on this machine. */
export const areHere = folder !== undefined

export const caseNames: readonly string[] =
  folder === undefined ? [] : readdirSync(folder).filter((name) => existsSync(join(folder, name, "context.json")))

/** One case, as it is written. */
export interface OfficialCase {
  readonly method: string
  /** Path and query, raw. */
  readonly target: string
  /** Names in lower case; those that stand more than once are joined. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The same with what signing has added. */
  readonly signedHeaders: Readonly<Record<string, string>>
  readonly signature: string
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
  readonly region: string
  readonly service: string
  /** Whether the body's hash is sent. */
  readonly sendsHash: boolean
  readonly atMs: number
}

interface Context {
  readonly credentials: { readonly access_key_id: string; readonly secret_access_key: string; readonly token?: string }
  readonly region: string
  readonly service: string
  readonly sign_body: boolean
  readonly timestamp: string
}

export function readCase(name: string): OfficialCase {
  const read = (file: string): string => readFileSync(join(folder ?? "", name, file), "utf8")
  const { credentials, region, service, sign_body: sendsHash, timestamp } = JSON.parse(read("context.json")) as Context
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, token } = credentials
  return {
    ...readRequest(read("request.txt")),
    signedHeaders: readRequest(read("header-signed-request.txt")).headers,
    signature: read("header-signature.txt").trim(),
    keys: { accessKeyId, secretAccessKey, ...(token === undefined ? {} : { sessionToken: token }) },
    region,
    service,
    sendsHash,
    atMs: Date.parse(timestamp),
  }
}

function readRequest(text: string): Pick<OfficialCase, "method" | "target" | "headers" | "body"> {
  const [head = "", body = ""] = text.split(/\r?\n\r?\n/)
  const [line = "", ...fields] = head.replace(/\r?\n[ \t]+/g, " ").split(/\r?\n/)
  const [, method = "", target = ""] = /^(\S+) (.*) HTTP\/1\.1$/.exec(line) ?? []
  const headers: Record<string, string> = {}
  for (const field of fields.filter((one) => one !== "")) {
    const [, written = "", value = ""] = /^([^:]+):(.*)$/.exec(field) ?? []
    const name = written.toLowerCase()
    headers[name] = headers[name] === undefined ? value : `${headers[name]},${value}`
  }
  return { method, target, headers, body }
}
