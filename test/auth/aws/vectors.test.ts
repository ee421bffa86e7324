/**
 * The official Signature V4 cases, through the entry that signs every request. They lie beside the project, not in it
 * (`AWS_SIGV4_VECTORS` names another folder); where they are not there, that is said, and nothing else is claimed.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import { createSigner } from "../../../src/auth/aws/sign.ts"
import type { OutgoingRequest } from "../../../src/core/http.ts"

const beside = ["../../../../shared/vectors/sigv4", "../../../../../shared/vectors/sigv4"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
)
const folder = [process.env["AWS_SIGV4_VECTORS"] ?? "", ...beside].find((path) => existsSync(join(path, "get-vanilla")))

/** Cases that no request of ours can be, each with the reason. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "get-header-value-multiline": "a header of several lines is no header any more (RFC 9112 section 5.2), and node:http refuses to send one",
  "get-space-normalized": "its request line holds a raw blank; an address has it encoded, and the path is then encoded twice",
  "get-utf8": "its request line holds raw UTF-8; an address has it encoded, and the path is then encoded twice",
  "post-sts-header-after": "the session token is added after signing, which only AWS IoT asks for",
}
/** Paths that are signed as they are: only S3 asks for that, and it is no server of MCP. */
const isForS3 = (name: string): boolean => name.endsWith("-unnormalized")

interface Context {
  readonly credentials: { readonly access_key_id: string; readonly secret_access_key: string; readonly token?: string }
  readonly region: string
  readonly service: string
  readonly sign_body: boolean
  readonly timestamp: string
}

function readCase(path: string): { readonly context: Context; readonly request: OutgoingRequest; readonly signature: string } {
  const read = (file: string): string => readFileSync(join(path, file), "utf8")
  const [head = "", body = ""] = read("request.txt").split(/\r?\n\r?\n/)
  const [line = "", ...fields] = head.split(/\r?\n/)
  const [, method = "", target = ""] = /^(\S+) (.*) HTTP\/1\.1$/.exec(line) ?? []
  const headers: Record<string, string> = {}
  for (const field of fields.filter((one) => one !== "")) {
    const [, name = "", value = ""] = /^([^:]+):(.*)$/.exec(field) ?? []
    const key = name.toLowerCase()
    headers[key] = headers[key] === undefined ? value : `${headers[key]},${value}` // one name, one header, as HTTP joins them
  }
  const { host = "", ...others } = headers
  return {
    context: JSON.parse(read("context.json")) as Context,
    request: {
      method: method as "GET" | "POST",
      url: new URL(`https://${host}${target}`),
      headers: others,
      ...(body === "" ? {} : { body: Buffer.from(body) }),
    },
    signature: read("header-signature.txt").trim(),
  }
}

const names = folder === undefined ? [] : readdirSync(folder).filter((name) => existsSync(join(folder, name, "context.json")))
const applicable = names.filter((name) => !isForS3(name) && !Object.hasOwn(LEFT_OUT, name))

describe.skipIf(folder === undefined)(
  `the official cases of Signature V4${folder === undefined ? ": their folder is not here" : ""}`,
  () => {
    test.each(applicable)("%s has the signature that AWS publishes", (name) => {
      const { context, request, signature } = readCase(join(folder ?? "", name))
      const { credentials, region, service, sign_body: isSent, timestamp } = context
      const keys = {
        accessKeyId: credentials.access_key_id,
        secretAccessKey: credentials.secret_access_key,
        ...(credentials.token === undefined ? {} : { sessionToken: credentials.token }),
      }

      const signed = createSigner({ service, region, payload: isSent ? "sent" : "signed" })(request, keys, Date.parse(timestamp))

      expect(/Signature=([0-9a-f]{64})$/.exec(signed.headers["authorization"] ?? "")?.[1]).toBe(signature)
    })

    test("no case is left out without a reason, and none of the reasons has lost its case", () => {
      expect(names.filter((name) => !applicable.includes(name) && !isForS3(name)).toSorted()).toEqual(Object.keys(LEFT_OUT).toSorted())
      expect(applicable.length).toBeGreaterThan(25)
    })
  },
)
