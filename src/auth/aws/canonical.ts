/**
 * Which part of a request AWS saw otherwise than it was signed. A signature that does not match comes with the canonical request that
 * AWS made of what it received (in API Gateway's and the JSON services' answers): compared with what was sent, it tells a wrong secret
 * (all is equal) from something in between that rewrites (a path, a header, a body).
 */
import { createHash } from "node:crypto"
import type { OutgoingRequest } from "../../core/http.ts"
import { quote } from "../../core/redact.ts"

const CANONICAL = /The Canonical String for this request should have been\s*'([^']*)'/

/**
 * @param message - AWS's text
 * @returns one sentence for each difference; empty where there is none; undefined where AWS did not say what it saw
 */
export function differences(message: string, { method, headers, body }: OutgoingRequest): readonly string[] | undefined {
  const lines = CANONICAL.exec(message)?.[1]?.split("\n")
  const [seenMethod, , , ...rest] = lines ?? []
  if (lines === undefined || seenMethod === undefined) return undefined
  const seenHeaders = new Map(rest.filter((line) => /^[\w-]+:/.test(line)).map((line) => splitAt(line, ":")))
  const seenHash = rest.at(-1) ?? ""
  const sentHash =
    headers["x-amz-content-sha256"] ??
    createHash("sha256")
      .update(body ?? "")
      .digest("hex")
  return [
    ...(seenMethod === method ? [] : [`method: sent ${method}, arrived as ${quote(seenMethod, 20)}`]),
    ...[...seenHeaders].flatMap(([name, value]) => {
      const sent = headers[name]?.trim().replace(/ +/g, " ")
      // The host is added by the HTTP layer, and a token is a secret: it is compared, and not shown.
      if (sent === undefined || sent === value.trim()) return []
      return [
        name === "x-amz-security-token"
          ? `header ${name}: arrived otherwise than sent`
          : `header ${name}: sent ${quote(sent, 60)}, arrived as ${quote(value, 60)}`,
      ]
    }),
    ...(/^[0-9a-f]{64}$/.test(seenHash) && seenHash !== sentHash ? ["body: arrived with another hash than it was sent with"] : []),
  ]
}

function splitAt(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark)
  return [text.slice(0, at), text.slice(at + 1)]
}
