/** The files that an entry names for TLS, as paths that can be opened. */
import { dirname, resolve } from "node:path"
import { PosternError } from "../core/diagnosis.ts"
import type { TlsFiles } from "../core/http.ts"
import type { Environment } from "../core/places.ts"
import { type Where, secretMisplaced, templateInvalid } from "./expand-diagnoses.ts"
import { valueOfVariable } from "./expand.ts"
import { requireTrusted } from "./guard.ts"
import type { HttpServer, TlsSettings } from "./server.ts"
import { parseTemplate } from "./template.ts"

/**
 * Replaces the variables in the paths of `tls`. A relative path begins at the folder of the file that the entry stands in. For a server
 * that is signed for, AWS_CA_BUNDLE names the authorities that the entry does not, as it does for all AWS tools.
 *
 * @returns undefined where no file is named
 * @throws {PosternError} `project-not-trusted`, `template-invalid`, `variable-not-set`; `secret-misplaced`, since the name of a file is
 *   shown
 */
export function expandTlsFiles(server: HttpServer, env: Environment): TlsFiles | undefined {
  const bundle = server.aws === undefined ? undefined : awsAuthorities(env)
  const { tls } = server
  if (tls === undefined) return bundle
  requireTrusted(server)
  const pathOf = (key: keyof TlsSettings): string | undefined => {
    const written = tls[key]
    if (written === undefined) return undefined
    const where = { server: server.name, file: server.file, key: `tls.${key}` }
    return resolve(dirname(server.file), expandPath(written, env, where))
  }
  const [caFile, certFile, keyFile] = [pathOf("ca"), pathOf("cert"), pathOf("key")]
  return { ...(caFile ? { caFile } : bundle), ...(certFile && { certFile }), ...(keyFile && { keyFile }) }
}

/** The authorities that AWS tools are told of by AWS_CA_BUNDLE, or undefined. Postern knows them beside the others. */
export function awsAuthorities(env: Environment): TlsFiles | undefined {
  const caFile = env["AWS_CA_BUNDLE"]
  return caFile ? { caFile, caVariable: "AWS_CA_BUNDLE" } : undefined
}

function expandPath(written: string, env: Environment, where: Where): string {
  const pieces = parseTemplate(written).map((part) => {
    if (part.kind === "text") return part.written
    if (part.kind === "variable") return valueOfVariable(part, env, where)
    if (part.kind === "broken") throw new PosternError(templateInvalid({ ...where, part: part.written }))
    throw new PosternError(secretMisplaced({ ...where, secret: part.name, reason: "the name of a file is shown" }))
  })
  return pieces.join("")
}
